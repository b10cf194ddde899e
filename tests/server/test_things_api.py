"""Logs, artifacts, variables and flows over the API."""

from __future__ import annotations

import pytest
from tests.server.conftest import Api
from tests.store.make import COMPLETED, Run, now

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.records import ArtifactRecord


@pytest.fixture
def run(backend: StoreBackend) -> Run:
    """A run with ten lines, of which the fourth is a warning, and of a task."""
    run = Run()
    start = now()
    task_run = run.task_run()
    lines = [run.log(f"line {number}", timestamp=start + number, nonce=number) for number in range(10)]
    lines[3].level, lines[3].task_run_id, lines[3].message = 30, task_run.id, "100% odd"
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=[task_run], logs=lines))
    return run


def artifact(run: Run, key: str | None, text: str) -> ArtifactRecord:
    return ArtifactRecord(
        id=new_id(),
        type="markdown",
        key=key,
        data=f'"{text}"',
        description=None,
        root_run_id=run.id,
        flow_run_id=run.id,
        task_run_id=None,
        created=now(),
        updated=now(),
    )


def test_a_log_is_read_from_both_ends_and_by_what_it_says(api: Api, run: Run) -> None:
    of_run = {"flow_run_id": id_text(run.id)}
    whole = [f"line {number}" if number != 3 else "100% odd" for number in range(10)]
    assert [line["message"] for line in api.walk("/logs", limit=3, **of_run)] == whole
    assert [line["message"] for line in api.walk("/logs", limit=3, order="newest", **of_run)] == whole[::-1]
    assert [line["message"] for line in api.get("/logs", min_level=30, **of_run)["items"]] == ["100% odd"]
    assert len(api.get("/logs", max_level=20, **of_run)["items"]) == 9
    assert [line["message"] for line in api.get("/logs", text="0% ODD", **of_run)["items"]] == ["100% odd"]
    assert api.get("/logs", text="_", **of_run)["items"] == []
    page = api.get("/logs", limit=5, **of_run)
    middle = page["items"][4]["timestamp"]
    assert len(api.get("/logs", after=middle, **of_run)["items"]) == 6
    assert len(api.get("/logs", before=middle, **of_run)["items"]) == 4


def test_what_was_written_since_is_read_from_the_last_cursor_on(backend: StoreBackend, api: Api, run: Run) -> None:
    of_run = {"flow_run_id": id_text(run.id)}
    page = api.get("/logs", **of_run)
    assert page["next_cursor"] is None
    assert api.get("/logs", cursor=page["last_cursor"], **of_run)["items"] == []
    backend.deliver(run.batch(logs=[run.log("later", timestamp=now() + 1_000_000)]))
    later = api.get("/logs", cursor=page["last_cursor"], **of_run)
    assert [line["message"] for line in later["items"]] == ["later"]


def test_the_log_of_a_task_run(api: Api, run: Run) -> None:
    (task_run,) = api.get("/task-runs")["items"]
    (line,) = api.get("/logs", task_run_id=task_run["id"])["items"]
    assert (line["message"], line["task_run_id"], line["flow_run_id"]) == ("100% odd", task_run["id"], id_text(run.id))
    api.get("/logs", 422)
    api.get("/logs", 422, task_run_id=task_run["id"], flow_run_id=id_text(run.id))


def test_a_log_that_is_long_is_looked_through_piece_by_piece(
    api: Api, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dalsegno._store.log_search.WINDOW", 4)
    page = api.get("/logs", text="line 9", limit=2, flow_run_id=id_text(run.id))
    assert (page["items"], page["complete"]) == ([], False)
    for order in ("oldest", "newest"):
        found = api.walk("/logs", text="line 9", limit=2, order=order, flow_run_id=id_text(run.id))
        assert [line["message"] for line in found] == ["line 9"]


def test_a_log_is_downloaded_as_text(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dalsegno.server.api.logs._MOST_LINES", 4)
    answer = api.send("GET", f"/flow-runs/{id_text(run.id)}/logs/download")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert f'filename="flow-run-{id_text(run.id)}.log"' in answer.headers["content-disposition"]
    lines = answer.text.splitlines()
    assert len(lines) == 10
    assert lines[3].endswith("Z | WARNING  | dalsegno.flow_runs | 100% odd")
    api.send("GET", f"/flow-runs/{id_text(new_id())}/logs/download", 404)


def test_artifacts_have_versions_and_a_newest_one_of_each_key(backend: StoreBackend, api: Api, run: Run) -> None:
    made = [artifact(run, key, text) for key, text in (("b", "old"), ("b", "new"), ("a", "one"), (None, "alone"))]
    backend.deliver(run.batch(artifacts=made))
    assert [each["data"] for each in api.walk("/artifacts", limit=2)] == ["alone", "one", "new", "old"]
    assert [each["data"] for each in api.walk("/artifacts", key="b", order="oldest")] == ["old", "new"]
    assert [each["data"] for each in api.walk("/artifacts/latest", limit=1)] == ["one", "new"]
    assert len(api.get("/artifacts", flow_run_id=id_text(run.id))["items"]) == 4
    assert api.get("/artifacts", task_run_id=id_text(new_id()))["items"] == []


def test_two_people_do_not_overwrite_each_others_description(backend: StoreBackend, api: Api, run: Run) -> None:
    made = artifact(run, "a", "text")
    backend.deliver(run.batch(artifacts=[made]))
    path = f"/artifacts/{id_text(made.id)}"
    seen = api.send("GET", path).headers["etag"]
    changed = api.send("PATCH", path, json={"description": "Mine."}, headers={"if-match": seen})
    assert changed.json()["description"] == "Mine."
    assert changed.headers["etag"] != seen
    api.send("PATCH", path, 412, json={"description": "Yours."}, headers={"if-match": seen})
    assert api.send("PATCH", path, json={"description": None}).json()["description"] is None
    api.send("PATCH", path, 422, json={"data": 1})


def test_a_variable_is_made_changed_and_deleted(api: Api) -> None:
    made = api.send("PUT", "/variables/limit", 201, json={"value": {"rows": [1, None]}, "tags": ["x"]})
    assert api.send("GET", "/variables/limit").headers["etag"] == made.headers["etag"]
    changed = api.send("PUT", "/variables/limit", json={"value": 5})
    assert (changed.json()["value"], changed.json()["tags"]) == (5, [])
    assert changed.json()["created"] == made.json()["created"]
    assert [each["name"] for each in api.get("/variables")["items"]] == ["limit"]
    api.send("DELETE", "/variables/limit", 204)
    api.send("DELETE", "/variables/limit", 404)
    api.get("/variables/limit", 404)


def test_two_people_do_not_overwrite_each_others_variable(api: Api) -> None:
    seen = api.send("PUT", "/variables/limit", 201, json={"value": 1}).headers["etag"]
    api.send("PUT", "/variables/limit", json={"value": 2}, headers={"if-match": seen})
    api.send("PUT", "/variables/limit", 412, json={"value": 3}, headers={"if-match": seen})
    api.send("DELETE", "/variables/limit", 412, headers={"if-match": seen})
    api.send("PUT", "/variables/limit", 412, json={"value": 3}, headers={"if-none-match": "*"})
    api.send("PUT", "/variables/other", 412, json={"value": 3}, headers={"if-match": "*"})
    assert api.get("/variables/limit")["value"] == 2


def test_names_and_values_of_variables_are_checked(api: Api) -> None:
    assert api.send("PUT", "/variables/Big", 422, json={"value": 1}).json()["errors"][0]["field"] == "name"
    assert api.send("PUT", "/variables/big", 422, json={"value": "x" * 6_000}).json()["errors"][0]["field"] == "value"
    api.send("PUT", "/variables/big", 422, json={})


def test_variables_and_flows_come_in_pages_by_name(backend: StoreBackend, api: Api, run: Run) -> None:
    for name in ("c", "a", "b"):
        api.send("PUT", f"/variables/{name}", 201, json={"value": name})
    assert [each["name"] for each in api.walk("/variables", limit=2)] == ["a", "b", "c"]
    assert [each["name"] for each in api.walk("/flows", limit=1)] == ["hourly", "nightly"]
    flow = api.get("/flows/nightly")
    assert (flow["run_count"], flow["run_count_at_least"], flow["last_state"]) == (1, False, "Completed")
    api.get("/flows/nothing", 404)
