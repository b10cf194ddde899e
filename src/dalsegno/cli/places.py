"""Where a run was begun: the interpreter and the folder in which it is to be executed again."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dalsegno.model.records import EntryPoint

# Set for the process that takes over, so that it does not look for another interpreter in its turn.
CHOSEN = "DALSEGNO__INTERPRETER_CHOSEN"


def go_on_with_interpreter(entry: EntryPoint | None, words: Sequence[str]) -> None:
    """Let the interpreter that the run was begun with execute the command, where it is not this one.

    It has the packages that the flow imports; the command may be installed elsewhere. Does not return then.
    """
    if entry is None or is_this_interpreter(entry.interpreter) or os.environ.get(CHOSEN):
        return
    if not os.access(entry.interpreter, os.X_OK):
        tell(f"The interpreter of this run, {entry.interpreter}, is gone; going on with {sys.executable}.")
        return
    from dalsegno._backend.connect import close_all

    close_all()
    sys.stdout.flush()
    os.execve(
        entry.interpreter,
        [entry.interpreter, "-m", "dalsegno.cli", *words],
        {**os.environ, CHOSEN: entry.interpreter},
    )


def is_this_interpreter(path: str) -> bool:
    """Tell whether a path is that of the interpreter here; the same program elsewhere has other packages."""
    here, there = Path(sys.executable), Path(path)
    if here == there:
        return True
    try:
        return here.parent == there.parent and here.samefile(there)
    except OSError:
        return False


def folder_of(entry: EntryPoint | None) -> contextlib.AbstractContextManager[None]:
    """Stand in the folder in which a run was begun: its relative paths are meant from there."""
    if entry is None:
        return contextlib.nullcontext()
    if not Path(entry.working_directory).is_dir():
        tell(f"The folder of this run, {entry.working_directory}, is gone; going on in {Path.cwd()}.")
        return contextlib.nullcontext()
    return contextlib.chdir(entry.working_directory)


def tell(text: str) -> None:
    print(text, file=sys.stderr)
