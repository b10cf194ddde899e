"""Getting the code of a run's deployment to this machine, before the process of the run is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from dalsegno._code.performing import perform
from dalsegno.model.deployments import ClaimedDeployment


class PreparedCode(msgspec.Struct, frozen=True):
    """Code that is here."""

    folder: str
    """To start the run's process in."""
    entrypoint: str | None
    """Of the flow, from there."""


def prepare_code(deployment: ClaimedDeployment, environment: Mapping[str, str], folder: Path) -> PreparedCode:
    """Perform the pull steps of a deployment; return where its code is then.

    What was fetched before is not fetched again, so this is quick for all runs of a commit but the first. May be
    called from several threads.

    Args:
        environment: Of the run, for secrets and for programs that steps run.
        folder: Where the first step works, unless the deployment says it.

    Raises StepError, CodeUnavailable or TemplateError, which say what is wrong, without secrets.
    """
    source = deployment.source
    start = folder if source.path is None else Path(source.path)
    done = perform(source.pull_steps, start, environment, own_only=True)
    return PreparedCode(str(done.folder), source.entrypoint)
