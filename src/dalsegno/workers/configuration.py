"""What a worker is told of the process that it starts for a run, and what it tells of how that process ended."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

import msgspec

from dalsegno.exceptions import JobVariableError
from dalsegno.model.queue import ClaimedRun
from dalsegno.workers.job_templates import job_configuration


class BaseVariables(msgspec.Struct, kw_only=True):
    """What can be said of a run's infrastructure in a work pool, a deployment or a request."""

    name: str | None = None
    env: dict[str, str | None] = {}
    """Variables of the environment; None takes one away."""
    labels: dict[str, str] = {}
    command: str | None = None


class BaseJobConfiguration(msgspec.Struct, kw_only=True):
    """What the infrastructure of one run is made of.

    Example:
        >>> BaseJobConfiguration(env={"REGION": "eu"}).env
        {'REGION': 'eu'}
    """

    name: str | None = None
    env: dict[str, str | None] = {}
    """Variables of the environment; None takes one away."""
    labels: dict[str, str] = {}
    command: str | None = None
    """Words that go before the command line of the run's process, as in a shell: ``"nice -n 10"``."""


class ProcessJobConfiguration(BaseJobConfiguration, kw_only=True):
    """What the process of one run is made of."""

    stream_output: bool = True
    """Whether what it writes is passed on to the worker's own output."""
    working_dir: str | None = None
    """The folder that it starts in; None: the one that the run was asked for in."""
    interpreter: str | None = None
    """The Python that it runs; None: the one that the run was asked for with, or the worker's own."""

    def folder(self, claimed: ClaimedRun) -> str:
        """Return the folder to start in: the first that is there."""
        source = None if claimed.deployment is None else claimed.deployment.source.path
        recorded = None if claimed.entry is None else claimed.entry.working_directory
        places = (self.working_dir, source, recorded)
        return next((place for place in places if place and os.path.isdir(place)), os.getcwd())

    def python(self, claimed: ClaimedRun) -> str:
        """Return the interpreter to start: the first that is there."""
        source = None if claimed.deployment is None else claimed.deployment.source.interpreter
        recorded = None if claimed.deployment or claimed.entry is None else claimed.entry.interpreter
        paths = (self.interpreter, source, recorded)
        return next((path for path in paths if path and os.access(path, os.X_OK)), sys.executable)

    def entrypoint(self, claimed: ClaimedRun) -> str | None:
        """Return what names the flow: what its deployment says now, else what the run recorded."""
        if claimed.deployment is not None and claimed.deployment.source.entrypoint is not None:
            return claimed.deployment.source.entrypoint
        return None if claimed.entry is None else claimed.entry.entrypoint

    def code_version(self, claimed: ClaimedRun) -> str | None:
        """Return what differs when the code does, where its deployment knows."""
        return None if claimed.deployment is None else claimed.deployment.source.code_version

    def wrapper(self) -> list[str]:
        """Return what goes before the command line of the process. Raises JobVariableError if it cannot be run."""
        try:
            words = shlex.split(self.command or "")
        except ValueError as error:
            raise JobVariableError(f"Job variable 'command' is not a command line: {error}: {self.command}") from None
        if words and shutil.which(words[0], path=self.environment().get("PATH")) is None:
            raise JobVariableError(f"Job variable 'command' names {words[0]!r}, and here is no such program.")
        return words

    def environment(self) -> dict[str, str]:
        """Return the whole environment to start with: the worker's own, and what is said here."""
        whole: dict[str, str | None] = {**os.environ, **self.env}
        return {name: value for name, value in whole.items() if value is not None}


class BaseWorkerResult(msgspec.Struct, kw_only=True):
    """How the infrastructure of one run ended.

    Example:
        >>> bool(BaseWorkerResult(identifier="host:4711", status_code=0))
        True
    """

    identifier: str
    """What the infrastructure is found by, as in ``"host:4711"`` for a process."""
    status_code: int
    """0 for success; for processes negative: the signal that ended it."""
    concluded: bool = False
    """The run has come to an end of its own, which it has recorded."""
    message: str = ""
    """What is known of why it ended, where it was not concluded."""

    def __bool__(self) -> bool:
        return self.status_code == 0


def configuration_of(claimed: ClaimedRun, pool: str | None = None) -> ProcessJobConfiguration:
    """Return what the job variables of a run, and the template of its pool, say of its process.

    What else they say is for workers of other types. Raises JobVariableError or TemplateError.
    """
    variables = {} if claimed.deployment is None else claimed.deployment.job_variables
    said = job_configuration(claimed.job_template, variables, pool)
    try:
        return msgspec.convert(said, ProcessJobConfiguration)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$.")
        raise JobVariableError(
            f"Job variable {place.removesuffix('`')!r} is nothing that a process can be started with: {what}."
        ) from None
