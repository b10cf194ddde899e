"""Run loggers: whose lines they write, and what their records carry."""

from __future__ import annotations

import contextvars
import logging
import threading
from typing import Any

import pytest
from tests.logging.conftest import FakeRun, KeptLines, make_task_run, standing_in

from dalsegno._engine.logs import is_enabled, write
from dalsegno.exceptions import MissingContextError
from dalsegno.logging import (
    LogEavesdropper,
    disable_run_logger,
    flow_run_logger,
    get_logger,
    get_run_logger,
    task_run_logger,
)
from dalsegno.settings import temporary_settings


class Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_a_line_of_a_task_belongs_to_its_task_run_and_flow_run(
    session: Any, flow_run: FakeRun, task_run: FakeRun, journal: KeptLines
) -> None:
    with standing_in(session, flow_run, task_run):
        get_run_logger().warning("%d of %d", 2, 3)
    (line,) = journal.lines
    assert (line.message, line.level, line.logger) == ("2 of 3", logging.WARNING, "dalsegno.task_runs")
    assert (line.root_run_id, line.flow_run_id, line.task_run_id) == (
        session.root_run_id,
        flow_run.id_bytes,
        task_run.id_bytes,
    )


def test_a_line_of_a_flow_belongs_to_its_flow_run(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    with standing_in(session, flow_run):
        get_run_logger().info("hello")
    (line,) = journal.lines
    assert (line.logger, line.flow_run_id, line.task_run_id) == (
        "dalsegno.flow_runs",
        flow_run.id_bytes,
        None,
    )


def test_a_task_outside_flows_has_a_logger_too(session: Any, journal: KeptLines) -> None:
    task_run = make_task_run(session, None)
    with standing_in(session, None, task_run):
        get_run_logger().info("alone")
    (line,) = journal.lines
    assert (line.flow_run_id, line.task_run_id) == (None, task_run.id_bytes)


def test_records_carry_the_names_and_ids_of_the_runs_and_what_is_given(
    session: Any, flow_run: FakeRun, task_run: FakeRun
) -> None:
    heard = Collector()
    get_logger("task_runs").addHandler(heard)
    with standing_in(session, flow_run, task_run):
        get_run_logger(shop="oslo").info("hello", extra={"order": 7})
    (record,) = heard.records
    found = {name: record.__dict__[name] for name in ("task_run_name", "task_name", "flow_run_name", "shop")}
    assert found == {
        "task_run_name": "clean-4f1",
        "task_name": "clean",
        "flow_run_name": "witty-otter",
        "shop": "oslo",
    }
    assert record.__dict__["flow_name"] == "nightly"
    assert record.__dict__["order"] == 7
    assert record.__dict__["task_run_id"] == task_run.id


def test_records_name_the_place_that_logged(session: Any, flow_run: FakeRun) -> None:
    heard = Collector()
    get_logger("flow_runs").addHandler(heard)
    with standing_in(session, flow_run):
        get_run_logger().info("by a method")
        get_run_logger().log(logging.INFO, "by log")
        write(flow_run, logging.INFO, "by the engine")
    name = "test_records_name_the_place_that_logged"
    assert [record.funcName for record in heard.records] == [name] * 3


def test_outside_of_runs_there_is_no_run_logger() -> None:
    with pytest.raises(MissingContextError, match="disable_run_logger"):
        get_run_logger()


def test_the_logger_of_another_context_can_be_asked_for(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    with standing_in(session, flow_run) as scope:
        pass
    get_run_logger(scope).info("from outside")
    assert [line.flow_run_id for line in journal.lines] == [flow_run.id_bytes]


def test_lines_can_be_written_in_the_name_of_a_run(
    session: Any, flow_run: FakeRun, task_run: FakeRun, journal: KeptLines
) -> None:
    flow_run_logger(flow_run).info("of the flow")
    with standing_in(session, flow_run):
        task_run_logger(task_run).info("of the task")
    assert [(line.message, line.task_run_id) for line in journal.lines] == [
        ("of the flow", None),
        ("of the task", task_run.id_bytes),
    ]


def test_an_exception_is_kept_with_its_traceback(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    with standing_in(session, flow_run):
        try:
            raise KeyError("colour")
        except KeyError:
            get_run_logger().exception("no luck")
    (line,) = journal.lines
    assert line.message.startswith("no luck\nTraceback (most recent call last):")
    assert line.message.endswith("KeyError: 'colour'")


def test_a_disabled_run_logger_is_silent_and_needs_no_run(
    session: Any, flow_run: FakeRun, journal: KeptLines, capsys: pytest.CaptureFixture[str]
) -> None:
    with disable_run_logger():
        get_run_logger().error("nobody hears this")
        with standing_in(session, flow_run):
            get_run_logger().error("nor this")
            write(flow_run, logging.ERROR, "nor that")
    with standing_in(session, flow_run):
        get_run_logger().error("but this")
    assert journal.messages == ["but this"]
    assert "nobody" not in capsys.readouterr().err


def test_levels_below_the_setting_are_not_kept(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    with standing_in(session, flow_run):
        get_run_logger().debug("too fine")
        assert not is_enabled(logging.DEBUG)
        with temporary_settings({"DALSEGNO_LOGGING_LEVEL": "DEBUG"}):
            flow_run_logger(flow_run).debug("fine")
            assert is_enabled(logging.DEBUG)
    assert journal.messages == ["fine"]


def test_the_lines_of_one_microsecond_are_told_apart_in_their_order(
    session: Any, flow_run: FakeRun, journal: KeptLines
) -> None:
    with standing_in(session, flow_run):
        for number in range(500):
            get_run_logger().info("%d", number)
    assert len({line.nonce for line in journal.lines}) == 500
    assert sorted(journal.lines, key=lambda line: (line.timestamp, line.nonce)) == journal.lines
    assert all(0 <= line.nonce < 2**47 for line in journal.lines)


def test_threads_log_into_the_run_whose_context_they_carry(session: Any, flow_run: FakeRun, journal: KeptLines) -> None:
    def say(text: str) -> None:
        logging.getLogger("dalsegno.shop").info(text)

    with standing_in(session, flow_run):
        inside = threading.Thread(target=contextvars.copy_context().run, args=(say, "inside"))
        outside = threading.Thread(target=say, args=("outside",))
        for thread in (inside, outside):
            thread.start()
            thread.join()
    assert journal.messages == ["inside"]


def test_get_logger_names_are_below_ours() -> None:
    assert get_logger().name == "dalsegno"
    assert get_logger("shop").name == "dalsegno.shop"
    assert get_logger("dalsegno.shop") is get_logger("shop")


def test_an_eavesdropper_hears_one_logger_for_one_block() -> None:
    logger = logging.getLogger("library.part")
    with LogEavesdropper("library", level=logging.DEBUG) as heard:
        logger.debug("first")
        logger.warning("second")
    logger.warning("third")
    assert heard.text() == "[DEBUG]: first\n[WARNING]: second"
    assert logging.getLogger("library").level == logging.NOTSET
