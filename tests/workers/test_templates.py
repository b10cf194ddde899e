"""Template processes: what is forked from them has nothing of its siblings, and is of the code as it is now."""

from __future__ import annotations

import os
import time

import pytest
from tests.workers.test_process_worker import stop
from tests.workers.workshop import Workshop, is_told

pytestmark = pytest.mark.embedded


def test_random_numbers_differ_between_runs(workshop: Workshop) -> None:
    workshop.write("""
import random
import numpy

@flow
def job():
    note(f"{random.random()} {numpy.random.random()} {os.getppid()}")
""")
    ids = [workshop.ask() for _ in range(3)]
    with workshop.worker("--run-once") as worker:
        assert worker.end(120).status == 0
    assert [workshop.run(id).state.name for id in ids] == ["Completed"] * 3
    lines = [line.split() for line in workshop.noted()]
    assert len({line[2] for line in lines}) == 1, "numpy's own threads do not keep a template from forking"
    assert len({line[0] for line in lines}) == 3
    assert len({line[1] for line in lines}) == 3


def test_a_module_that_starts_a_thread_is_not_forked_and_the_worker_says_why(workshop: Workshop) -> None:
    workshop.write("""
import threading

threading.Thread(target=time.sleep, args=(3600,), name="ticker", daemon=True).start()

@flow
def job():
    note(" ".join(thread.name for thread in threading.enumerate()))
""")
    ids = [workshop.ask() for _ in range(2)]
    with workshop.worker("--run-once") as worker:
        ended = worker.end(120)
    assert [workshop.run(id).state.name for id in ids] == ["Completed"] * 2
    assert ended.errors.count("importing the flow started the threads 'ticker'") == 1
    assert all("ticker" in line for line in workshop.noted()), "a fresh process has its own"


def test_by_a_setting_nothing_is_forked(workshop: Workshop) -> None:
    workshop.write("""
@flow
def job():
    note("spawned" if "dalsegno.workers.spawned" in sys.modules else "forked")
""")
    workshop.ask()
    with workshop.worker("--run-once", settings={"DALSEGNO_WORKER_START_METHOD": "spawn"}) as worker:
        assert worker.end(120).status == 0
    assert workshop.noted() == ["spawned"]


def test_code_that_cannot_be_loaded_is_shown_by_the_run_and_its_deployment(workshop: Workshop) -> None:
    workshop.write("raise RuntimeError('not today')\n")
    id = workshop.ask(on_crash="fail")
    with workshop.worker("--run-once") as worker:
        assert worker.end(120).status == 0
        assert is_told(worker, "could not be loaded")
    state = workshop.run(id).state
    assert state.name == "Crashed"
    assert "RuntimeError: not today" in (state.message or "")
    assert "flows.py" in (state.message or "")
    deployment = workshop.backend.find_deployment("job", "flows.py")
    assert deployment is not None
    assert "not today" in (deployment.problem or "")


@pytest.mark.parametrize("method", ["auto", "spawn"])
def test_an_edit_of_the_same_size_within_the_same_second_is_seen(workshop: Workshop, method: str) -> None:
    workshop.write("from helper import SAYS\n\n@flow\ndef job():\n    note(SAYS)\n")
    second = (round(time.time()) - 100) * 1_000_000_000
    settings = {"DALSEGNO_WORKER_START_METHOD": method, "PYTHONDONTWRITEBYTECODE": ""}
    with workshop.worker(settings=settings) as worker:
        for number in range(3):
            workshop.write(f"SAYS = 'edit {number}'\n", "helper.py")
            os.utime(workshop.folder / "helper.py", ns=(second + number, second + number))
            workshop.until(workshop.ask(), "Completed", "Crashed", "Failed")
        stop(worker)
    assert workshop.noted() == ["edit 0", "edit 1", "edit 2"]
