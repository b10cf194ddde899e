"""The loops of a server: each goes on whatever befalls the others, and all end with it."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import httpx
import pytest
from tests.served import serving
from tests.store.make import RUNNING, Run
from tests.store.requests import elsewhere
from tests.store.test_attempts import gone

from dalsegno._backend.embedded import StoreBackend
from dalsegno._services import reaper
from dalsegno._store import leases
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, NewLimit
from dalsegno.server.services import Service, Services, ServiceView

PATIENCE = 20.0


def view(services: Services, name: str) -> ServiceView:
    return next(view for view in services.list() if view.name == name)


def test_a_slow_loop_and_a_broken_one_stop_no_other(caplog: pytest.LogCaptureFixture) -> None:
    release, ticked = threading.Event(), threading.Event()
    count = 0

    def good() -> bool:
        nonlocal count
        count += 1
        if count == 3:
            ticked.set()
        return True

    def broken() -> bool:
        raise ZeroDivisionError("of the test")

    services = Services(
        [
            Service("slow", "Waits.", 0.01, lambda: release.wait(PATIENCE)),
            Service("broken", "Fails.", 0.01, broken),
            Service("good", "Works.", 0.01, good),
        ]
    )
    services.start()
    assert ticked.wait(PATIENCE)
    release.set()
    services.stop()
    assert view(services, "good").ticks >= 3
    assert view(services, "good").errors == 0
    failed = view(services, "broken")
    assert (failed.ticks, failed.last_error) == (0, "ZeroDivisionError: of the test")
    assert failed.errors >= 1
    assert "The service broken failed and is tried again in" in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name in ("dalsegno-slow", "dalsegno-good")]


def test_a_loop_that_fails_is_tried_later_each_time(caplog: pytest.LogCaptureFixture) -> None:
    times: list[float] = []
    enough = threading.Event()

    def broken() -> bool:
        times.append(time.monotonic())
        if len(times) == 4:
            enough.set()
        raise ZeroDivisionError

    caplog.set_level(logging.CRITICAL)
    services = Services([Service("broken", "Fails.", 0.02, broken)])
    services.start()
    assert enough.wait(PATIENCE)
    services.stop()
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[0] >= 0.04
    assert pauses[1] >= 0.08
    assert pauses[2] >= 0.16


def test_a_server_finds_the_dead_by_itself_and_tells_of_its_loops() -> None:
    backend = StoreBackend.in_memory()
    run = Run(process=gone())
    backend.deliver(run.batch(flow_runs=[run.flow_run(RUNNING)]))
    with serving(backend) as url:
        give_up = time.monotonic() + PATIENCE
        while backend.read_flow_run(run.id).state.name != "Crashed":  # type: ignore[union-attr]
            assert time.monotonic() < give_up
            httpx.get(f"{url}/services")
        listed = httpx.get(f"{url}/services").json()
    assert [service["name"] for service in listed] == ["reaper", "scheduler", "workers", "retention", "access"]
    assert all(service["errors"] == 0 for service in listed)
    backend.close()


def test_the_reaper_blames_nobody_for_an_outage_and_frees_what_is_lost() -> None:
    backend = StoreBackend.in_memory()
    lease = backend.lease
    moment = backend.database.now()
    backend.create_limit(NewLimit(name="database", limit=1))
    run = Run(process=elsewhere())
    backend.deliver(run.batch(flow_runs=[run.flow_run(RUNNING)]))
    backend.acquire_slots(AcquireSlots(id=new_id(), names=["database"], process=elsewhere(), lease=10.0))
    assert reaper.tick(backend.database, lease, moment) == 0
    back = moment + 100 * lease
    assert reaper.tick(backend.database, lease, back) == 0
    for later in range(back, back + lease, lease // 6):
        reaper.tick(backend.database, lease, later)
    assert backend.find_limit("global", "database").active_slots == 0  # type: ignore[union-attr]
    assert reaper.tick(backend.database, lease, back + lease + 1_000_000) >= 1
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.state.name == "Crashed"
    assert reaper.interval(leases.DEFAULT_LENGTH) == 2.0
    assert reaper.interval(600_000) == pytest.approx(0.1)
    backend.close()
