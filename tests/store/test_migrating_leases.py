"""The tables of leases, queue and limits are the same, whether they were there from the start or came later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.store.make import Run
from tests.store.requests import ask, claim, elsewhere

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import migrations

TABLES = (
    "availability",
    "run_request",
    "ready",
    "concurrency_limit",
    "slot_holder",
    "slot_waiter",
    "slot_use",
    "process",
)


def columns(backend: StoreBackend) -> dict[str, list[Any]]:
    def read(connection: Any) -> dict[str, list[Any]]:
        return {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in TABLES}

    return backend.database.read(read)


def test_a_database_goes_back_and_forth_and_keeps_its_runs(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    migrations.downgrade(backend.database, 1)
    migrations.upgrade(backend.database)
    assert backend.heartbeat(run.process.id, {run.id: 1}).fenced == []
    asked = ask(backend)
    assert [claimed.flow_run_id for claimed in claim(backend, elsewhere())] == [asked.id]


def test_an_older_file_gets_what_a_new_one_has(path: Path) -> None:
    backend = StoreBackend.in_file(str(path))
    fresh = columns(backend)
    migrations.downgrade(backend.database, 1)
    backend.close()
    backend = StoreBackend.in_file(str(path))
    assert columns(backend) == fresh
    backend.close()
