"""Flow runs and task runs over the API: lists, counts, history, graph, one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.server.conftest import Api
from tests.store.make import CLEAN, COMPLETED, FAILED, HOURLY, LOAD, RUNNING, Run, many_task_runs

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.records import pack_extra, pack_upstream
from dalsegno.model.results import StoredResult, pack_plain, pack_stored


class Shop:
    """A failed run of `nightly` with three task runs, a nested run in it, and a completed one of `hourly`."""

    def __init__(self, backend: StoreBackend) -> None:
        self.failed, self.hourly = Run(), Run(flow=HOURLY)
        self.nested = Run(root=self.failed.id, parent=self.failed.id)
        self.load = self.failed.task_run(task_id=LOAD.id, name="first load")
        self.clean = self.failed.task_run(
            FAILED, upstream=pack_upstream([("orders", self.load.id)]), extra=pack_extra({"tags": ["odd"]})
        )
        self.stand_in = self.failed.task_run(RUNNING, child_flow_run_id=self.nested.id)
        self.inner = self.nested.task_run(state_name="Cached")
        backend.deliver(
            self.failed.batch(
                flow_runs=[
                    self.failed.flow_run(
                        FAILED, tags=("eu", "daily"), parameters_text='{"day": 3}', result=pack_plain(b"\x81\x01\xa1x")
                    ),
                    self.nested.flow_run(FAILED),
                ],
                task_runs=[self.load, self.clean, self.stand_in, self.inner],
            )
        )
        backend.deliver(
            self.hourly.batch(flow_runs=[self.hourly.flow_run(COMPLETED, name="calm-newt", state_name="Fallback")])
        )


@pytest.fixture
def shop(backend: StoreBackend) -> Shop:
    return Shop(backend)


def names(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


def test_a_flow_run_is_shown_with_all_that_is_known_of_it(api: Api, shop: Shop) -> None:
    run = api.get(f"/flow-runs/{id_text(shop.failed.id)}")
    assert run["flow_name"] == "nightly"
    assert run["state"]["type"] == "FAILED"
    assert run["states"][0]["name"] == "Failed"
    assert run["parameters"] == {"day": 3}
    assert run["tags"] == ["eu", "daily"]
    assert run["created"].endswith("Z")
    assert run["result"] == {
        "is_value": True,
        "value": {"1": "x"},
        "serializer": None,
        "size": None,
        "url": None,
        "media_type": None,
    }
    assert run["task_run_counts"] == {
        "by_state_name": {"Completed": 1, "Failed": 1, "Running": 1},
        "total": 3,
        "at_least": False,
    }
    assert run["process"]["pid"] == shop.failed.process.pid


def test_what_is_not_there_and_what_is_no_id_is_not_found(api: Api) -> None:
    for path in ("/flow-runs", "/task-runs", "/artifacts"):
        assert "There is no" in api.get(f"{path}/{id_text(new_id())}", 404)["detail"]
        api.get(f"{path}/no-id", 404)


def test_flow_runs_are_listed_by_what_the_query_says(api: Api, shop: Shop) -> None:
    failed, nested, hourly = (id_text(run.id) for run in (shop.failed, shop.nested, shop.hourly))
    assert names(api.get("/flow-runs", order="oldest")) == sorted([failed, nested, hourly])
    assert names(api.get("/flow-runs", state_type="FAILED", top_level=True)) == [failed]
    assert names(api.get("/flow-runs", flow_name="hourly")) == [hourly]
    assert names(api.get("/flow-runs", state_name="Fallback")) == [hourly]
    assert names(api.get("/flow-runs", parent_flow_run_id=failed)) == [nested]
    assert set(names(api.get("/flow-runs", root_run_id=failed))) == {failed, nested}
    assert names(api.get("/flow-runs", name="calm-newt")) == [hourly]
    assert names(api.get("/flow-runs", name_prefix="calm")) == [hourly]
    assert names(api.get("/flow-runs", name_like="NEW")) == [hourly]
    assert names(api.get("/flow-runs", name_like="%")) == []
    assert names(api.get("/flow-runs", tag=["eu", "daily"])) == [failed]
    assert names(api.get("/flow-runs", tag=["eu", "weekly"])) == []
    assert names(api.get("/flow-runs", id=[hourly, id_text(new_id())])) == [hourly]
    assert names(api.get("/flow-runs", id_prefix=hourly)) == [hourly]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert names(api.get("/flow-runs", started_after=tomorrow)) == []
    assert len(api.get("/flow-runs", started_before=tomorrow, created_before=tomorrow)["items"]) == 3


def test_the_filter_may_be_sent_in_the_body_too(api: Api, shop: Shop) -> None:
    body = {"filter": {"flow_names": ["nightly"], "top_level": True, "tags": ["eu"]}, "limit": 5}
    found = api.post("/flow-runs/filter", body)
    assert names(found) == [id_text(shop.failed.id)]
    assert (found["next_cursor"], found["complete"]) == (None, True)
    counted = api.post("/flow-runs/count", {"flow_names": ["nightly"]})
    assert counted == {"by_state_name": {"Failed": 2}, "total": 2, "at_least": False}
    assert api.get("/flow-runs/count", flow_name="nightly") == counted


def test_task_runs_are_listed_and_counted(api: Api, shop: Shop) -> None:
    load, clean, stand_in, inner = (id_text(run.id) for run in (shop.load, shop.clean, shop.stand_in, shop.inner))
    of_run = {"flow_run_id": id_text(shop.failed.id)}
    assert names(api.get("/task-runs", order="oldest", **of_run)) == [load, clean, stand_in]
    assert names(api.get("/task-runs", root_run_id=id_text(shop.failed.id), state_type="COMPLETED")) == [inner, load]
    assert names(api.get("/task-runs", state_name="Cached")) == [inner]
    assert names(api.get("/task-runs", task_name="load")) == [load]
    assert names(api.get("/task-runs", name="first load")) == [load]
    assert names(api.get("/task-runs", tag="odd")) == [clean]
    assert names(api.get("/task-runs", tag="nightly", state_type="FAILED")) == [clean]
    assert names(api.get("/task-runs", flow_name="nightly", state_type="RUNNING")) == [stand_in]
    assert api.get("/task-runs/count", **of_run)["by_state_name"] == {"Completed": 1, "Failed": 1, "Running": 1}
    assert api.post("/task-runs/filter", {"filter": {"task_names": ["load"]}})["items"][0]["name"] == "first load"
    one = api.get(f"/task-runs/{clean}")
    assert one["upstream"] == [{"parameter": "orders", "task_run_id": load}]
    assert one["tags"] == ["nightly", "odd"]
    assert one["states"][0]["type"] == "FAILED"


def test_pages_follow_each_other_without_gap_or_overlap(backend: StoreBackend, api: Api) -> None:
    run = Run()
    made = many_task_runs(run, 45)
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=made))
    ids = sorted(id_text(each.id) for each in made)
    for order, expected in (("oldest", ids), ("newest", ids[::-1])):
        for filter in ({}, {"flow_run_id": id_text(run.id)}, {"task_name": ["clean", "load"]}):
            assert [item["id"] for item in api.walk("/task-runs", limit=10, order=order, **filter)] == expected


def test_a_list_that_stopped_looking_says_so_and_goes_on(
    backend: StoreBackend, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dalsegno._store.searching.MOST", 20)
    run = Run()
    made = many_task_runs(run, 100)
    made[3].name = "the needle"
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=made))
    page = api.get("/task-runs", name_like="needle", limit=10)
    assert (page["items"], page["complete"]) == ([], False)
    assert page["next_cursor"] is not None
    assert [item["name"] for item in api.walk("/task-runs", name_like="needle", limit=10)] == ["the needle"]
    assert [item["name"] for item in api.walk("/task-runs", name_like="needle", order="oldest")] == ["the needle"]
    several = api.walk("/task-runs", flow_run_id=id_text(run.id), name_like="a", limit=7)
    assert [item["id"] for item in several] == sorted(
        (id_text(each.id) for each in made if each.name is None), reverse=True
    )
    assert api.get("/task-runs/count", name_like="needle") == {"by_state_name": {}, "total": 0, "at_least": True}


def test_bad_values_are_told_field_by_field(api: Api) -> None:
    problem = api.get("/flow-runs", 422, state_type="BROKEN", limit=1)
    assert problem["errors"][0]["field"] == "state-type"
    assert [each["field"] for each in api.get("/flow-runs", 422, limit=0)["errors"]] == ["limit"]
    assert api.get("/flow-runs", 422, limit=201)["errors"][0]["message"] == "Expected `int` <= 200"
    assert api.post("/flow-runs/filter", {"filter": {"nme": "x"}}, 422)["errors"][0]["message"] == (
        "Object contains unknown field `nme`"
    )
    api.send("POST", "/flow-runs/filter", 400, content="{", headers={"content-type": "application/json"})
    too_large = api.send(
        "POST", "/flow-runs/filter", 413, content=b" " * 1_100_000, headers={"content-type": "application/json"}
    )
    assert too_large.json()["title"] == "The request is too large"


def test_a_cursor_of_another_list_or_with_a_typing_error_is_refused(api: Api, shop: Shop) -> None:
    cursor = api.get("/flow-runs", limit=1)["next_cursor"]
    assert api.get("/flow-runs", cursor=cursor, limit=1)["items"]
    for wrong in (cursor[:-1], cursor + "A", "x", "", "é"):
        assert api.get("/flow-runs", 422, cursor=wrong)["errors"][0]["field"] == "cursor"
    api.get("/task-runs", 422, cursor=cursor)


def test_history_counts_runs_by_time_and_state(api: Api, shop: Shop) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    end = begin + timedelta(hours=2)
    found = api.get("/flow-runs/history", start=begin.isoformat(), end=end.isoformat(), spans=2)
    assert [span["by_state_type"] for span in found["spans"]] in (
        [{"FAILED": 2, "COMPLETED": 1}, {}],
        [{}, {"FAILED": 2, "COMPLETED": 1}],
    )
    assert found["spans"][0]["end"] == found["spans"][1]["start"]
    assert found["covered_from"] is None
    api.get("/flow-runs/history", 422, start=end.isoformat(), end=begin.isoformat())


def test_the_graph_has_what_each_needed(api: Api, shop: Shop) -> None:
    graph = api.get(f"/flow-runs/{id_text(shop.failed.id)}/graph")
    load, clean, stand_in = (id_text(run.id) for run in (shop.load, shop.clean, shop.stand_in))
    assert graph["ids"] == [load, clean, stand_in]
    assert [graph["task_names"][place] for place in graph["tasks"]] == ["load", CLEAN.name, CLEAN.name]
    assert graph["state_types"] == ["COMPLETED", "FAILED", "RUNNING"]
    assert graph["upstream"] == [[], [0], []]
    assert graph["child_flow_runs"] == [None, None, id_text(shop.nested.id)]
    assert graph["durations"] == [7, 7, None]
    first = api.get(f"/flow-runs/{id_text(shop.failed.id)}/graph", limit=1)
    rest = api.get(f"/flow-runs/{id_text(shop.failed.id)}/graph", cursor=first["next_cursor"])
    assert rest["ids"] == [clean, stand_in]
    assert rest["upstream_elsewhere"] == {"0": [load]}
    assert rest["next_cursor"] is None


def test_a_pickled_result_is_told_of_and_not_opened(backend: StoreBackend, api: Api) -> None:
    run = Run()
    packed = pack_stored(StoredResult(serializer="pickle", size=12, data=b"not a pickle"))
    task_run = run.task_run(result=packed)
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=[task_run]))
    result = api.get(f"/task-runs/{id_text(task_run.id)}")["result"]
    assert (result["is_value"], result["serializer"], result["size"]) == (False, "pickle", 12)
