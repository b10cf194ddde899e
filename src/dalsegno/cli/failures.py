"""How a command says that something is wrong: one line on standard error, and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from dalsegno import exceptions
from dalsegno._tracebacks import users_traceback
from dalsegno.cli.exit_codes import ExitCode

# The first class that fits decides.
_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (exceptions.ScriptError, ExitCode.FAILED),
    (exceptions.ObjectNotFound, ExitCode.NOT_FOUND),
    (exceptions.MissingFlowError, ExitCode.NOT_FOUND),
    (exceptions.EntrypointError, ExitCode.NOT_FOUND),
    (exceptions.RunIsAlive, ExitCode.USAGE),
    (exceptions.AttemptConflict, ExitCode.USAGE),
    (exceptions.ObjectAlreadyExists, ExitCode.USAGE),
    (exceptions.OnlyAdmin, ExitCode.USAGE),
    (exceptions.InvalidRequest, ExitCode.USAGE),
    (exceptions.InvalidInput, ExitCode.USAGE),
    (exceptions.InvalidParameters, ExitCode.USAGE),
    (exceptions.StateConflict, ExitCode.USAGE),
    (exceptions.BackendError, ExitCode.BACKEND),
    (exceptions.DalsegnoException, ExitCode.USAGE),
    (OSError, ExitCode.BACKEND),
)


class CommandError(Exception):
    """A command cannot do what was asked: a message, an exit code, and further lines if they help."""

    def __init__(self, message: str, code: ExitCode = ExitCode.USAGE, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def report(error: BaseException, *, with_traceback: bool = False) -> ExitCode:
    """Print what went wrong on standard error and return the exit code for it."""
    if with_traceback:
        traceback.print_exception(error, file=sys.stderr)
    elif isinstance(error, exceptions.ScriptError):
        print_users_traceback(error.user_exc)
    print(f"Error: {one_line(error)}", file=sys.stderr)
    if isinstance(error, CommandError):
        for line in error.details:
            print(line, file=sys.stderr)
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)


def is_expected(error: BaseException) -> bool:
    """Tell whether the error speaks for itself; any other is a fault of ours and deserves its traceback."""
    return isinstance(error, (CommandError, exceptions.DalsegnoException, OSError))


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def print_users_traceback(error: BaseException) -> None:
    """Print the traceback of an error without the frames of this package and of Python's import machinery."""
    print(users_traceback(error), end="", file=sys.stderr)
