"""Task runs whose tags are limited wait for a slot before they run; others are not asked for anything."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.store.requests import elsewhere

from dalsegno import flow, tags, task
from dalsegno._backend.connect import connect
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots, LimitView, NewLimit
from dalsegno.model.views import Page, RunFilter


@pytest.fixture
def heavy() -> LimitView:
    return connect().create_limit(NewLimit(name="heavy", limit=2, kind="tag"))


class Counter:
    """How many are inside at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.crowd = threading.Barrier(2, timeout=20)

    def visit(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.crowd.wait()
        with self.lock:
            self.inside -= 1


def test_no_more_run_at_once_than_the_tag_allows(heavy: LimitView) -> None:
    counter = Counter()

    @task(tags=["heavy"])
    def work(number: int) -> int:
        counter.visit()
        return number

    @flow
    def nightly() -> list[int]:
        return work.map(range(8)).result()

    assert nightly() == list(range(8))
    assert counter.most == 2
    assert connect().find_limit("tag", "heavy").active_slots == 0  # type: ignore[union-attr]
    runs = connect().list_task_runs(RunFilter(), Page())
    histories = [connect().read_task_run(run.id).states or [] for run in runs]  # type: ignore[union-attr]
    names = {tuple(state.name for state in history) for history in histories}
    assert names <= {
        ("Pending", "Running", "Completed"),
        ("Pending", "AwaitingConcurrencySlot", "Running", "Completed"),
    }


def test_coroutines_and_tags_of_the_context_count_too(heavy: LimitView) -> None:
    inside = most = 0

    @task
    async def work() -> None:
        import asyncio

        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    @flow
    async def nightly() -> None:
        with tags("heavy"):
            futures = [work.submit() for _ in range(6)]
        for future in futures:
            await future

    import asyncio

    asyncio.run(nightly())
    assert most == 2


def test_a_task_that_waits_says_for_what_and_gives_up_its_slot_between_retries(heavy: LimitView) -> None:
    waiting = new_id()
    backend = connect()
    asked = AcquireSlots(id=waiting, kind="tag", names=["heavy"], slots=2, process=elsewhere(), lease=300.0)
    assert backend.acquire_slots(asked).granted
    seen: list[str] = []

    @task(tags=["heavy"], retries=1, retry_delay_seconds=0)
    def work() -> int:
        (holder,) = backend.list_slot_holders(heavy.id, None, 10)
        seen.append(holder.id.hex())
        if len(seen) == 1:
            raise ZeroDivisionError
        return 1

    @flow
    def nightly() -> int:
        future = work.submit()
        while not (backend.find_limit("tag", "heavy") or heavy).waiting:
            future.wait(0.01)
        backend.release_slots([waiting])
        return future.result()

    assert nightly() == 1
    assert len(set(seen)) == 2
    (run,) = backend.list_task_runs(RunFilter(), Page())
    states = backend.read_task_run(run.id).states or []  # type: ignore[union-attr]
    assert [state.name for state in states][:3] == ["Pending", "AwaitingConcurrencySlot", "Running"]
    assert states[1].message == "Waits for a slot of the tag 'heavy'."


def test_tasks_without_limited_tags_ask_for_nothing(monkeypatch: pytest.MonkeyPatch, dalsegno_home: Path) -> None:
    backend = connect()
    asked: list[str] = []
    for name in ("limited_tags", "acquire_slots"):
        monkeypatch.setattr(backend, name, lambda *_, name=name: asked.append(name) or [])

    @task
    def plain() -> None: ...

    @task(tags=["light"])
    def tagged() -> None: ...

    @flow
    def nightly() -> None:
        plain()
        assert asked == []
        tagged()
        tagged()

    nightly()
    assert asked in ([], ["limited_tags"])


def test_a_task_outside_flows_needs_its_slot_too(heavy: LimitView) -> None:
    @task(tags=["heavy"])
    def work() -> int:
        return len(connect().list_slot_holders(heavy.id, None, 10))

    assert work() == 1
    assert connect().list_slot_holders(heavy.id, None, 10) == []
