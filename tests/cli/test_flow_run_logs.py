"""`dalsegno flow-run logs` and `dalsegno task-run logs`."""

from __future__ import annotations

import logging
import threading

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder, now

from dalsegno.model.ids import id_text
from dalsegno.model.states import StateType


@pytest.fixture
def run(recorder: Recorder) -> bytes:
    """Give a run with five lines, the third of them a warning of its task."""
    id = recorder.flow_run("wordy-wren")
    task_run = recorder.task_run(id, "clean-4f1")
    start = now()
    for number in range(1, 6):
        level, writer = (logging.WARNING, task_run) if number == 3 else (logging.INFO, None)
        recorder.log(id, f"line {number}", level=level, task_run=writer, at=start + number)
    return id


def numbers(output: str) -> list[int]:
    return [int(line.rsplit(" ", 1)[1]) for line in output.splitlines()]


def test_lines_have_time_level_writer_and_message(dalsegno: Dalsegno, run: bytes) -> None:
    lines = dalsegno("flow-run", "logs", id_text(run)).output.splitlines()
    assert lines[0].endswith("  INFO      line 1")
    assert lines[2].endswith("  WARNING   clean-4f1: line 3")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["--head", "2"], [1, 2]),
        (["--tail", "2"], [4, 5]),
        (["--reverse"], [5, 4, 3, 2, 1]),
        (["--tail", "2", "--reverse"], [5, 4]),
        (["--head", "2", "--reverse"], [2, 1]),
        (["--level", "warning"], [3]),
        (["--level", "30"], [3]),
        (["--follow"], [1, 2, 3, 4, 5]),
        (["--follow", "--tail", "1"], [5]),
    ],
)
def test_parts_of_a_log(dalsegno: Dalsegno, run: bytes, arguments: list[str], shown: list[int]) -> None:
    done = dalsegno("flow-run", "logs", "wordy-wren", *arguments)
    assert done.code == 0
    assert numbers(done.output) == shown


def test_a_log_of_many_pages_is_whole_and_in_order(dalsegno: Dalsegno, recorder: Recorder) -> None:
    id = recorder.flow_run()
    start = now()
    for number in range(1, 1203):
        recorder.log(id, f"line {number}", at=start + number)
    assert numbers(dalsegno("flow-run", "logs", "last").output) == list(range(1, 1203))
    assert numbers(dalsegno("flow-run", "logs", "last", "--tail", "1001").output) == list(range(202, 1203))


def test_as_json_each_line_is_an_object(dalsegno: Dalsegno, run: bytes) -> None:
    lines = dalsegno("flow-run", "logs", "last", "--output", "json").json
    assert [line["message"] for line in lines] == [f"line {number}" for number in range(1, 6)]
    assert lines[2]["level"] == 30
    assert lines[0]["flow_run_id"] == id_text(run)
    assert lines[0]["timestamp"].endswith("Z")


def test_the_log_of_a_task_run_is_its_own(dalsegno: Dalsegno, run: bytes) -> None:
    assert numbers(dalsegno("task-run", "logs", "clean-4f1").output) == [3]
    assert len(dalsegno("task-run", "logs", "clean-4f1", "-o", "json").json) == 1


def test_further_lines_of_a_message_are_indented(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.log(recorder.flow_run(), "first\nsecond")
    assert dalsegno("flow-run", "logs", "last").output.splitlines()[1] == "    second"


def test_a_run_without_lines_says_so(dalsegno: Dalsegno, recorder: Recorder) -> None:
    recorder.flow_run()
    assert dalsegno("flow-run", "logs", "last").output == "No log lines.\n"
    assert dalsegno("flow-run", "logs", "last", "-o", "json").json == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--head", "1", "--tail", "1"], "not both"),
        (["--head", "0"], "at least 1"),
        (["--follow", "--reverse"], "--follow shows lines as they come"),
        (["--follow", "-o", "json"], "do not go together"),
        (["--level", "LOUD"], "'LOUD' is no level"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    dalsegno: Dalsegno, run: bytes, arguments: list[str], words: str
) -> None:
    done = dalsegno("flow-run", "logs", "last", *arguments)
    assert done.code == 2
    assert words in done.errors


def test_following_shows_lines_as_they_come_and_ends_with_the_run(
    dalsegno: Dalsegno, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = recorder.flow_run("live-lynx", state=StateType.RUNNING)
    recorder.log(id, "line 1")
    begun = threading.Event()
    seen_first(begun, monkeypatch)

    def go_on() -> None:
        assert begun.wait(20)
        recorder.log(id, "line 2")
        recorder.log(id, "line 3")
        recorder.flow_run("live-lynx", id=id)

    writer = threading.Thread(target=go_on)
    writer.start()
    done = dalsegno("flow-run", "logs", "live-lynx", "--follow")
    writer.join()
    assert numbers(done.output) == [1, 2, 3]


def seen_first(begun: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the event once the command has shown something."""
    from dalsegno.cli.log_lines import LogPrinter

    show = LogPrinter.show

    def watched(self: LogPrinter, lines: object) -> object:
        last = show(self, lines)  # pyright: ignore[reportArgumentType]
        begun.set()
        return last

    monkeypatch.setattr(LogPrinter, "show", watched)
