"""Executing a run while its progress is shown: the outcome, Ctrl-C, and what is drawn."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest
from rich.console import Console
from tests.cli.recorded import SECOND, Recorder

from dalsegno.cli import times
from dalsegno.cli.live_display import LiveDisplay, draw
from dalsegno.cli.plain_display import PlainDisplay
from dalsegno.cli.progress import Progress, read_progress
from dalsegno.cli.running import execute, interrupts, run_of_this_process
from dalsegno.model.ids import id_text
from dalsegno.model.states import StateType


def finder(recorder: Recorder) -> Callable[[], bytes | None]:
    return run_of_this_process(recorder.backend, times.now() - SECOND)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (StateType.COMPLETED, 0),
        (StateType.FAILED, 1),
        (StateType.CRASHED, 3),
        (StateType.CANCELLED, 4),
    ],
)
def test_the_exit_code_is_that_of_the_run(
    recorder: Recorder, capsys: pytest.CaptureFixture[str], state: StateType, code: int
) -> None:
    found = execute(recorder.backend, lambda: recorder.flow_run(state=state, message="Why."), finder(recorder))
    assert found == code
    told = capsys.readouterr().err
    assert f"{state.value.title()}  nightly  brave-otter" in told
    assert ("\nWhy.\n" in told) == (code != 0)
    assert ("dalsegno flow-run retry " in told) == (code != 0)


def test_an_error_that_ended_no_run_is_raised(recorder: Recorder) -> None:
    def call() -> None:
        raise ValueError("nothing was begun")

    with pytest.raises(ValueError, match="nothing was begun"):
        execute(recorder.backend, call, finder(recorder))


def test_an_error_that_ended_a_run_is_told_by_the_run(recorder: Recorder) -> None:
    def call() -> None:
        recorder.flow_run(state=StateType.CRASHED, message="Execution was aborted.")
        raise SystemExit(7)

    assert execute(recorder.backend, call, finder(recorder)) == 3


def test_a_nested_run_and_a_run_of_before_are_not_taken_for_the_run(recorder: Recorder) -> None:
    recorder.flow_run("before")
    find = run_of_this_process(recorder.backend, times.now())
    assert find() is None
    outer = recorder.flow_run("outer")
    recorder.flow_run("inner", parent=outer)
    assert find() == outer


def test_the_first_interrupt_asks_for_cancellation(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    asked = threading.Event()

    def call() -> None:
        id = recorder.flow_run(state=StateType.RUNNING)
        signal.raise_signal(signal.SIGINT)
        while not asked.wait(0.05):
            if recorder.backend.heartbeat(recorder.process.id, {id: 1}).cancel == [id]:
                asked.set()
        recorder.flow_run(id=id, state=StateType.CANCELLED)

    assert execute(recorder.backend, call, finder(recorder)) == 130
    assert "Cancelling; press Ctrl-C again" in capsys.readouterr().err


def test_the_second_interrupt_breaks_off(recorder: Recorder) -> None:
    def call() -> None:
        id = recorder.flow_run(state=StateType.RUNNING)
        signal.raise_signal(signal.SIGINT)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            recorder.flow_run(id=id, state=StateType.CRASHED)
            raise

    assert execute(recorder.backend, call, finder(recorder)) == 130


def test_the_signal_handler_of_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_forked_child_is_interrupted_as_usual() -> None:
    asked: list[bool] = []
    with interrupts(lambda: asked.append(True)):
        child = os.fork()
        if child == 0:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                os._exit(0 if not asked else 1)
            os._exit(2)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def progress_of(recorder: Recorder) -> Progress:
    id = recorder.flow_run("brave-otter", state=StateType.RUNNING)
    recorder.task_run(id, "extract-111", task="extract")
    recorder.task_run(id, "clean-222", task="clean", state=StateType.RUNNING)
    recorder.task_run(id, "load-333", task="load", state=StateType.FAILED, message="ValueError: x\nmore")
    found = read_progress(recorder.backend, id)
    assert found is not None
    return found


def test_progress_counts_what_has_ended_of_what_is_known(recorder: Recorder) -> None:
    progress = progress_of(recorder)
    assert (progress.ended, progress.known) == (2, 3)
    assert [run.name for run in progress.running] == ["clean-222"]
    assert [run.name for run in progress.broken] == ["load-333"]


def test_progress_of_what_is_not_recorded_is_none(recorder: Recorder) -> None:
    assert read_progress(recorder.backend, bytes(16)) is None


def test_the_drawing_has_a_bar_and_names_what_runs_and_what_failed(recorder: Recorder) -> None:
    progress = progress_of(recorder)
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(draw(progress, progress.run.created + 3 * SECOND))
    lines = console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]
    assert lines[0] == "▶ Running  nightly  brave-otter  3.0 s"
    assert "━" in lines[1]
    assert "2 of 3" in lines[1]
    assert "1 Completed, 1 Failed, 1 Running" in lines[1]
    assert lines[2] == "  ✗ Failed  load-333  1.0 s  ValueError: x"
    assert lines[3].startswith("  ▶ Running  clean-222")


def test_the_drawing_fits_a_narrow_terminal(recorder: Recorder) -> None:
    progress = progress_of(recorder)
    progress.broken[0].name = "x" * 200
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None)
    console.print(draw(progress, times.now()))
    assert max(map(len, console.file.getvalue().splitlines())) <= 60  # pyright: ignore[reportAttributeAccessIssue]


def test_what_a_flow_prints_into_a_file_stays_out_of_the_drawing(
    recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    display = LiveDisplay(console)
    print("a line for the file")
    display.close()
    assert capsys.readouterr().out == "a line for the file\n"
    assert "a line" not in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_live_display_leaves_nothing_on_the_screen_but_what_was_printed(recorder: Recorder) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    display = LiveDisplay(console)
    display.show(progress_of(recorder))
    display.live.refresh()
    print("a line of the flow", file=sys.stderr)
    display.close()
    output: str = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "brave-otter" in output
    assert "a line of the flow" in output
    assert output.endswith(("\x1b[2K", "\x1b[?25h"))


def test_plain_lines_are_few(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    progress = progress_of(recorder)
    display = PlainDisplay()
    id = id_text(progress.run.id)
    at = progress.at

    def told(seconds: float) -> str:
        from msgspec.structs import replace

        display.show(replace(progress, at=at + round(seconds * SECOND)))
        return capsys.readouterr().err

    assert told(0) == f"Flow run 'brave-otter' of 'nightly': {id}\n"
    assert told(1) == ""
    assert "1 Completed, 1 Failed, 1 Running; running: clean-222; failed: load-333\n" in told(6)
    assert told(20) == ""
