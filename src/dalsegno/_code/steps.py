"""The steps that bring code to a machine and make it ready: functions that a project file or a deployment names.

Each works in the folder where the steps before it ended, and returns its outputs by name; one that moves on returns
`directory`. Users call them as `dalsegno.deployments.steps`; they then work in the current folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec

from dalsegno._code import remote, repositories
from dalsegno.exceptions import StepError

_TAIL = 20
"""Lines of what a program said that are told if it fails."""


class Place(msgspec.Struct, frozen=True):
    """Where a step works."""

    folder: Path
    environment: dict[str, str]


place: ContextVar[Place | None] = ContextVar("dalsegno_step_place", default=None)


def here() -> Place:
    """Return where the step that is being performed works."""
    return place.get() or Place(Path.cwd(), dict(os.environ))


def git_clone(
    repository: str,
    branch: str | None = None,
    commit_sha: str | None = None,
    include_submodules: bool = False,
    access_token: str | None = None,
    credentials: Mapping[str, str] | None = None,
    directories: Sequence[str] | None = None,
    clone_directory_name: str | None = None,
) -> dict[str, Any]:
    """Go to the files of a git repository; each commit is fetched once for a machine.

    The arguments are those of `GitRepository`. `clone_directory_name` has no effect: a commit has a folder of its own.

    Returns `directory` and `commit_sha`. Raises CodeUnavailable.
    """
    login = dict(credentials or {})
    if access_token is not None:
        login["access_token"] = access_token
    wanted = repositories.Repository(
        url=repository,
        branch=branch,
        commit_sha=commit_sha,
        include_submodules=include_submodules,
        directories=list(directories or []),
        credentials=login,
    )
    folder, commit = repositories.checkout(wanted, here().environment)
    return {"directory": str(folder), "commit_sha": commit}


def pull_from_remote_storage(url: str, **settings: Any) -> dict[str, Any]:
    """Go to a copy of a folder behind any URL that fsspec knows; `settings` are those of its file system.

    Returns `directory`. Raises CodeUnavailable.
    """
    folder, version = remote.copy(url, settings, here().environment)
    return {"directory": str(folder), "version": version}


def set_working_directory(directory: str) -> dict[str, Any]:
    """Go to a folder. Raises StepError if it is not there."""
    folder = here().folder / Path(directory).expanduser()
    if not folder.is_dir():
        raise StepError(f"There is no folder {str(folder)!r}.")
    return {"directory": str(folder)}


def run_shell_script(
    script: str,
    directory: str | None = None,
    env: Mapping[str, str] | None = None,
    stream_output: bool = True,
    expand_env_vars: bool = False,
    shell: bool = False,
) -> dict[str, Any]:
    """Run each line of a script as a program, one after the other; with `shell` the whole of it by `sh -e`.

    Args:
        directory: Where; None: where the steps are.
        env: Variables beside those of the environment.
        stream_output: Whether what they say is shown.
        expand_env_vars: Whether `$NAME` is filled in, in each line.

    Returns `stdout` and `stderr`. Raises StepError for one that fails.
    """
    at = here()
    folder = at.folder if directory is None else at.folder / directory
    environment = {**at.environment, **(env or {})}
    commands = [["sh", "-e", "-c", script]] if shell else _lines(script, environment if expand_env_vars else None)
    output: list[str] = []
    errors: list[str] = []
    for command in commands:
        said, complained = _run(command, folder, environment, stream_output)
        output.append(said)
        errors.append(complained)
    return {"stdout": "".join(output).strip(), "stderr": "".join(errors).strip()}


def pip_install_requirements(
    directory: str | None = None, requirements_file: str = "requirements.txt", stream_output: bool = True
) -> dict[str, Any]:
    """Install what a file of requirements names, for the Python that this is.

    Returns `stdout` and `stderr`. Raises StepError if that fails.
    """
    folder = here().folder if directory is None else here().folder / directory
    if not (folder / requirements_file).is_file():
        raise StepError(f"There is no file {str(folder / requirements_file)!r}.")
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements_file]
    said, complained = _run(command, folder, here().environment, stream_output)
    return {"stdout": said.strip(), "stderr": complained.strip()}


def _lines(script: str, environment: Mapping[str, str] | None) -> list[list[str]]:
    found: list[list[str]] = []
    for line in script.splitlines():
        text = line.strip()
        if text and not text.startswith("#"):
            if environment is not None:
                from string import Template

                text = Template(text).safe_substitute(environment)
            found.append(shlex.split(text))
    return found


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], shown: bool) -> tuple[str, str]:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise StepError(f"{shlex.join(command)} cannot be run in {str(folder)!r}: {error.strerror}.") from None
    if shown:
        print(done.stdout, end="", flush=True)
        print(done.stderr, end="", file=sys.stderr, flush=True)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_TAIL:])
        raise StepError(f"{shlex.join(command)} ended with status {done.returncode}:\n{last}")
    return done.stdout, done.stderr
