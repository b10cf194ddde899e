"""A process that ends without bringing its run to an end: the run says how it ended, and is recovered."""

from __future__ import annotations

import pytest
from tests.workers.test_process_worker import stop
from tests.workers.workshop import Workshop

pytestmark = pytest.mark.embedded


def test_a_run_that_could_call_its_hooks_itself_has_them_called_once(workshop: Workshop) -> None:
    workshop.write("""
def crashed(flow, run, state):
    note(state.name, "hooks")

@flow(on_crashed=[crashed])
def job():
    sys.exit(5)
""")
    id = workshop.ask(on_crash="fail")
    with workshop.worker("--run-once") as worker:
        assert worker.end(120).status == 0
    assert workshop.run(id).state.name == "Crashed"
    assert workshop.noted("hooks") == ["Crashed"]


def test_a_crashed_run_picks_up_where_it_broke(workshop: Workshop) -> None:
    workshop.write("""
@task(durable=True)
def step(number):
    note(number)
    return number

@flow
def job():
    step(1)
    if not os.path.exists("crashed"):
        note("", "crashed")
        os._exit(1)
    step(2)
""")
    with workshop.worker() as worker:
        assert workshop.until(workshop.ask(), "Completed").attempt > 1
        stop(worker)
    assert workshop.noted() == ["1", "2"]
