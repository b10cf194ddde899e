"""The program of a run's process that is not forked: `python -m dalsegno.workers.spawned ORDER REPORT PARENT`."""

from __future__ import annotations

import os
import sys

import msgspec

from dalsegno.workers import becoming, executing, loaded_files
from dalsegno.workers.orders import Execute


def main() -> None:
    """Execute what was ordered."""
    order, report, parent = sys.argv[1:4]
    sys.argv[:] = [""]
    becoming.die_with_parent()(int(parent) or os.getppid())
    loaded_files.compile_own_files()
    executing.execute_and_exit(msgspec.json.decode(order, type=Execute), int(report))


if __name__ == "__main__":
    from dalsegno.workers import spawned

    spawned.main()
