"""`dalsegno flow-run watch` on runs that end, and on runs that have ended."""

from __future__ import annotations

import threading

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder
from tests.cli.test_flow_run_logs import seen_first

from dalsegno.model.ids import id_text
from dalsegno.model.states import StateType


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (StateType.COMPLETED, 0),
        (StateType.FAILED, 1),
        (StateType.CRASHED, 3),
        (StateType.CANCELLED, 4),
    ],
)
def test_the_exit_code_is_that_of_the_outcome(
    dalsegno: Dalsegno, recorder: Recorder, state: StateType, code: int
) -> None:
    id = recorder.flow_run(state=state, message="It is said.")
    done = dalsegno("flow-run", "watch", "last")
    assert done.code == code
    assert f"{state.value.title()}: It is said." in done.output
    assert (f"dalsegno flow-run retry {id_text(id)}" in done.output) == (code != 0)


def test_states_and_lines_come_in_the_order_of_time_and_once(
    dalsegno: Dalsegno, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is woken: it would look by itself much too late.
    monkeypatch.setattr("dalsegno._store.sqlite.database._LOOK_EVERY", 600.0)
    monkeypatch.setattr("dalsegno._backend.changes.CRASH_CHECK_SECONDS", 600.0)
    id = recorder.flow_run("live-lynx", state=StateType.RUNNING)
    recorder.log(id, "begun")
    begun = threading.Event()
    seen_first(begun, monkeypatch)

    def go_on() -> None:
        assert begun.wait(20)
        recorder.log(id, "on the way")
        recorder.flow_run("live-lynx", id=id, state=StateType.FAILED, message="Bad luck.", took=60)

    writer = threading.Thread(target=go_on)
    writer.start()
    done = dalsegno("flow-run", "watch", "live-lynx")
    writer.join()
    assert done.code == 1
    told = [line.split("  ", 1)[1] for line in done.output.splitlines() if line.startswith("20")]
    assert told == ["▶ Running", "INFO      begun", "INFO      on the way", "✗ Failed: Bad luck."]


def test_of_a_long_log_only_the_end_is_shown_at_first(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run()
    for number in range(30):
        recorder.log(id, f"line {number}")
    assert dalsegno("flow-run", "watch", "last").output.count("line ") == 20
    assert dalsegno("flow-run", "watch", "last", "--tail", "3").output.count("line ") == 3


def test_a_run_that_is_deleted_meanwhile_ends_the_watching(
    dalsegno: Dalsegno, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = recorder.flow_run("live-lynx", state=StateType.RUNNING)
    recorder.log(id, "begun")
    begun = threading.Event()
    seen_first(begun, monkeypatch)

    def go_on() -> None:
        assert begun.wait(20)
        recorder.flow_run("live-lynx", id=id)
        recorder.backend.delete_flow_run(id)

    writer = threading.Thread(target=go_on)
    writer.start()
    done = dalsegno("flow-run", "watch", "live-lynx")
    writer.join()
    # It may be seen in its last state before it is gone.
    assert done.code in (0, 5)
