"""Slots are handed out in the order in which they were asked for, and come back with the lease that they belong to."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.make import COMPLETED, Run, now
from tests.store.requests import elsewhere
from tests.store.test_attempts import gone

from dalsegno import _processes
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import crashes, leases, slots
from dalsegno.exceptions import BackendError, ConcurrencySlotAcquisitionError, ObjectAlreadyExists, ObjectNotFound
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, LimitChange, LimitView, NewLimit, SlotAnswer

SECOND = 1_000_000
LEASE = leases.DEFAULT_LENGTH


@pytest.fixture
def database(backend: StoreBackend) -> LimitView:
    """A limit of two."""
    return backend.create_limit(NewLimit(name="database", limit=2))


def request(*names: str, **fields: Any) -> AcquireSlots:
    return AcquireSlots(**{"id": new_id(), "names": list(names) or ["database"], "process": elsewhere(), **fields})


def ask(backend: StoreBackend, asked: AcquireSlots, moment: int | None = None) -> SlotAnswer:
    return slots.acquire(backend.database, asked, moment or now())


def active(backend: StoreBackend, name: str = "database") -> int:
    found = backend.find_limit("global", name)
    assert found is not None
    return found.active_slots


def test_no_more_are_held_than_there_are(backend: StoreBackend, database: LimitView) -> None:
    first, second, third = request(), request(), request()
    assert ask(backend, first) == SlotAnswer(granted=True, held=["database"])
    assert ask(backend, second).granted
    answer = ask(backend, third)
    assert (answer.granted, answer.waits_for) == (False, "database")
    assert answer.retry_after > 0
    backend.release_slots([first.id])
    assert ask(backend, third).granted
    assert active(backend) == 2


def test_asking_again_for_what_one_has_takes_nothing_more(backend: StoreBackend, database: LimitView) -> None:
    first = request()
    assert ask(backend, first) == ask(backend, first)
    assert active(backend) == 1


def test_who_came_first_is_served_first(backend: StoreBackend, database: LimitView) -> None:
    both, early, late = request(slots=2), request(slots=2), request()
    ask(backend, both)
    assert not ask(backend, early).granted
    assert not ask(backend, late).granted
    backend.release_slots([both.id])
    # There would be room for one, but another one has waited longer.
    assert not ask(backend, late).granted
    assert ask(backend, early).granted


def test_who_waits_does_not_write_at_each_question(backend: StoreBackend, database: LimitView) -> None:
    ask(backend, request(slots=2))
    waiting = request()
    ask(backend, waiting)
    token = backend.change_token()
    assert not ask(backend, waiting).granted
    assert backend.change_token() == token


def test_who_does_not_ask_any_more_holds_up_nobody(backend: StoreBackend, database: LimitView) -> None:
    began = now()
    ask(backend, request(slots=2), began)
    ask(backend, request(), began)
    killed = request(process=gone())
    ask(backend, killed, began)
    last = request()
    assert not ask(backend, last, began).granted
    backend.reset_limit(database.id)
    assert not ask(backend, last, began + 1 * SECOND).granted
    assert ask(backend, last, began + 20 * SECOND).granted


def test_what_a_killed_process_of_this_machine_held_is_free_at_once(backend: StoreBackend, database: LimitView) -> None:
    assert ask(backend, request(slots=2, process=gone())).granted
    assert ask(backend, request()).granted


def test_slots_come_back_when_their_own_lease_ends(backend: StoreBackend, database: LimitView) -> None:
    began = now()
    held = request(slots=2, lease=300.0)
    ask(backend, held, began)
    assert not ask(backend, request(), began + 299 * SECOND).granted
    assert backend.database.write(lambda connection: slots.renew(connection, [held.id], began + 200 * SECOND)) == []
    assert not ask(backend, request(), began + 400 * SECOND).granted
    assert backend.database.write(lambda connection: slots.free_expired(connection, began + 501 * SECOND)) == 1
    assert backend.renew_slots([held.id]) == [held.id]


def test_a_lease_of_slots_does_not_end_while_no_server_serves(backend: StoreBackend, database: LimitView) -> None:
    began = now()
    backend.database.write(lambda connection: leases.note_served(connection, LEASE, began))
    ask(backend, request(slots=2, lease=10.0), began)
    assert not ask(backend, request(), began + 3600 * SECOND).granted


def test_slots_of_a_run_come_back_with_its_end(backend: StoreBackend, database: LimitView) -> None:
    run = Run(process=elsewhere())
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    ask(backend, request(slots=2, process=run.process, root_run_id=run.id))
    backend.deliver(run.batch(process=None, flow_runs=[run.flow_run(COMPLETED, first=1)]))
    assert active(backend) == 0


def test_slots_of_a_run_come_back_with_its_lease(backend: StoreBackend, database: LimitView) -> None:
    run = Run(process=elsewhere())
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    ask(backend, request(process=run.process, root_run_id=run.id, lease=300.0))
    crashes.find_crashed(backend.database, now() + LEASE + SECOND)
    assert active(backend) == 0


def test_slots_of_a_process_that_ends_in_order_are_free(backend: StoreBackend, database: LimitView) -> None:
    process = _processes.current_process()
    ask(backend, request(process=process))
    backend.end_process(process.id)
    assert active(backend) == 0


def test_several_limits_are_taken_together_or_not_at_all(backend: StoreBackend, database: LimitView) -> None:
    backend.create_limit(NewLimit(name="api", limit=1))
    ask(backend, request("api"))
    assert ask(backend, request("database", "api")).waits_for == "api"
    assert active(backend) == 0


def test_a_missing_limit_limits_nothing_unless_asked_for_strictly(backend: StoreBackend) -> None:
    assert ask(backend, request("missing")) == SlotAnswer(granted=True)
    with pytest.raises(ConcurrencySlotAcquisitionError, match="no concurrency limit 'missing'"):
        ask(backend, request("missing", strict=True))


def test_a_limit_is_made_on_first_use_and_is_one_for_each_key(backend: StoreBackend) -> None:
    assert ask(backend, request("tenants", key="a", limit=1)).granted
    assert not ask(backend, request("tenants", key="a", limit=1)).granted
    assert ask(backend, request("tenants", key="b", limit=1)).granted
    assert active(backend, "tenants") == 2


def test_what_can_never_be_had_is_an_error(backend: StoreBackend, database: LimitView) -> None:
    with pytest.raises(ConcurrencySlotAcquisitionError, match="3 slots of 'database' can never be had: it has 2"):
        ask(backend, request(slots=3))
    for odd in (request(slots=0), request(slots=-2), request(lease=0.0), request(lease=float("nan"))):
        with pytest.raises(ConcurrencySlotAcquisitionError, match="cannot be had"):
            ask(backend, odd)
    assert active(backend) == 0


def test_a_limit_of_none_stops_all_and_an_inactive_one_nobody(backend: StoreBackend, database: LimitView) -> None:
    backend.update_limit(database.id, LimitChange(limit=0))
    waiting = request()
    assert not ask(backend, waiting).granted
    backend.update_limit(database.id, LimitChange(active=False))
    assert ask(backend, waiting) == SlotAnswer(granted=True)


def test_a_rate_is_used_up_and_comes_back_by_decay(backend: StoreBackend) -> None:
    backend.create_limit(NewLimit(name="calls", limit=10, slot_decay_per_second=2.0))
    began = now()
    assert ask(backend, request("calls", slots=10, rate=True), began).granted
    more = request("calls", slots=4, rate=True)
    answer = ask(backend, more, began)
    assert (answer.granted, answer.retry_after) == (False, pytest.approx(2.0))
    assert not ask(backend, more, began + SECOND).granted
    assert ask(backend, more, began + 2 * SECOND).granted


def test_a_limit_without_decay_is_no_rate(backend: StoreBackend, database: LimitView) -> None:
    with pytest.raises(ConcurrencySlotAcquisitionError, match="--slot-decay-per-second"):
        ask(backend, request(rate=True))


def test_limits_are_made_changed_listed_and_deleted(backend: StoreBackend, database: LimitView) -> None:
    backend.create_limit(NewLimit(name="heavy", limit=1, kind="tag"))
    with pytest.raises(ObjectAlreadyExists, match="'database' already"):
        backend.create_limit(NewLimit(name="database", limit=5))
    changed = backend.update_limit(database.id, LimitChange(limit=7))
    assert (changed.limit, changed.active, changed.name) == (7, True, "database")
    assert [limit.name for limit in backend.list_limits("global", None, 10)] == ["database"]
    assert backend.limited_tags() == ["heavy"]
    ask(backend, request(holder="nightly"))
    (holder,) = backend.list_slot_holders(database.id, None, 10)
    assert (holder.holder, holder.slots, holder.expires) == ("nightly", 1, None)
    assert backend.reset_limit(database.id) == 1
    assert backend.delete_limit(database.id)
    assert not backend.delete_limit(database.id)
    assert backend.find_limit("global", "database") is None
    with pytest.raises(ObjectNotFound):
        backend.update_limit(database.id, LimitChange(limit=1))
    with pytest.raises(BackendError, match="-1 slots"):
        backend.create_limit(NewLimit(name="odd", limit=-1))


def test_the_receipt_of_a_batch_tells_which_tags_are_limited(backend: StoreBackend) -> None:
    backend.create_limit(NewLimit(name="heavy", limit=1, kind="tag"))
    run = Run()
    assert backend.deliver(run.batch(flow_runs=[run.flow_run()])).limited_tags == ["heavy"]
    assert backend.heartbeat(run.process.id, {run.id: 1}).limited_tags == ["heavy"]
