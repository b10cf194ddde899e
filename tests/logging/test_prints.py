"""Prints in bodies that log them."""

from __future__ import annotations

import builtins
import io
import sys
import threading
from typing import Any

import pytest
from tests.logging.conftest import FakeRun, KeptLines, standing_in

from dalsegno._engine.logs import prints
from dalsegno.logging import disable_run_logger


def test_printed_text_goes_to_the_log_of_the_run(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    with standing_in(session, flow_run, log_prints=True), prints(True):
        print("a", 1, None, sep="-")
        print("100 %s")
        print("as itself", file=sys.stdout, end="", flush=True)
    assert journal.messages == ["a-1-None", "100 %s", "as itself"]
    assert {line.level for line in journal.lines} == {20}
    assert capsys.readouterr().out == ""


def test_a_print_to_a_file_is_a_print(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.StringIO()
    with standing_in(session, flow_run, log_prints=True), prints(True):
        print("to a file", file=file)
        print("to stderr", file=sys.stderr)
    assert (file.getvalue(), journal.messages) == ("to a file\n", [])
    assert capsys.readouterr().err == "to stderr\n"


def test_a_print_elsewhere_is_a_print_while_a_body_logs_its_own(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    with standing_in(session, flow_run, log_prints=True), prints(True):
        thread = threading.Thread(target=print, args=("elsewhere",))
        thread.start()
        thread.join()
        with standing_in(session, flow_run, log_prints=False):
            print("a nested flow")
    assert journal.lines == []
    assert capsys.readouterr().out == "elsewhere\na nested flow\n"


def test_a_task_that_does_not_say_does_as_its_flow(
    session: Any, flow_run: FakeRun, task_run: FakeRun, journal: KeptLines
) -> None:
    with (
        standing_in(session, flow_run, log_prints=True) as outer,
        prints(True),
        standing_in(session, flow_run, task_run, log_prints=None) as inner,
    ):
        inner.flow_scope = outer
        print("in the task")
    assert [(line.message, line.logger) for line in journal.lines] == [("in the task", "dalsegno.task_runs")]


def test_the_builtin_is_given_back_by_the_last_body() -> None:
    before = builtins.print
    with prints(False):
        assert builtins.print is before
    with prints(True):
        during = builtins.print
        assert during is not before
        with prints(True):
            assert builtins.print is during
        assert builtins.print is during
    assert builtins.print is before


def test_somebody_elses_print_is_kept(
    session: Any, flow_run: FakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.print
    with prints(True):
        ours = builtins.print
        monkeypatch.setattr(builtins, "print", lambda *values: ours("theirs:", *values))
        theirs = builtins.print
    assert builtins.print is theirs
    monkeypatch.setattr(builtins, "print", ours)
    with prints(True):
        print("no endless loop")
    assert capsys.readouterr().out == "no endless loop\n"
    builtins.print = real


def test_a_disabled_run_logger_leaves_prints_alone(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    with standing_in(session, flow_run, log_prints=True), prints(True), disable_run_logger():
        print("plain")
    assert journal.lines == []
    assert capsys.readouterr().out == "plain\n"
