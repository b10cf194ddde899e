"""`dalsegno flow-run execute`."""

from __future__ import annotations

from tests.cli.conftest import Dalsegno
from tests.cli.scripts import Folder

from dalsegno import flow
from dalsegno._backend.connect import connect
from dalsegno._engine.requesting import request_run
from dalsegno.flow_runs import execute_flow_run
from dalsegno.flows import load_flow_from_entrypoint
from dalsegno.model.ids import id_text

SCRIPT = """
from dalsegno import flow, task

@task
def double(number):
    return 2 * number

@flow
def waits(number: int, note: str = ""):
    if number < 0:
        raise ValueError("negative")
    return double(number)
"""


def test_a_run_that_waits_is_executed_here(dalsegno: Dalsegno, folder: Folder) -> None:
    folder.write("waits.py", SCRIPT)
    nightly = load_flow_from_entrypoint("waits.py:waits")
    # Large parameters lie in the database beside the row.
    id = request_run(connect(), nightly, {"number": 21, "note": "x" * 100_000})
    shown = dalsegno("flow-run", "inspect", id_text(id), "-o", "json").json
    assert shown["state"]["name"] == "Scheduled"
    done = dalsegno("flow-run", "execute", id_text(id))
    assert done.code == 0, done.errors
    seen = connect().read_flow_run(id)
    assert seen is not None
    assert [state.name for state in seen.states or []] == ["Scheduled", "Pending", "Running", "Completed"]
    assert (seen.attempt, seen.task_run_counts) == (1, {"Completed": 1})
    again = dalsegno("flow-run", "execute", id_text(id))
    assert again.code != 0
    assert "does not wait in the queue: it is Completed" in again.errors


def test_a_run_whose_code_is_gone_says_so_and_is_recovered_by_its_policy(dalsegno: Dalsegno, folder: Folder) -> None:
    folder.write("waits.py", SCRIPT)
    nightly = load_flow_from_entrypoint("waits.py:waits")
    id = request_run(connect(), nightly, {"number": 1}, on_crash="fail")
    (folder.path / "waits.py").unlink()
    assert dalsegno("flow-run", "execute", id_text(id)).code != 0
    seen = connect().read_flow_run(id)
    assert seen is not None
    assert seen.state.name == "Crashed"
    assert (seen.state.message or "").startswith("It could not be begun: EntrypointError: There is no file")


def test_a_run_whose_flow_is_at_hand_is_executed_with_it() -> None:
    @flow
    def local(number: int) -> int:
        return number + 1

    assert execute_flow_run(request_run(connect(), local, {"number": 1}), flow=local) == 2
