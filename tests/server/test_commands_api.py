"""What people do to runs over the API, to one and to many."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.server.conftest import Api
from tests.store.make import COMPLETED, FAILED, RUNNING, Run

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.pauses import BeginPause


def recorded(backend: StoreBackend, code: int, count: int = 1, **fields: Any) -> list[str]:
    ids: list[str] = []
    for _ in range(count):
        run = Run()
        backend.deliver(run.batch(flow_runs=[run.flow_run(code, **fields)]))
        ids.append(id_text(run.id))
    return ids


def outcomes(answer: Any) -> list[str]:
    return [item["outcome"] for item in answer["items"]]


def test_a_live_run_is_asked_to_stop_and_an_ended_one_is_left(backend: StoreBackend, api: Api) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    answer = api.post(f"/flow-runs/{id_text(run.id)}/cancel")
    assert (answer["requested"], answer["flow_run"]["state"]["type"]) == (True, "RUNNING")
    assert backend.heartbeat(run.process.id, {run.id: 1}).cancel == [run.id]
    (ended,) = recorded(backend, COMPLETED)
    assert api.post(f"/flow-runs/{ended}/cancel")["requested"] is False
    api.post(f"/flow-runs/{id_text(new_id())}/cancel", status=404)


def test_a_live_run_is_asked_to_pause_and_tells_what_it_waits_for(backend: StoreBackend, api: Api) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    path = f"/flow-runs/{id_text(run.id)}"
    assert api.post(f"{path}/pause")["requested"] is True
    assert backend.heartbeat(run.process.id, {run.id: 1}).pause == [run.id]
    assert api.post(f"{path}/suspend")["requested"] is True
    assert backend.heartbeat(run.process.id, {run.id: 1}).suspend == [run.id]
    schema = {"type": "object", "required": ["approved"], "properties": {"approved": {"type": "boolean"}}}
    backend.begin_pause(
        BeginPause(
            id=new_id(), flow_run_id=run.id, attempt=1, kind="pause", schema=json.dumps(schema), key="a", timeout=60.0
        )
    )
    (pause,) = api.get(path)["pauses"]
    assert (pause["input_schema"], pause["key"], pause["kind"]) == (schema, "a", "pause")
    problem = api.post(f"{path}/resume", {"input": {"approved": "yes"}}, 422)
    assert problem["error"] == "InvalidInput"
    assert problem["errors"] == [{"field": "approved", "message": "'yes' is not of type 'boolean'"}]
    api.post(f"{path}/resume", {"input": [1]}, 422)
    assert api.post(f"{path}/resume", {"input": {"approved": True}})["how"] == "goes_on"
    assert api.post(f"{path}/resume", {}, 409)["error"] == "StateConflict"
    (ended,) = recorded(backend, COMPLETED)
    for what in ("pause", "suspend"):
        assert api.post(f"/flow-runs/{ended}/{what}", status=409)["error"] == "StateConflict"


def test_a_run_is_deleted_once_it_has_ended(backend: StoreBackend, api: Api) -> None:
    (live,), (ended,) = recorded(backend, RUNNING), recorded(backend, FAILED)
    assert api.send("DELETE", f"/flow-runs/{live}", 409).json()["error"] == "RunIsAlive"
    assert api.send("DELETE", f"/flow-runs/{ended}", 204).content == b""
    api.send("DELETE", f"/flow-runs/{ended}", 404)
    api.get(f"/flow-runs/{ended}", 404)


def test_a_state_is_set_by_force_only_where_it_does_not_follow(backend: StoreBackend, api: Api) -> None:
    (failed,) = recorded(backend, FAILED)
    path = f"/flow-runs/{failed}/set-state"
    assert api.post(path, {"type": "COMPLETED"}, 409)["error"] == "StateConflict"
    run = api.post(path, {"type": "COMPLETED", "name": "Accepted", "message": "Looked at.", "force": True})
    assert (run["state"]["name"], run["state"]["message"], run["attempt"]) == ("Accepted", "Looked at.", 2)
    assert api.post(path, {"type": "COMPLETED"})["state"]["name"] == "Completed"
    api.post(path, {"type": "RUNNING", "force": True}, 409)
    api.post(path, {"type": "DONE"}, 422)


def test_a_run_from_a_script_is_not_retried_but_the_command_is_told(backend: StoreBackend, api: Api) -> None:
    (failed,) = recorded(backend, FAILED)
    problem = api.post(f"/flow-runs/{failed}/retry", status=409)
    assert f"dalsegno flow-run retry {failed}" in problem["detail"]
    answer = api.post("/flow-runs/bulk/retry", {"ids": [failed]})
    assert outcomes(answer) == ["refused"]
    assert f"dalsegno flow-run retry {failed}" in answer["items"][0]["detail"]


def test_a_task_run_is_completed_by_hand(backend: StoreBackend, api: Api) -> None:
    run = Run()
    task_run = run.task_run(FAILED)
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)], task_runs=[task_run]))
    path = f"/task-runs/{id_text(task_run.id)}/set-result"
    found = api.post(path, {"value": {"rows": [1, 2]}, "message": "Counted by hand."})
    assert found["result"]["value"] == {"rows": [1, 2]}
    assert (found["state"]["type"], found["state"]["message"]) == ("COMPLETED", "Counted by hand.")
    api.post(path, {"value": "x" * 20_000}, 413)
    api.post(path, {}, 422)
    api.post(path, {"value": 2**70}, 422)


def test_many_are_named_by_a_filter_and_first_looked_at(backend: StoreBackend, api: Api) -> None:
    failed = recorded(backend, FAILED, 3)
    recorded(backend, COMPLETED, 2)
    request = {"filter": {"state_types": ["FAILED"]}, "dry_run": True}
    shown = api.post("/flow-runs/bulk/delete", request)
    assert (shown["count"], outcomes(shown), shown["next_cursor"]) == (3, ["would_be_done"] * 3, None)
    assert [item["id"] for item in shown["items"]] == failed
    done = api.post("/flow-runs/bulk/delete", request | {"dry_run": False})
    assert outcomes(done) == ["done"] * 3
    assert api.get("/flow-runs/count")["by_state_name"] == {"Completed": 2}


def test_many_are_done_a_bounded_number_at_a_time(backend: StoreBackend, api: Api) -> None:
    runs = recorded(backend, FAILED, 5)
    request: dict[str, Any] = {"filter": {}, "limit": 2, "state": {"type": "CANCELLED", "force": True}}
    seen: list[str] = []
    while True:
        answer = api.post("/flow-runs/bulk/set-state", request)
        seen += [item["id"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        request["cursor"] = answer["next_cursor"]
    assert seen == runs
    assert api.get("/flow-runs/count")["by_state_name"] == {"Cancelled": 5}


def test_a_request_stops_after_some_time_and_says_where_to_go_on(
    backend: StoreBackend, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dalsegno.server.api.flow_run_bulk._LONGEST", -1.0)
    runs = recorded(backend, FAILED, 3)
    first = api.post("/flow-runs/bulk/delete", {"ids": runs})
    assert [item["id"] for item in first["items"]] == runs[:1]
    second = api.post("/flow-runs/bulk/delete", {"ids": runs, "cursor": first["next_cursor"]})
    assert [item["id"] for item in second["items"]] == runs[1:2]


def test_each_of_many_has_an_outcome_of_its_own(backend: StoreBackend, api: Api) -> None:
    (live,), (ended,) = recorded(backend, RUNNING), recorded(backend, FAILED)
    root = Run()
    nested = Run(root=root.id, parent=root.id)
    backend.deliver(root.batch(flow_runs=[root.flow_run(), nested.flow_run()]))
    gone = id_text(new_id())
    ids = [live, ended, id_text(nested.id), gone]
    for dry_run, done in ((True, "would_be_done"), (False, "done")):
        answer = api.post("/flow-runs/bulk/cancel", {"ids": ids, "dry_run": dry_run})
        found = {item["id"]: (item["outcome"], item["detail"]) for item in answer["items"]}
        assert found[live] == (done, None)
        assert found[ended] == ("unchanged", "It had already ended.")
        assert found[id_text(nested.id)][0] == "refused"
        assert found[gone] == ("refused", f"There is no flow run {gone}.")
    deleted = api.post("/flow-runs/bulk/delete", {"ids": [live], "dry_run": True})
    assert outcomes(deleted) == ["refused"]


def test_many_must_be_named(api: Api) -> None:
    api.post("/flow-runs/bulk/delete", {}, 422)
    api.post("/flow-runs/bulk/delete", {"ids": [], "filter": {}}, 422)
    assert api.post("/flow-runs/bulk/delete", {"ids": []})["items"] == []
