"""Deployments, their schedules and their runs over REST."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.server.conftest import Api

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.pools import NewPool

SCHEMA = {"type": "object", "properties": {"day": {"type": "integer"}}}


def deploy(api: Api, name: str = "nightly", **more: Any) -> Any:
    body = {"flow_name": "etl", "name": name, "source": {"entrypoint": "etl.py:etl"}, **more}
    return api.send("PUT", "/deployments", json=body).json()


def at(deployment: Any) -> str:
    return f"/deployments/{deployment['id']}"


def test_what_is_deployed_is_read_changed_by_hand_and_deployed_again(api: Api) -> None:
    made = deploy(api, tags=["a"], parameters={"day": 1}, schedules=[{"cron": "30 2 * * *", "slug": "night"}])
    assert (made["version_number"], made["status"], made["paused"]) == (1, "NOT_READY", False)
    assert made["schedules"][0]["words"] == "At 02:30 every day, UTC"
    answer = api.send("GET", at(made))
    assert answer.json() == made
    assert answer.headers["etag"] == made["etag"]
    assert api.get("/deployments/name/etl/nightly") == made
    changed = api.send("PATCH", at(made), json={"tags": ["b"], "paused": True}).json()
    assert (changed["tags"], changed["paused"], changed["parameters"]) == (["b"], True, {"day": 1})
    assert changed["changed_by_hand"] == ["tags", "paused"]
    assert changed["schedules"][0]["next_tick"] is None
    again = deploy(api, tags=["a"], parameters={"day": 2})
    assert (again["id"], again["tags"], again["parameters"], again["version_number"]) == (
        made["id"],
        ["b"],
        {"day": 2},
        2,
    )
    api.send("DELETE", at(made), 204)
    api.get(at(made), 404)
    assert "etl/nightly" in api.get("/deployments/name/etl/nightly", 404)["detail"]


def test_two_people_do_not_overwrite_one_another(api: Api) -> None:
    made = deploy(api)
    headers = {"if-match": made["etag"]}
    first = api.send("PATCH", at(made), json={"priority": 1}, headers=headers)
    assert first.headers["etag"] != made["etag"]
    api.send("PATCH", at(made), 412, json={"priority": 2}, headers=headers)
    assert api.get(at(made))["priority"] == 1


def test_lists_come_in_pages_and_by_filters(api: Api, backend: StoreBackend) -> None:
    backend.create_pool(NewPool(name="machines"))
    for number in range(5):
        deploy(api, f"number-{number}", tags=["even"] if number % 2 == 0 else [])
    deploy(api, "elsewhere", work_pool_name="machines", paused=True)
    assert [each["name"] for each in api.walk("/deployments", limit=2)][:2] == ["elsewhere", "number-4"]
    assert len(api.walk("/deployments", limit=4, order="oldest")) == 6
    assert len(api.get("/deployments", tag="even")["items"]) == 3
    for filter in ({"work_pool_name": "machines"}, {"paused": True}, {"name_like": "ETL/else"}, {"name": "elsewhere"}):
        assert [each["name"] for each in api.get("/deployments", **filter)["items"]] == ["elsewhere"]
    assert api.get("/deployments", flow_name="other")["items"] == []
    api.get("/deployments", 422, cursor="?")


def test_what_cannot_be_deployed_is_refused_and_says_why(api: Api) -> None:
    body = {"flow_name": "etl", "name": "nightly"}
    assert (
        "machines" in api.send("PUT", "/deployments", 404, json=body | {"work_pool_name": "machines"}).json()["detail"]
    )
    for more in (
        {"name": "a/b"},
        {"priority": 2**40},
        {"concurrency_limit": 0},
        {"x": 1},
        {"parameters": {"a": 2**80}},
    ):
        api.send("PUT", "/deployments", 422, json=body | more)
    refused = api.send("PUT", "/deployments", 400, json=body | {"schedules": [{"cron": "61 * * * *"}]}).json()
    assert "61" in refused["detail"]
    assert api.get("/deployments")["items"] == []


def test_a_version_that_was_deployed_before_comes_back(api: Api) -> None:
    deploy(api, parameters={"day": 1}, version="one")
    made = deploy(api, parameters={"day": 2}, version="two")
    versions = api.get(at(made) + "/versions")["items"]
    assert [(each["number"], each["version"]) for each in versions] == [(2, "two"), (1, "one")]
    assert versions[1]["settings"]["parameters"] == {"day": 1}
    back = api.post(at(made) + "/rollback", {"number": 1})
    assert (back["version_number"], back["version"], back["parameters"]) == (3, "one", {"day": 1})
    assert "It has: 3, 2, 1" in api.post(at(made) + "/rollback", {"number": 9}, 404)["detail"]


def test_a_run_is_asked_for_once_by_its_key_waits_and_says_why(api: Api) -> None:
    made = deploy(api, parameters={"day": 1}, parameter_schema=SCHEMA, tags=["a"])
    wish = {"parameters": {"day": 2}, "tags": ["b"], "idempotency_key": "k", "name": "mine", "priority": 3}
    first = api.post(at(made) + "/create-flow-run", wish, 201)
    run = first["flow_run"]
    assert (run["name"], run["parameters"], run["tags"]) == ("mine", {"day": 2}, ["a", "b"])
    assert run["state"]["name"] == "Scheduled"
    again = api.post(at(made) + "/create-flow-run", wish, 200)
    assert (again["created"], again["flow_run"]["id"]) == (False, run["id"])
    assert api.get(f"/flow-runs/{run['id']}/wait-reasons")["reasons"] == [
        "Nobody serves its deployment: start the script that does."
    ]
    api.send("PUT", f"/flow-runs/{run['id']}/priority", json={"priority": 7})
    refused = api.post(at(made) + "/create-flow-run", {"parameters": {"day": "x"}}, 422)
    assert "day: 'x' is not of type 'integer'" in refused["detail"]
    api.post(f"/flow-runs/{run['id']}/cancel")
    assert api.get(f"/flow-runs/{run['id']}/wait-reasons")["reasons"] == []
    assert "does not wait" in api.send("PUT", f"/flow-runs/{run['id']}/priority", 409, json={"priority": 1}).text
    api.get(f"/flow-runs/{uuid.UUID(int=7)}/wait-reasons", 404)


def test_a_schedule_is_made_paused_changed_and_deleted(api: Api) -> None:
    made = deploy(api)
    path = at(made) + "/schedules"
    schedule = api.post(path, {"interval": 3600, "timezone": "Europe/Berlin", "slug": "hourly"}, 201)
    assert (schedule["words"], schedule["active"]) == ("Every hour, Europe/Berlin", True)
    assert "hourly" in api.post(path, {"cron": "@daily", "slug": "hourly"}, 409)["detail"]
    item = f"{path}/{schedule['id']}"
    assert api.get(item) == schedule
    paused = api.send("PATCH", item, json={"active": False}).json()
    assert (paused["active"], paused["next_tick"], paused["interval"]) == (False, None, 3600)
    changed = api.send("PATCH", item, json={"interval": None, "cron": "@daily", "active": True}).json()
    assert (changed["words"], changed["next_tick"] is None) == ("At 00:00 every day, Europe/Berlin", False)
    refused = api.send("PATCH", item, 400, json={"timezone": "Mars/Base"}).json()
    assert "Mars/Base" in refused["detail"]
    assert api.get(path)["items"] == [changed]
    api.get(f"{at(deploy(api, 'other'))}/schedules/{schedule['id']}", 404)
    api.send("DELETE", item, 204)
    api.send("DELETE", item, 404)


def test_what_is_coming_is_computed_and_nothing_is_made(api: Api, backend: StoreBackend) -> None:
    schedules = [
        {"cron": "0 6 * * *", "slug": "six"},
        {"interval": 43200, "slug": "half"},
        {"cron": "@hourly", "active": False},
    ]
    made = deploy(api, schedules=schedules)
    found = api.get(at(made) + "/upcoming", start="2026-03-01T00:00:00Z", end="2026-03-02T12:00:00Z")
    assert [(tick["time"][5:16], tick["slug"]) for tick in found["items"]] == [
        ("03-01T00:00", "half"),
        ("03-01T06:00", "six"),
        ("03-01T12:00", "half"),
        ("03-02T00:00", "half"),
        ("03-02T06:00", "six"),
    ]
    assert found["paused"] is False
    assert len(api.get(at(made) + "/upcoming", limit=3)["items"]) == 3
    assert api.get("/flow-runs")["items"] == []


def test_a_backfill_makes_each_run_once(api: Api) -> None:
    made = deploy(api, schedules=[{"cron": "@daily", "parameters": {"day": 1}}])
    body = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-04T00:00:00Z"}
    planned = api.post(at(made) + "/backfill", body | {"dry_run": True})
    assert [item["time"][:10] for item in planned["items"]] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert {item["flow_run_id"] for item in planned["items"]} == {None}
    assert api.get("/flow-runs")["items"] == []
    done = api.post(at(made) + "/backfill", body | {"parameters": {"more": 2}})
    assert [item["created"] for item in done["items"]] == [True] * 3
    runs = api.get("/flow-runs")["items"]
    assert [run["parameters"] for run in runs] == [{"day": 1, "more": 2}] * 3
    assert {run["tags"][0] for run in runs} == {"backfill"}
    again = api.post(at(made) + "/backfill", body | {"end": "2026-01-05T00:00:00Z"})
    assert [item["created"] for item in again["items"]] == [False] * 3 + [True]
    assert [item["flow_run_id"] for item in again["items"]][:3] == [item["flow_run_id"] for item in done["items"]]


def test_a_backfill_is_bounded_and_of_the_past(api: Api, backend: StoreBackend) -> None:
    backend.create_pool(NewPool(name="machines"))
    made = deploy(api, work_pool_name="machines")
    body = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    assert "no schedules" in api.post(at(made) + "/backfill", body, 400)["detail"]
    assert "1000" in api.post(at(made) + "/backfill", body | {"every": 60}, 400)["detail"]
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert "of the past" in api.post(at(made) + "/backfill", body | {"every": 3600, "end": future}, 400)["detail"]
    assert "empty" in api.post(at(made) + "/backfill", body | {"every": 3600, "end": body["start"]}, 400)["detail"]
    done = api.post(at(made) + "/backfill", body | {"every": 21600, "max_concurrent": 2})
    assert len(done["items"]) == 4
    queues = {queue["name"]: queue for queue in api.get("/work-pools/machines/queues")["items"]}
    own = queues[f"backfill-{made['id']}"]
    assert (own["concurrency_limit"], own["waiting"], own["priority"]) == (2, 4, 1000)
    api.post(at(made) + "/backfill", body | {"every": 21600, "max_concurrent": 3})
    assert api.get(f"/work-pools/machines/queues/{own['name']}")["concurrency_limit"] == 3
    alone = deploy(api, "alone")
    refused = api.post(at(alone) + "/backfill", body | {"every": 3600, "max_concurrent": 1}, 400)
    assert "no work pool" in refused["detail"]


@pytest.mark.parametrize("path", ["", "/versions", "/schedules", "/upcoming"])
def test_what_is_not_there_is_not_found(api: Api, path: str) -> None:
    api.get(f"/deployments/{uuid.UUID(int=7)}{path}", 404)


def test_runs_are_found_by_their_deployment(api: Api) -> None:
    made, other = deploy(api), deploy(api, "other")
    for deployment in (made, other, made):
        api.post(at(deployment) + "/create-flow-run", {}, 201)
    found = api.get("/flow-runs", deployment_id=made["id"])["items"]
    assert [(run["deployment_id"], run["deployment_name"]) for run in found] == [(made["id"], "nightly")] * 2
    assert api.get("/flow-runs/count", deployment_id=made["id"])["by_state_name"] == {"Scheduled": 2}
    both = api.post("/flow-runs/filter", {"filter": {"deployment_ids": [made["id"], other["id"]]}})
    assert len(both["items"]) == 3
    api.send("DELETE", at(made), 204)
    assert {run["deployment_name"] for run in api.get("/flow-runs", deployment_id=made["id"])["items"]} == {None}


def test_a_run_of_a_deployment_is_retried_by_queueing_it(api: Api) -> None:
    made = deploy(api, priority=4)
    run = api.post(at(made) + "/create-flow-run", {}, 201)["flow_run"]
    api.post(f"/flow-runs/{run['id']}/cancel")
    planned = api.post("/flow-runs/bulk/retry", {"ids": [run["id"]], "dry_run": True})
    assert planned["items"][0]["outcome"] == "would_be_done"
    again = api.post(f"/flow-runs/{run['id']}/retry")
    assert (again["state"]["name"], again["attempt"]) == ("Scheduled", 2)
    assert api.get(f"/flow-runs/{run['id']}/wait-reasons")["reasons"] != []
    (item,) = api.post("/flow-runs/bulk/retry", {"ids": [run["id"]]})["items"]
    assert (item["outcome"], item["detail"]) == ("unchanged", "It waits in the queue already.")
    api.post(f"/flow-runs/{run['id']}/cancel")
    api.send("DELETE", at(made), 204)
    refused = api.post(f"/flow-runs/{run['id']}/retry", status=409)["detail"]
    assert "deployment that was deleted" in refused
    assert f"dalsegno flow-run retry {run['id']} --here" in refused
