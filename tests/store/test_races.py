"""Many that claim, and many that take slots, at the same time: each gets what nobody else has."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.store.conftest import Opener
from tests.store.requests import ask, claim, elsewhere

from dalsegno._store import crashes
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, NewLimit
from dalsegno.model.queue import ClaimRuns

WORKERS = 4


def test_each_run_is_claimed_by_one(open_backend: Opener) -> None:
    backends = [open_backend() for _ in range(WORKERS)]
    asked = [ask(backends[0]).id for _ in range(40)]
    together = threading.Barrier(WORKERS)

    def work(number: int) -> list[bytes]:
        process, mine = elsewhere(), list[bytes]()
        together.wait()
        while found := claim(backends[number], process, limit=3):
            mine += [run.flow_run_id for run in found]
        return mine

    with ThreadPoolExecutor(WORKERS) as pool:
        claimed = [id for ids in pool.map(work, range(WORKERS)) for id in ids]
    # Who looks while others hold all that is left finds nothing, and comes again later: what is left is still there.
    claimed += [run.flow_run_id for run in claim(backends[0], elsewhere(), limit=40)]
    assert sorted(claimed) == sorted(asked)


def test_no_slot_is_given_twice(open_backend: Opener) -> None:
    backends = [open_backend() for _ in range(WORKERS)]
    limit = backends[0].create_limit(NewLimit(name="database", limit=2))
    lock, inside, most = threading.Lock(), 0, 0

    def work(number: int) -> None:
        nonlocal inside, most
        backend, process = backends[number % WORKERS], elsewhere()
        for _ in range(5):
            request = AcquireSlots(id=new_id(), names=["database"], process=process)
            while not (answer := backend.acquire_slots(request)).granted:
                time.sleep(answer.retry_after / 10)
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1
            backend.release_slots([request.id])

    with ThreadPoolExecutor(2 * WORKERS) as pool:
        list(pool.map(work, range(2 * WORKERS)))
    assert most <= 2
    seen = backends[0].read_limit(limit.id)
    assert (seen.active_slots, seen.waiting) == (0, 0)


def test_servers_that_find_the_same_lost_claim_recover_it_once(open_backend: Opener) -> None:
    backends = [open_backend() for _ in range(WORKERS)]
    asked = [ask(backends[0], recovery_delay=0.0).id for _ in range(10)]
    claim(backends[0], elsewhere(), limit=10)
    later = backends[0].database.now() + 2 * backends[0].lease
    together = threading.Barrier(WORKERS)

    def reap(number: int) -> int:
        together.wait()
        database = backends[number].database
        return crashes.find_crashed(database, later) + crashes.find_idle_claims(database, later)

    with ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(reap, range(WORKERS))) == len(asked)
    again = backends[0].claim_runs(ClaimRuns(process=elsewhere(), holder="worker-2", limit=20, only=asked))
    assert sorted(run.flow_run_id for run in again) == sorted(asked)
    assert {run.attempt for run in again} == {2}
    seen = backends[0].read_flow_run(asked[0])
    assert seen is not None
    assert [state.name for state in seen.states or []].count("Crashed") == 1
