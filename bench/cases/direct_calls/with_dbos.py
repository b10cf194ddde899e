"""One workflow that calls a trivial step many times, one call after the other."""

from __future__ import annotations

from dbos import DBOS

import dbos_application
import probe


@DBOS.step()
def add_one(number: int) -> int:
    return number + 1


@DBOS.workflow()
def add_up(count: int) -> int:
    total = 0
    for number in range(count):
        total += add_one(number)
    return total


if __name__ == "__main__":
    with dbos_application.launched():
        probe.report(**probe.time_tasks(add_up, probe.size()))
