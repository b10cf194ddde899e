"""Tracebacks as users want to read them: without the frames of this package and of Python's import machinery."""

from __future__ import annotations

import traceback
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parent)


def users_traceback(error: BaseException) -> str:
    """Return the traceback of an error, its causes included, with only the frames of user code and libraries."""
    whole = traceback.TracebackException.from_exception(error)
    for part in _chain(whole):
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if _is_users(frame)])
    return "".join(whole.format())


def _chain(start: traceback.TracebackException) -> list[traceback.TracebackException]:
    found: list[traceback.TracebackException] = []
    waiting: list[traceback.TracebackException | None] = [start]
    while waiting:
        part = waiting.pop()
        if part is not None and part not in found:
            found.append(part)
            waiting += [part.__cause__, part.__context__]
    return found


def _is_users(frame: traceback.FrameSummary) -> bool:
    return not frame.filename.startswith(("<frozen", "<string>", PACKAGE))
