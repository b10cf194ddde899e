"""Where lines go: the terminal, the journal, and what a program configured for itself."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.logging.conftest import FakeRun, KeptLines, standing_in

from dalsegno._engine import logs
from dalsegno._engine.log_handlers import has_colours
from dalsegno.exceptions import SettingError
from dalsegno.logging import add_redactor, get_logger, get_run_logger, remove_redactor
from dalsegno.settings import temporary_settings

CONFIG_PATH = "DALSEGNO_LOGGING_CONFIG_PATH"
EXTRA = "DALSEGNO_LOGGING_EXTRA_LOGGERS"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_terminal_shows_time_level_run_and_message(
    session: Any, flow_run: FakeRun, task_run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with standing_in(session, flow_run):
        get_run_logger().info("begins")
        with standing_in(session, flow_run, task_run):
            get_run_logger().warning("careful")
            get_logger("shop").info("from a module")
    lines = capsys.readouterr().err.splitlines()
    time = r"\d\d:\d\d:\d\d\.\d\d\d"
    assert re.fullmatch(rf"{time} \| INFO    \| Flow run 'witty-otter' - begins", lines[0])
    assert re.fullmatch(rf"{time} \| WARNING \| Task run 'clean-4f1' - careful", lines[1])
    assert re.fullmatch(rf"{time} \| INFO    \| dalsegno\.shop - from a module", lines[2])


def test_levels_are_coloured_on_terminals_only(
    session: Any, flow_run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, file = Terminal(), io.StringIO()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with standing_in(session, flow_run):
        for stream in (terminal, file):
            monkeypatch.setattr(sys, "stderr", stream)
            get_run_logger().error("red")
    assert "\x1b[31mERROR  \x1b[0m" in terminal.getvalue()
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_terminals_can_refuse_colours(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert has_colours(Terminal())
    monkeypatch.setenv(variable, value)
    assert not has_colours(Terminal())


def test_the_terminal_can_be_switched_off(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({"DALSEGNO_LOGGING_TO_CONSOLE": False}), standing_in(session, flow_run):
        logs.ensure_logging()
        get_run_logger().info("kept, not shown")
    assert capsys.readouterr().err == ""
    assert journal.messages == ["kept, not shown"]


def test_the_record_can_be_switched_off(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({"DALSEGNO_LOGGING_TO_JOURNAL": False}), standing_in(session, flow_run):
        logs.ensure_logging()
        get_run_logger().info("shown, not kept")
    assert "shown, not kept" in capsys.readouterr().err
    assert journal.lines == []


def test_lines_outside_of_runs_go_to_the_terminal_only(journal: KeptLines, capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("shop").info("outside")
    assert "dalsegno.shop - outside" in capsys.readouterr().err
    assert journal.lines == []


def test_long_lines_are_cut_and_say_so(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    with temporary_settings({"DALSEGNO_LOGGING_MAX_LINE_SIZE": 10}), standing_in(session, flow_run):
        logs.ensure_logging()
        get_run_logger().info("x" * 10)
        get_run_logger().info("y" * 11)
    assert journal.messages == [
        "x" * 10,
        "y" * 10 + " ... [cut: 11 characters, DALSEGNO_LOGGING_MAX_LINE_SIZE is 10]",
    ]


def test_secrets_can_be_taken_out_of_every_line(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    def hide(text: str) -> str:
        return text.replace("hunter2", "***")

    add_redactor(hide)
    try:
        with standing_in(session, flow_run):
            get_run_logger().info("the password is %s", "hunter2")
    finally:
        remove_redactor(hide)
    assert journal.messages == ["the password is ***"]
    assert "hunter2" not in capsys.readouterr().err


def test_other_loggers_are_kept_when_they_are_named(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    part = logging.getLogger("library.part")
    with standing_in(session, flow_run):
        part.info("before")
        with temporary_settings({EXTRA: "library,library.part"}):
            logs.ensure_logging()
            part.info("during")
        logs.ensure_logging()
        part.info("after")
    assert [(line.message, line.logger) for line in journal.lines] == [("during", "library.part")]
    shown = capsys.readouterr().err
    assert shown.count("library.part - during") == 1
    assert logging.getLogger("library").level == logging.NOTSET


def test_the_level_that_a_program_gave_a_logger_stays(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    library = logging.getLogger("library")
    library.setLevel(logging.ERROR)
    try:
        with temporary_settings({EXTRA: "library"}), standing_in(session, flow_run):
            logs.ensure_logging()
            library.warning("too quiet")
            library.error("loud")
    finally:
        library.setLevel(logging.NOTSET)
    assert journal.messages == ["loud"]


def test_what_the_root_logger_shows_is_not_shown_twice(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("root: %(message)s"))
    logging.root.addHandler(handler)
    try:
        with standing_in(session, flow_run):
            get_run_logger().info("once")
            handler.setLevel(logging.ERROR)
            get_run_logger().info("by us")
    finally:
        logging.root.removeHandler(handler)
    shown = capsys.readouterr().err
    assert shown.startswith("root: once\n")
    assert shown.count("once") == shown.count("by us") == 1
    assert journal.messages == ["once", "by us"]


def test_a_configuration_that_disables_our_loggers_loses_no_line(
    session: Any, flow_run: FakeRun, journal: KeptLines
) -> None:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    assert logging.getLogger("dalsegno.flow_runs").disabled
    logs.ensure_logging()
    with standing_in(session, flow_run):
        get_run_logger().info("kept all the same")
    assert journal.messages == ["kept all the same"]


def test_loggers_that_do_not_propagate_are_kept_too(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    logger = logging.getLogger("dalsegno.flow_runs")
    logger.propagate = False
    try:
        with temporary_settings({"DALSEGNO_LOGGING_LEVEL": "INFO"}), standing_in(session, flow_run):
            logs.ensure_logging()
            get_run_logger().info("once")
    finally:
        logger.propagate = True
    assert journal.messages == ["once"]


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_logging_can_be_configured_by_a_file(
    tmp_path: Path, session: Any, flow_run: FakeRun, journal: KeptLines, suffix: str
) -> None:
    target = tmp_path / "lines.txt"
    path = tmp_path / f"logging{suffix}"
    handler = {"class": "logging.FileHandler", "filename": str(target), "delay": True}
    config = {"handlers": {"file": handler}, "loggers": {"dalsegno": {"handlers": ["file"]}}}
    toml = (
        f'[handlers.file]\nclass = "logging.FileHandler"\nfilename = "{target}"\ndelay = true\n'
        '[loggers.dalsegno]\nhandlers = ["file"]\n'
    )
    path.write_text(json.dumps(config) if suffix == ".json" else toml, encoding="utf-8")
    with temporary_settings({CONFIG_PATH: path}), standing_in(session, flow_run):
        logs.ensure_logging()
        get_run_logger().info("to a file")
    for opened in logging.getLogger("dalsegno").handlers:
        opened.close()
    assert target.read_text(encoding="utf-8") == "to a file\n"
    assert journal.messages == ["to a file"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "{"), ("a.toml", "x ="), ("a.yaml", "version: 1"), ("a.json", '{"handlers": {"h": {}}}')],
)
def test_a_file_that_cannot_configure_logging_is_named(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with (
        temporary_settings({CONFIG_PATH: path}),
        pytest.raises(SettingError, match=f"{CONFIG_PATH} is .*{re.escape(name)}"),
    ):
        logs.ensure_logging()


def test_a_handler_that_fails_does_not_fail_the_run(
    session: Any, flow_run: FakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(record: Any) -> None:
        raise ZeroDivisionError("the journal is broken")

    monkeypatch.setattr(session.journal, "add_log", refuse)
    with standing_in(session, flow_run):
        get_run_logger().info("goes on")
    assert "ZeroDivisionError: the journal is broken" in capsys.readouterr().err


def test_importing_configures_nothing() -> None:
    import subprocess

    program = (
        "import logging, dalsegno.logging\nfrom dalsegno._engine import logs\n"
        "found = [logging.getLogger(n) for n in ('', 'dalsegno', 'dalsegno.task_runs')]\n"
        "print([(l.level, l.handlers) for l in found])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[(30, []), (0, []), (0, [])]"
