"""Lists are pages, newest first; filters restrict them; counts are by state name."""

from __future__ import annotations

import pytest
from tests.store.conftest import Opener
from tests.store.make import COMPLETED, FAILED, HOURLY, LOAD, PENDING, RUNNING, Run, many_task_runs, now

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_text, id_time
from dalsegno.model.records import ArtifactRecord, default_task_run_name, pack_extra
from dalsegno.model.views import Page, RunFilter


class Shop:
    """A database with two runs of `nightly`, one with a nested run, and one of `hourly`."""

    def __init__(self, backend: StoreBackend) -> None:
        self.first, self.hourly = Run(), Run(flow=HOURLY)
        self.second = Run()
        self.nested = Run(root=self.second.id, parent=self.second.id)
        self.clean = [self.first.task_run(name="one"), self.first.task_run(FAILED)]
        self.load = self.hourly.task_run(
            PENDING, task_id=LOAD.id, state_name="NotReady", extra=pack_extra({"tags": ["red", "weekly"]})
        )
        self.stand_in = self.second.task_run(RUNNING, child_flow_run_id=self.nested.id)
        self.deep = self.nested.task_run()
        self.called = self.second.task_run(parent_task_run_id=self.stand_in.id)
        backend.deliver(
            self.first.batch(flow_runs=[self.first.flow_run(FAILED, tags=("a", "b"))], task_runs=self.clean)
        )
        backend.deliver(
            self.hourly.batch(
                flow_runs=[self.hourly.flow_run(COMPLETED, name="calm-newt", tags=("a",))],
                task_runs=[self.load],
            )
        )
        backend.deliver(
            self.second.batch(
                flow_runs=[self.second.flow_run(), self.nested.flow_run()],
                task_runs=[self.stand_in, self.deep, self.called],
            )
        )


@pytest.fixture
def shop(backend: StoreBackend) -> Shop:
    return Shop(backend)


def flow_runs(backend: StoreBackend, **fields: object) -> list[bytes]:
    return [run.id for run in backend.list_flow_runs(RunFilter(**fields), Page())]  # type: ignore[arg-type]


def task_runs(backend: StoreBackend, **fields: object) -> list[bytes]:
    filter = RunFilter(**fields)  # type: ignore[arg-type]
    found = [run.id for run in backend.list_task_runs(filter, Page())]
    assert sum(backend.count_task_runs(filter).values()) == len(found)
    return found


def test_flow_runs_are_listed_newest_first(backend: StoreBackend, shop: Shop) -> None:
    assert flow_runs(backend) == [shop.nested.id, shop.second.id, shop.hourly.id, shop.first.id]


def test_filters_of_flow_runs(backend: StoreBackend, shop: Shop) -> None:
    assert flow_runs(backend, flow_names=["hourly"]) == [shop.hourly.id]
    assert flow_runs(backend, flow_names=["nightly"], top_level=True) == [shop.second.id, shop.first.id]
    assert flow_runs(backend, name="calm-newt") == [shop.hourly.id]
    assert flow_runs(backend, state_types=[FAILED, COMPLETED]) == [shop.hourly.id, shop.first.id]
    assert flow_runs(backend, state_names=["Running"]) == [shop.nested.id, shop.second.id]
    assert flow_runs(backend, tags=["a", "b"]) == [shop.first.id]
    assert flow_runs(backend, tags=["a"]) == [shop.hourly.id, shop.first.id]
    assert flow_runs(backend, ids=[shop.first.id, bytes(16)]) == [shop.first.id]
    assert flow_runs(backend, flow_run_ids=[shop.second.id]) == [shop.nested.id]
    assert flow_runs(backend, root_run_ids=[shop.second.id]) == [shop.nested.id, shop.second.id]
    assert flow_runs(backend, before=id_time(shop.first.id) - 60_000_000) == []
    assert len(flow_runs(backend, after=id_time(shop.first.id) - 60_000_000)) == 4
    text = id_text(shop.hourly.id)
    assert flow_runs(backend, id_prefix=text) == [shop.hourly.id]
    assert shop.hourly.id in flow_runs(backend, id_prefix=text[:11])
    assert flow_runs(backend, id_prefix="not an id") == []


def test_filters_of_task_runs(backend: StoreBackend, shop: Shop) -> None:
    one, failed = shop.clean
    assert task_runs(backend, task_names=["load"]) == [shop.load.id]
    assert task_runs(backend, task_names=["load", "clean"]) == task_runs(backend)
    assert task_runs(backend, task_names=["nothing"]) == []
    assert task_runs(backend, flow_names=["nightly"], state_names=["Failed"]) == [failed.id]
    assert task_runs(backend, state_names=["NotReady", "Failed"]) == [shop.load.id, failed.id]
    assert task_runs(backend, state_types=[RUNNING]) == [shop.stand_in.id]
    assert task_runs(backend, name="one") == [one.id]
    assert failed.id in task_runs(backend, name=default_task_run_name("clean", failed.id))
    assert task_runs(backend, flow_run_ids=[shop.second.id]) == [shop.called.id, shop.stand_in.id]
    assert task_runs(backend, root_run_ids=[shop.second.id]) == [
        shop.called.id,
        shop.deep.id,
        shop.stand_in.id,
    ]
    assert task_runs(backend, root_run_ids=[shop.second.id], top_level=True) == [
        shop.deep.id,
        shop.stand_in.id,
    ]
    assert task_runs(backend, tags=["weekly"]) == [shop.load.id]
    assert task_runs(backend, tags=["nightly"], flow_run_ids=[shop.first.id]) == [failed.id, one.id]
    assert task_runs(backend, ids=[one.id]) == [one.id]
    assert task_runs(backend, id_prefix=id_text(one.id)[:34]) == [one.id]


def test_pages_follow_each_other_without_gap_or_overlap(backend: StoreBackend) -> None:
    run = Run()
    made = [task_run.id for task_run in many_task_runs(run, 0)]
    snapshots = many_task_runs(run, 25)
    made = sorted(snapshot.id for snapshot in snapshots)
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=snapshots))
    for filter in (RunFilter(), RunFilter(task_names=["clean", "load"]), RunFilter(flow_run_ids=[run.id])):
        for oldest_first in (False, True):
            seen: list[bytes] = []
            while True:
                after = seen[-1] if seen else None
                page = Page(limit=10, after=after, oldest_first=oldest_first)
                found = [task_run.id for task_run in backend.list_task_runs(filter, page)]
                if not found:
                    break
                seen += found
            assert seen == (made if oldest_first else made[::-1])


def test_replay_reads_all_of_a_root_in_pages_by_id(backend: StoreBackend, shop: Shop) -> None:
    first = backend.replay_entries(shop.second.id, None, 2)
    rest = backend.replay_entries(shop.second.id, first[-1].id, 2)
    assert [entry.id for entry in first + rest] == [shop.stand_in.id, shop.deep.id, shop.called.id]
    assert [entry.scope_id for entry in first + rest] == [
        shop.second.id,
        shop.nested.id,
        shop.stand_in.id,
    ]
    assert first[0].child_flow_run_id == shop.nested.id
    assert [entry.has_result for entry in first + rest] == [False, True, True]
    assert backend.read_results([shop.stand_in.id, shop.deep.id]) == {shop.deep.id: shop.deep.result}
    assert backend.replay_entries(bytes(16), None, 10) == []


def test_flows_are_listed_with_their_newest_run(backend: StoreBackend, shop: Shop) -> None:
    hourly, nightly = backend.list_flows(Page())
    assert (hourly.name, hourly.run_count, hourly.last_state) == ("hourly", 1, "Completed")
    assert (nightly.name, nightly.run_count, nightly.last_run) == ("nightly", 3, id_time(shop.nested.id))
    assert nightly.description == "Loads the day's orders."
    assert [flow.name for flow in backend.list_flows(Page(limit=1))] == ["hourly"]
    assert [flow.name for flow in backend.list_flows(Page(after=b"hourly"))] == ["nightly"]


def test_the_log_of_a_flow_run_holds_that_of_its_nested_runs(backend: StoreBackend, shop: Shop) -> None:
    run, nested = shop.second, shop.nested
    lines = [
        run.log("begin", timestamp=now()),
        nested.log("inner", timestamp=now() + 1),
        run.log("task", timestamp=now() + 2, task_run_id=shop.stand_in.id, level=30),
        run.log("same moment", timestamp=now() + 3, nonce=1),
        run.log("same moment too", timestamp=now() + 3, nonce=2),
    ]
    lines[4].timestamp = lines[3].timestamp
    backend.deliver(run.batch(logs=lines))
    messages = [line.message for line in backend.list_logs(flow_run_id=run.id)]
    assert messages == ["begin", "inner", "task", "same moment", "same moment too"]
    inner = backend.list_logs(flow_run_id=nested.id)
    assert [(line.message, line.flow_run_id) for line in inner] == [("inner", nested.id)]
    of_task = backend.list_logs(task_run_id=shop.stand_in.id)
    assert [(line.message, line.task_run_id) for line in of_task] == [("task", shop.stand_in.id)]
    assert [line.message for line in backend.list_logs(flow_run_id=run.id, min_level=30)] == ["task"]
    newest = backend.list_logs(flow_run_id=run.id, newest_first=True, limit=2)
    assert [line.message for line in newest] == ["same moment too", "same moment"]
    after = (lines[3].timestamp, 1)
    assert [line.message for line in backend.list_logs(flow_run_id=run.id, after=after)] == ["same moment too"]
    assert backend.list_logs() == []


def test_artifacts_are_found_by_key_and_run(backend: StoreBackend, shop: Shop) -> None:
    run = shop.first
    made = [
        ArtifactRecord(
            id=run.task_run().id,
            type="progress",
            key=key,
            data=str(number),
            description=None,
            root_run_id=run.id,
            flow_run_id=run.id,
            task_run_id=shop.clean[0].id if number == 2 else None,
            created=now(),
            updated=now(),
        )
        for number, key in enumerate(("report", "report", None))
    ]
    backend.deliver(run.batch(artifacts=made))
    backend.deliver(run.batch(artifacts=made))
    old, new, unnamed = made
    page = Page()
    assert [each.id for each in backend.list_artifacts(page=page)] == [unnamed.id, new.id, old.id]
    assert [each.id for each in backend.list_artifacts(key="report", page=page)] == [new.id, old.id]
    assert [each.id for each in backend.list_artifacts(latest_only=True, page=page)] == [unnamed.id, new.id]
    assert [each.id for each in backend.list_artifacts(task_run_id=shop.clean[0].id, page=page)] == [unnamed.id]
    assert len(backend.list_artifacts(flow_run_id=run.id, page=Page(limit=2, after=unnamed.id))) == 2
    assert backend.update_artifact(new.id, "99", "nearly", now())
    seen = backend.read_artifact(new.id)
    assert seen is not None
    assert (seen.data, seen.description) == ("99", "nearly")
    assert not backend.update_artifact(bytes(16), "1", None, now())


def test_a_change_by_anybody_changes_the_token(open_backend: Opener) -> None:
    backend, other = open_backend(), open_backend()
    before = backend.change_token()
    if backend.database.dialect == "sqlite":
        # PostgreSQL's is of the whole server, where others are at work.
        assert backend.change_token() == before
    run = Run()
    other.deliver(run.batch(flow_runs=[run.flow_run()]))
    after = backend.change_token()
    assert after != before
    backend.deliver(run.batch(task_runs=[run.task_run()]))
    assert backend.change_token() != after


def test_a_list_costs_no_more_because_history_is_long(sqlite_backend: StoreBackend) -> None:
    """Each list must walk an index in its order and stop: no sorting of what it does not show."""
    backend = sqlite_backend
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 2000)))
    filters = [
        RunFilter(),
        RunFilter(flow_run_ids=[run.id]),
        RunFilter(task_names=["clean"]),
        RunFilter(state_types=[COMPLETED]),
        RunFilter(after=now() - 1000, before=now()),
        RunFilter(root_run_ids=[run.id], state_types=[FAILED]),
        RunFilter(state_names=["Completed", "Cached"]),
        RunFilter(name="one", tags=["weekly"]),
        RunFilter(flow_names=["nightly"], name_like="lea"),
        RunFilter(parent_task_run_ids=[run.id], task_names=["clean"]),
    ]
    statements: list[str] = []

    def look(connection: object) -> None:
        connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]

    backend.database.read(look)
    for filter in filters:
        backend.list_task_runs(filter, Page())
    backend.list_flow_runs(RunFilter(flow_names=["nightly"]), Page())
    shown = [text for text in statements if "LIMIT" in text]
    assert len(shown) > len(filters)
    for text in shown:
        plan = backend.database.read(
            lambda connection, text=text: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
        )
        assert not [step for step in plan if "TEMP B-TREE" in step or step == "SCAN run"], (text, plan)
