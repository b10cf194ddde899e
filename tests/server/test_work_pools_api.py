"""Work pools, their queues and workers over REST."""

from __future__ import annotations

from tests.server.conftest import Api

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.deployments import DeploymentSpec
from dalsegno.model.ids import new_id
from dalsegno.model.pools import WorkerRecord

POOLS = "/work-pools"


def worker(pool: str | None, name: str = "w") -> WorkerRecord:
    return WorkerRecord(
        process_id=new_id(), name=name, type="process", work_pool_name=pool, host="box", pid=7, version="1", limit=4
    )


def test_a_pool_lives_from_its_making_to_its_deletion(api: Api, backend: StoreBackend) -> None:
    made = api.post(POOLS, {"name": "machines", "concurrency_limit": 2}, 201)
    assert (made["type"], made["status"], made["waiting"], made["running"]) == ("process", "NOT_READY", 0, 0)
    assert "already" in api.post(POOLS, {"name": "machines"}, 409)["detail"]
    path = f"{POOLS}/machines"
    assert api.get(path) == made
    changed = api.send("PATCH", path, json={"paused": True, "concurrency_limit": None}).json()
    assert (changed["status"], changed["concurrency_limit"]) == ("PAUSED", None)
    backend.apply_deployment(DeploymentSpec(flow_name="etl", name="nightly", work_pool_name="machines"))
    assert "etl/nightly" in api.send("DELETE", path, 400).json()["detail"]
    api.post(POOLS, {"name": "other"}, 201)
    assert [pool["name"] for pool in api.walk(POOLS, limit=1)] == ["machines", "other"]
    api.send("DELETE", f"{POOLS}/other", 204)
    api.send("DELETE", f"{POOLS}/other", 404)
    # Who names one that is not there is told which there are.
    assert "'machines'" in api.get(f"{POOLS}/other", 404)["detail"]
    for body in ({"name": ""}, {"name": "a/b"}, {"name": "a", "concurrency_limit": -1}, {"name": "a", "x": 1}):
        api.post(POOLS, body, 422)


def test_queues_are_served_by_their_priority(api: Api) -> None:
    api.post(POOLS, {"name": "machines"}, 201)
    path = f"{POOLS}/machines/queues"
    made = api.post(path, {"name": "slow", "priority": 5, "concurrency_limit": 1}, 201)
    assert api.get(f"{path}/slow") == made
    assert [queue["name"] for queue in api.get(path)["items"]] == ["default", "slow"]
    changed = api.send("PATCH", f"{path}/slow", json={"paused": True, "concurrency_limit": None}).json()
    assert (changed["paused"], changed["concurrency_limit"], changed["priority"]) == (True, None, 5)
    assert "already" in api.post(path, {"name": "slow"}, 409)["detail"]
    assert "'default', 'slow'" in api.get(f"{path}/fast", 404)["detail"]
    assert "pause" in api.send("DELETE", f"{path}/default", 400).json()["detail"]
    api.send("DELETE", f"{path}/slow", 204)
    api.send("DELETE", f"{path}/slow", 404)
    api.get(f"{POOLS}/nowhere/queues", 404)
    api.post(path, {"name": "zero", "priority": 0}, 422)


def test_workers_are_listed_and_make_their_pool_ready(api: Api, backend: StoreBackend) -> None:
    api.post(POOLS, {"name": "machines"}, 201)
    backend.worker_heartbeat(worker("machines"))
    backend.worker_heartbeat(worker(None, "a script"))
    (mine,) = api.get(f"{POOLS}/machines/workers")["items"]
    assert (mine["name"], mine["online"], mine["limit"], mine["host"]) == ("w", True, 4, "box")
    assert {each["name"] for each in api.get("/workers")["items"]} == {"w", "a script"}
    assert api.get(f"{POOLS}/machines")["status"] == "READY"
    api.get(f"{POOLS}/nowhere/workers", 404)
