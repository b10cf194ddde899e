"""`print` in the bodies of runs that log their prints: the text goes to the run's log at INFO.

The builtin is replaced while any such body runs, once for the whole process, by a dispatcher that asks where
it stands; so a print elsewhere, in another thread or another flow, is a print.
"""

from __future__ import annotations

import builtins
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, cast

from dalsegno._engine.context import Scope, current_scope
from dalsegno._engine.log_lines import muted

_lock = threading.Lock()
_bodies = 0
_print: Callable[..., None] = builtins.print
_nothing = contextlib.nullcontext[None]()


def prints(logged: bool) -> contextlib.AbstractContextManager[None]:
    """Return the context manager for a body whose scope logs its prints, or does not."""
    return _PrintsLogged() if logged else _nothing


class _PrintsLogged:
    """Counts the bodies that run: the first replaces the builtin, the last gives it back."""

    def __enter__(self) -> None:
        global _bodies, _print
        with _lock:
            _bodies += 1
            # Whoever saved the builtin while it was ours may have put us back: we are not what we call.
            if builtins.print is not _dispatch:
                _print = builtins.print
                builtins.print = _dispatch

    def __exit__(self, *error: object) -> None:
        global _bodies
        with _lock:
            _bodies -= 1
            if _bodies == 0 and builtins.print is _dispatch:
                builtins.print = _print


def _dispatch(*values: Any, **options: Any) -> None:
    scope = current_scope()
    file = options.get("file")
    plain = file is None or file is sys.stdout
    if scope is None or not plain or not _logged_in(scope) or muted.get():
        _print(*values, **options)
        return
    separator = options.get("sep")
    text = (" " if separator is None else separator).join(map(str, values))
    name = "dalsegno.flow_runs" if scope.task_run is None else "dalsegno.task_runs"
    # The text is an argument: per cent signs in it are no placeholders.
    logging.getLogger(name).info("%s", text, stacklevel=2)


def _logged_in(scope: Scope) -> bool:
    """Tell whether a body logs its prints: as its task says, else its flow, else the setting."""
    own = cast("bool | None", scope.log_prints)
    if own is not None:
        return own
    if scope.flow_scope is not None:
        return bool(scope.flow_scope.log_prints)
    return scope.session.settings.logging.log_prints


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
