"""A run that is cancelled is gone within its grace period, whatever it is stuck in, and its hooks ran once."""

from __future__ import annotations

import time

import pytest
from tests.workers.test_process_worker import stop
from tests.workers.workshop import PATIENCE, Workshop, children_of, lives

pytestmark = pytest.mark.embedded

GRACE = 3.0

HOOKS = """
def cancelled(flow, run, state):
    note(f"{state.name} {run.name}", "hooks")
"""

STUCK = {
    "in a sleep": "time.sleep(3600)",
    "in C code that holds the interpreter": "ctypes.PyDLL(None).sleep(3600)",
    "in a child process": "subprocess.run(['sleep', '3600'])",
    "in a body that catches all": "\n    ".join(
        ["while True:", "    try:", "        time.sleep(3600)", "    except BaseException:", "        pass"]
    ),
}


@pytest.mark.parametrize("where", STUCK)
def test_a_stuck_run_is_gone_within_its_grace_period(workshop: Workshop, where: str) -> None:
    workshop.write(f"""
import ctypes
import subprocess
{HOOKS}

@flow(on_cancellation=[cancelled])
def job():
    note(os.getpid())
    {STUCK[where]}
""")
    with workshop.worker(settings={"DALSEGNO_WORKER_CANCEL_GRACE": str(GRACE)}) as worker:
        id = workshop.ask()
        pid = int(workshop.when_noted()[0])
        if "child" in where:
            workshop.when(lambda: bool(children_of(pid)))
        family = [pid, *children_of(pid)]
        began = time.monotonic()
        assert workshop.backend.request_cancel(id)
        seen = workshop.until(id, "Cancelled", "Crashed", "Completed")
        assert seen.state.name == "Cancelled"
        workshop.when(lambda: not any(lives(each) for each in family))
        print(f"gone after {time.monotonic() - began:.2f} s")
        workshop.when_noted(file="hooks")
        stop(worker)
    assert workshop.noted("hooks") == [f"Cancelled {seen.name}"]
    assert time.monotonic() - began < PATIENCE


def test_a_run_whose_code_never_finishes_loading_can_be_cancelled(workshop: Workshop) -> None:
    workshop.write("""
note("loading")
time.sleep(3600)

@flow
def job():
    pass
""")
    with workshop.worker(settings={"DALSEGNO_WORKER_CANCEL_GRACE": "1"}) as worker:
        id = workshop.ask()
        workshop.when_noted()
        workshop.backend.request_cancel(id)
        seen = workshop.until(id, "Cancelled", "Crashed", "AwaitingRetry")
        assert seen.state.name == "Cancelled"
        stop(worker)
