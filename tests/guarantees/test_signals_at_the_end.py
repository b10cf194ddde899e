"""SIGTERM at every moment around the end of a run: what had ended stays as it was, and nothing is left half said."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tests.guarantees.processes import Program

from dalsegno._backend.connect import connect
from dalsegno.model.views import Page, RunFilter

HEAD = """
import json
import os
import signal
import sys

from dalsegno import flow, task

moment, begins = 0, sys.argv[1]


def look(frame, event, argument):
    global moment
    moment -= 1
    if moment == 0:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGTERM)


def arm(what):
    if what == begins:
        sys.setprofile(look)


@task
def one():
    arm("task")
    return 1


@flow(on_completion=[lambda flow, run, state: arm("end")])
def main():
    return one() + 1


def moments():
    global moment
    moment = 1_000_000
    main()
    sys.setprofile(None)
    return 1_000_000 - moment


def child(number):
    '''Run the flow and be told to end at one moment; return the exit status and what was said.'''
    global moment
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(writing, 2)
        os.close(reading)
        moment = number
        main()
        os.kill(os.getpid(), signal.SIGTERM)  # what was not come to is told now
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as said:
        text = said.read()
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text]


if __name__ == "__main__":
    if sys.argv[2] == "count":
        print(moments())
    else:
        first, last, step = map(int, sys.argv[2:])
        print(json.dumps([child(number) for number in range(first, last, step)]))
"""


def told_to_end(program: Program, begins: str, most: int) -> int:
    """Run a flow once for each of `most` moments, and return how many they were."""
    counted = program.run(begins, "count")
    total = int(counted.last)
    step = max(1, total // most)
    with program.start(begins, "1", str(total), str(step)) as started:
        ended = started.end(90.0)
    for status, said in json.loads(ended.last):
        assert status == -15
        assert "Traceback" not in said
    return len(range(1, total, step))


def states_of_runs() -> tuple[Counter[str], Counter[str]]:
    connect().find_crashed()
    flow_runs = connect().list_flow_runs(RunFilter(), Page(limit=10_000))
    task_runs = connect().list_task_runs(RunFilter(), Page(limit=10_000))
    return Counter(run.state.name for run in flow_runs), Counter(run.state.name for run in task_runs)


def test_after_its_end_a_run_stays_completed(tmp_path: Path, dalsegno_home: Path) -> None:
    children = told_to_end(Program(tmp_path, dalsegno_home, HEAD), "end", 25)
    assert states_of_runs() == (Counter(Completed=children + 1), Counter(Completed=children + 1))


def test_between_the_steps_of_a_run_nothing_is_left_running(tmp_path: Path, dalsegno_home: Path) -> None:
    children = told_to_end(Program(tmp_path, dalsegno_home, HEAD), "task", 30)
    flow_runs, task_runs = states_of_runs()
    assert set(flow_runs) <= {"Completed", "Crashed"}
    assert set(task_runs) <= {"Completed", "Crashed"}
    assert flow_runs.total() == children + 1
    assert task_runs.total() == children + 1
