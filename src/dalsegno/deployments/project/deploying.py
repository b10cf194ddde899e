"""Deploying what a file describes: build steps, push steps, then the deployments, each for the pool that it names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dalsegno._code.performing import Performed, perform
from dalsegno.deployments.deploying import deploy_all
from dalsegno.deployments.project.describing import describe
from dalsegno.deployments.project.shape import Entry, Project, read_shape
from dalsegno.deployments.project.yaml_text import Document, read
from dalsegno.deployments.runner_deployment import RunnerDeployment
from dalsegno.exceptions import ProjectFileError

FILE_NAMES = ("dalsegno.yaml", "prefect.yaml")


def find_file(given: str | None) -> Path | None:
    """Return the file of deployments: the one that is given, or that is here. Raises ProjectFileError."""
    if given is None:
        return next((Path(name) for name in FILE_NAMES if Path(name).is_file()), None)
    if not Path(given).is_file():
        raise ProjectFileError(f"There is no file {given!r} in {Path.cwd()}.")
    return Path(given)


def read_project(path: Path | None) -> Project:
    """Return what a file describes; None: no file, and no deployments. Raises ProjectFileError."""
    if path is None:
        return Project(Document("no file", None, {}), {}, [], [])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ProjectFileError(f"{path} is no UTF-8 text.") from None
    return read_shape(read(str(path), text))


def deploy_project(
    project: Project, entries: Sequence[Entry], overrides: Mapping[str, Any], *, told: bool = True
) -> list[RunnerDeployment]:
    """Deploy entries of a file, one after the other; all are described before the first one is deployed.

    Args:
        overrides: Values that go before those of each entry.

    Raises ProjectFileError, StepError, TemplateError; what loading a flow raises; and what `deploy` raises.
    """
    made: list[RunnerDeployment] = []
    done: dict[str, Performed] = {}
    for entry in entries:
        steps = {kind: entry.values.get(kind, project.steps.get(kind) or []) for kind in ("build", "push", "pull")}
        before = [*steps["build"], *steps["push"]]
        # Steps that several deployments share are performed once.
        key = repr(before)
        if key not in done:
            done[key] = perform(before, Path.cwd(), os.environ)
        made.append(describe(project, entry, done[key].outputs, steps["pull"], overrides))
    for deployment in made:
        deploy_all((deployment,), deployment.spec.work_pool_name, told)
    return made
