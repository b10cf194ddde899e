"""What the command line's exit codes mean; scripts rely on the numbers."""

from __future__ import annotations

import enum

from dalsegno.model.states import StateType


class ExitCode(enum.IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CRASHED = 3
    CANCELLED = 4
    NOT_FOUND = 5
    BACKEND = 6
    SUSPENDED = 7
    INTERRUPTED = 130


EXPLAINED = {
    ExitCode.OK: "done; the run completed",
    ExitCode.FAILED: "the run failed, or its script could not be loaded",
    ExitCode.USAGE: "wrong usage: a command, an argument, a setting, or the run's state",
    ExitCode.CRASHED: "the run crashed",
    ExitCode.CANCELLED: "the run was cancelled",
    ExitCode.NOT_FOUND: "there is no such run, flow, file or object",
    ExitCode.BACKEND: "the database could not be used",
    ExitCode.SUSPENDED: "the run was suspended: it waits to be resumed",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}

_OUTCOMES = {
    StateType.PAUSED: ExitCode.SUSPENDED,
    StateType.COMPLETED: ExitCode.OK,
    StateType.CRASHED: ExitCode.CRASHED,
    StateType.CANCELLED: ExitCode.CANCELLED,
}


def of_outcome(state_type: StateType) -> ExitCode:
    """Return the exit code for the state in which a run was left; what did not complete, failed."""
    return _OUTCOMES.get(state_type, ExitCode.FAILED)
