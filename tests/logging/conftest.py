"""Runs that exist only as far as logging looks at them, and a journal that keeps what it is handed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dalsegno._engine import logs
from dalsegno._engine.context import enter_scope, leave_scope
from dalsegno.model.ids import new_id
from dalsegno.model.records import LogRecord
from dalsegno.settings import get_current_settings


class KeptLines:
    """Stands for a journal."""

    def __init__(self) -> None:
        self.lines: list[LogRecord] = []

    def add_log(self, record: LogRecord) -> None:
        self.lines.append(record)

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.lines]


class FakeRun(SimpleNamespace):
    """Stands for a FlowRun, or with `task_key` for a TaskRun."""

    id_bytes: bytes
    name: str
    session: Any


def make_flow_run(session: Any, name: str = "witty-otter") -> FakeRun:
    id_ = new_id()
    return FakeRun(id_bytes=id_, id=id_.hex(), name=name, flow_name="nightly", session=session)


def make_task_run(session: Any, flow_run: FakeRun | None, name: str = "clean-4f1") -> FakeRun:
    id_ = new_id()
    return FakeRun(
        id_bytes=id_,
        id=id_.hex(),
        name=name,
        task_key="shop:clean",
        definition=SimpleNamespace(name="clean"),
        flow_run_id_bytes=None if flow_run is None else flow_run.id_bytes,
        flow_run_id=None if flow_run is None else flow_run.id,
        session=session,
    )


@contextlib.contextmanager
def standing_in(
    session: Any, flow_run: FakeRun | None, task_run: FakeRun | None = None, log_prints: bool | None = False
) -> Generator[Any]:
    scope: Any = SimpleNamespace(
        session=session, flow_run=flow_run, task_run=task_run, log_prints=log_prints, flow_scope=None
    )
    token = enter_scope(scope)
    try:
        yield scope
    finally:
        leave_scope(token)


@pytest.fixture
def journal() -> KeptLines:
    return KeptLines()


@pytest.fixture
def session(journal: KeptLines) -> Any:
    return SimpleNamespace(journal=journal, root_run_id=new_id(), settings=get_current_settings())


@pytest.fixture
def flow_run(session: Any) -> FakeRun:
    return make_flow_run(session)


@pytest.fixture
def task_run(session: Any, flow_run: FakeRun) -> FakeRun:
    return make_task_run(session, flow_run)


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """Install the handlers for this test's settings, and leave the loggers as other tests expect them."""
    names = ("", "dalsegno", "dalsegno.flow_runs", "dalsegno.task_runs", "library", "library.part")
    for logger in logging.root.manager.loggerDict.values():
        # A test configures logging anew, which disables what was there.
        if isinstance(logger, logging.Logger):
            logger.disabled = False
    before = [(logging.getLogger(name), [*logging.getLogger(name).handlers]) for name in names]
    logs.ensure_logging()
    yield
    for logger, handlers in before:
        logger.handlers[:] = handlers
    # The loggers of other libraries are let go by installing what the plain settings ask for.
    logs.ensure_logging()
