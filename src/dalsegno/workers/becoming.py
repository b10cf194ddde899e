"""How a process becomes that of a run: its own session, its signals, its output, what must differ from its siblings."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[int], None]:
    """Return a function that has the kernel kill this process when its parent, of that id, ends.

    Where there is no such thing it does nothing. To be made before a fork: it is ready to be called then.
    """
    if not sys.platform.startswith("linux"):
        return lambda parent: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange(parent: int) -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # It ended before this was arranged.

    return arrange


def restore_signals() -> None:
    """Undo what a template did with signals."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def redirect(output: int, errors: int) -> None:
    """Have standard output and error go to these handles, line by line."""
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)


def reseed() -> None:
    """Give random generators that live in modules a seed of this process's own."""
    random.seed()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(int.from_bytes(os.urandom(8), "little"))
