"""Which process this is, and whether another one is still there. Says nothing about runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dalsegno.model.ids import new_id
from dalsegno.model.records import ProcessRecord

_PROC = Path("/proc")
_current: ProcessRecord | None = None


def current_process() -> ProcessRecord:
    """Return the record of this process: the same one at every call, a new one after a fork.

    Example:
        >>> current_process().pid == os.getpid()
        True
    """
    global _current
    if _current is None or _current.pid != os.getpid():
        _current = _describe(os.getpid())
    return _current


def is_alive(record: ProcessRecord) -> bool | None:
    """Tell whether a process still runs; None if that cannot be known from here (another machine or
    container)."""
    if record.host != os.uname().nodename:
        return None
    if record.boot_id is not None and record.boot_id != boot_id():
        return False
    if record.pid_namespace != pid_namespace():
        return None
    started = start_time(record.pid)
    return started is not None and abs(started - record.start_time) < 0.5


def restarted_since(record: ProcessRecord) -> bool:
    """Tell whether this machine, on which the process ran, was started anew since."""
    return record.host == os.uname().nodename and record.boot_id is not None and record.boot_id != boot_id()


def boot_id() -> str | None:
    """Return what names this start of the machine; None where the system does not tell."""
    return _text(_PROC / "sys/kernel/random/boot_id")


def boot_time() -> int | None:
    """Return when the machine was started, in seconds since 1970; None where the system does not tell."""
    for line in (_text(_PROC / "stat") or "").splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return None


def pid_namespace() -> str | None:
    """Return what names the space in which process ids are counted (containers have their own)."""
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None


def start_time(pid: int) -> float | None:
    """Return when a process started, as in `ProcessRecord.start_time`; None if there is none, or only a dead
    shell of it."""
    if not (_PROC / "self/stat").exists():
        return _start_time_by_ps(pid)
    text = _text(_PROC / str(pid) / "stat")
    if text is None:
        return None
    # The command's name stands in parentheses and may hold any character, also ")".
    fields = text[text.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _start_time_by_ps(pid: int) -> float | None:
    from email.utils import parsedate_to_datetime

    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "TZ": "UTC0", "PATH": os.environ.get("PATH", os.defpath)},
    ).stdout.split()
    if len(shown) < 6 or shown[0].startswith("Z"):
        return None
    _, weekday, month, day, clock, year = shown[:6]
    return parsedate_to_datetime(f"{weekday}, {day} {month} {year} {clock} +0000").timestamp()


def _describe(pid: int) -> ProcessRecord:
    return ProcessRecord(
        id=new_id(),
        host=os.uname().nodename,
        pid=pid,
        start_time=start_time(pid) or 0.0,
        boot_id=boot_id(),
        pid_namespace=pid_namespace(),
        user=_user(),
        command=" ".join(sys.orig_argv)[:2000],
    )


def _user() -> str:
    name = os.environ.get("USER") or os.environ.get("LOGNAME")
    if name:
        return name
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
