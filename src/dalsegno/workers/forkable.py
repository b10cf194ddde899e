"""Whether a process may be forked after it loaded a user's code: a child has none of its threads, but their locks."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
from collections.abc import Collection

_BLAS = re.compile(r"(/\S*openblas[^/\s]*\.so[^/\s]*)$", re.MULTILINE)
_BLAS_COUNTERS = (
    "scipy_openblas_get_num_threads64_",
    "scipy_openblas_get_num_threads",
    "openblas_get_num_threads64_",
    "openblas_get_num_threads",
)


def obstacle(own_handles: Collection[int]) -> str | None:
    """Say why this process had better not be forked; None: it may be. `own_handles` are sockets that are ours."""
    if not sys.platform.startswith("linux"):
        return f"processes are not forked on {sys.platform}"
    started = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if started:
        return f"importing the flow started the threads {', '.join(map(repr, sorted(started)))}"
    native = len(os.listdir("/proc/self/task")) - 1 - _threads_of_blas()
    if native > 0:
        return f"importing the flow started {native} threads that are not Python's"
    open_sockets = _sockets() - set(own_handles)
    if open_sockets:
        return f"importing the flow opened {len(open_sockets)} sockets"
    return None


def _sockets() -> set[int]:
    found: set[int] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.add(int(name))
        except OSError:
            continue  # The handle by which the folder itself was read.
    return found


def _threads_of_blas() -> int:
    """Count the threads of OpenBLAS (numpy's, scipy's): it ends them before a fork and starts new ones after it."""
    if "numpy" not in sys.modules:
        return 0
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        libraries = set(_BLAS.findall(maps.read()))
    return sum(max(0, _blas_threads(path) - 1) for path in libraries)


def _blas_threads(path: str) -> int:
    library = ctypes.CDLL(path)
    for name in _BLAS_COUNTERS:
        counter = getattr(library, name, None)
        if counter is not None:
            return counter()
    return 0
