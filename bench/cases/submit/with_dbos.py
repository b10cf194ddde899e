"""One workflow that starts a child workflow of one trivial step many times and gathers the results.

DBOS runs steps of one workflow at once only as coroutines; what it runs on threads is child workflows.
Starting them directly is the faster of its two ways (a queue is polled once a second).
"""

from __future__ import annotations

from dbos import DBOS

import dbos_application
import probe


@DBOS.step()
def add_one(number: int) -> int:
    return number + 1


@DBOS.workflow()
def add_one_workflow(number: int) -> int:
    return add_one(number)


@DBOS.workflow()
def fan_out(count: int) -> int:
    handles = [DBOS.start_workflow(add_one_workflow, number) for number in range(count)]
    return sum(handle.get_result() for handle in handles)


if __name__ == "__main__":
    with dbos_application.launched():
        probe.report(**probe.time_tasks(fan_out, probe.size()))
