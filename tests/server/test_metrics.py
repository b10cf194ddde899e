"""What operators watch: numbers in the format of Prometheus, which cost little however long the history is."""

from __future__ import annotations

import re
from typing import Any

import httpx
from tests.access.conftest import Opener, open_site, passwords
from tests.server.conftest import Api
from tests.store.make import COMPLETED, FAILED, RUNNING, Run, now
from tests.store.requests import ask, claim, elsewhere

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import gauges
from dalsegno._store.connection import Connection, Values
from dalsegno.model.roles import Role

__all__ = ["open_site", "passwords"]

_LINE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')


def read(client: httpx.Client, origin: str) -> dict[str, float]:
    """Return the numbers of a scrape, by name with labels; each line must be one that Prometheus reads."""
    answer = client.get(origin + "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            match = _LINE.fullmatch(line)
            assert match is not None, line
            found[line.rpartition(" ")[0]] = float(match[3])
    return found


def origin_of(api: Api) -> str:
    return str(api.client.base_url).removesuffix("/api/")


def test_runs_the_queue_and_leases_are_there(api: Api, backend: StoreBackend) -> None:
    for code in (RUNNING, COMPLETED, COMPLETED, FAILED):
        run = Run()
        backend.deliver(run.batch(flow_runs=[run.flow_run(code)]))
    ask(backend, due=now() - 90_000_000, priority=1)
    ask(backend, due=now() - 30_000_000, priority=9)
    ask(backend, due=now() + 3_600_000_000, priority=5)
    held = ask(backend, due=now() - 300_000_000, priority=20)
    assert [claimed.flow_run_id for claimed in claim(backend, elsewhere())] == [held.id]
    found = read(api.client, origin_of(api))
    assert found['dalsegno_flow_runs{state="RUNNING"}'] == 1
    assert found['dalsegno_flow_runs{state="SCHEDULED"}'] == 3
    assert found['dalsegno_recent_flow_runs{state="COMPLETED"}'] == 2
    assert found['dalsegno_recent_flow_runs{state="FAILED"}'] == 1
    assert found["dalsegno_queued_runs"] == 3
    assert 90 <= found["dalsegno_oldest_ready_run_seconds"] < 200
    assert found["dalsegno_claimed_runs"] == 1
    assert found["dalsegno_processes"] == 2
    assert found["dalsegno_database_bytes"] > 100_000


def test_what_the_server_does_is_counted(api: Api, backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[run.task_run() for _ in range(7)]))
    api.get("flow-runs")
    api.get(f"flow-runs/{run.id.hex()}")
    api.get("flow-runs/" + "0" * 32, status=404)
    api.send("GET", "nothing-here", status=404)
    found = read(api.client, origin_of(api))
    assert found["dalsegno_journal_batches_total"] == 1
    assert found['dalsegno_journal_snapshots_total{kind="task_run"}'] == 7
    requests = {name: value for name, value in found.items() if name.startswith("dalsegno_http_requests_total")}
    assert requests['dalsegno_http_requests_total{route="/api/flow-runs",method="GET",status="200"}'] == 1
    # Ids of what was asked for make no series of their own.
    assert requests['dalsegno_http_requests_total{route="/api/flow-runs/{id}",method="GET",status="404"}'] == 1
    assert requests['dalsegno_http_requests_total{route="none",method="GET",status="404"}'] == 1
    bucket = 'dalsegno_http_request_duration_seconds_bucket{route="/api/flow-runs/{id}",le='
    assert found[bucket + '"+Inf"}'] == 2
    assert found[bucket + '"0.001"}'] <= found[bucket + '"10"}'] <= 2
    assert found['dalsegno_service_ticks_total{service="reaper"}'] >= 0
    assert found['dalsegno_store_calls{state="waiting"}'] == 0


def test_who_watches_is_counted_while_they_watch(api: Api) -> None:
    with api.client.stream("GET", "live") as stream:
        lines = stream.iter_lines()
        next(lines)
        assert read(api.client, origin_of(api))['dalsegno_waiting_requests{for="live"}'] == 1


def test_numbers_are_for_viewers_unless_a_setting_gives_them_to_everybody(open_site: Opener) -> None:
    closed = open_site(require_login="always")
    viewer = closed.with_key(closed.add("vera", Role.VIEWER))
    assert closed.client().get(closed.origin + "/metrics").status_code == 401
    assert "dalsegno_info" in viewer.get(closed.origin + "/metrics").text
    opened = open_site(require_login="always", metrics_without_login="true")
    assert read(opened.client(), opened.origin)
    assert opened.client().get("flow-runs").status_code == 401


class Planner:
    """A connection that asks for the plan of each statement before it is run."""

    dialect = "sqlite"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: dict[str, list[str]] = {}

    def execute(self, text: str, values: Values = (), /) -> Any:
        if text.startswith("SELECT"):
            plan = self._connection.execute(f"EXPLAIN QUERY PLAN {text}", values)
            self.plans[text] = [row[3] for row in plan]
        return self._connection.execute(text, values)


def test_a_scrape_looks_at_a_bounded_number_of_rows() -> None:
    backend = StoreBackend.in_memory()
    for _ in range(3):
        ask(backend, due=now())

    def look(connection: Connection) -> Planner:
        planner = Planner(connection)
        gauges.read(planner, now())
        return planner

    plans = backend.database.read(look).plans
    assert len(plans) >= 7
    for text, steps in plans.items():
        assert "LIMIT" in text
        # What is not limited by a number walks an index in order, and sorts nothing.
        assert not any("TEMP B-TREE" in step for step in steps), (text, steps)
        assert all(
            "INDEX" in step
            or "SCAN found" in step
            or "CO-ROUTINE" in step
            or step.startswith(("SCAN slot", "SCAN work_queue"))
            for step in steps
        ), (text, steps)
    backend.close()


def test_what_is_counted_stops(monkeypatch: Any) -> None:
    monkeypatch.setattr(gauges, "MOST", 5)
    backend = StoreBackend.in_memory()
    for _ in range(8):
        ask(backend, due=now())
    found = backend.database.read(lambda connection: gauges.read(connection, now()))
    assert (found.queued, found.live_runs["SCHEDULED"]) == (5, 5)
    backend.close()
