"""Both clients do all that the API can do, and give back its structs."""

from __future__ import annotations

import asyncio
import inspect
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dalsegno import flow, get_client, get_run_logger, retry_flow_run, suspend_flow_run, task
from dalsegno.artifacts import create_markdown_artifact
from dalsegno.client import Client, SyncClient
from dalsegno.client.calls import Call, Pages
from dalsegno.client.operation import listing, operation
from dalsegno.client.operations import Operations
from dalsegno.client.schemas.filters import FlowRunFilter, TaskRunFilter
from dalsegno.client.schemas.sorting import Order
from dalsegno.exceptions import BackendError, ChangedMeanwhile, InvalidInput, InvalidRequest, NotAllowed, ObjectNotFound
from dalsegno.model.resources.commands import Outcome, SetFlowRunState
from dalsegno.model.resources.deployments import DeploymentNew, DeploymentPatch
from dalsegno.model.resources.schedules import BackfillNew, ScheduleNewOfDeployment
from dalsegno.model.resources.work_pools import WorkPoolNew
from dalsegno.model.resources.work_queues import WorkQueueNew
from dalsegno.model.states import StateType
from dalsegno.server.routes import ROUTES, Route, find_route
from dalsegno.settings import temporary_settings

NO_ID = uuid.UUID(int=7)
NOT_FOR_PROGRAMS = re.compile(
    r"^(?!/api/)|/api/docs|/api/log(in|out)|/api/me/password|/logs/download|/api/results/|/api/engine/"
)
"""Pages, what needs a browser's session, files for people, and what the engine itself asks."""
SAMPLES: dict[str, Any] = {
    "name": "limit",
    "value": 1,
    "password": "correct horse battery",
    "description": "text",
    "start": datetime(2026, 1, 1, tzinfo=UTC),
    "end": datetime(2026, 1, 2, tzinfo=UTC),
    "state": SetFlowRunState(type=StateType.FAILED),
    "id": NO_ID,
    "limit": 3,
    "flow_name": "etl",
    "queue": "fast",
    "number": 1,
    "priority": 5,
    "deployment_id": NO_ID,
    "deployment": DeploymentNew(name="nightly", flow_name="etl"),
    "schedule": ScheduleNewOfDeployment(cron="@daily"),
    "backfill": BackfillNew(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC)),
    "pool": WorkPoolNew(name="machines"),
    "new_queue": WorkQueueNew(name="fast"),
    "changed": DeploymentPatch(paused=True),
}


@task
def double(x: int) -> int:
    get_run_logger().info("Doubling %d.", x)
    return 2 * x


@flow
def doubling(x: int = 2) -> int:
    create_markdown_artifact("# Two", key="two")
    return double(x)


@flow
def failing() -> None:
    raise ValueError("No.")


def described(name: str) -> Call[Any]:
    found = inspect.getattr_static(Operations, name)
    needed = [
        each.name
        for each in inspect.signature(found.describe).parameters.values()
        if each.default is each.empty and each.name != "self"
    ]
    call = found.describe(None, *(SAMPLES[each] for each in needed))
    return call.at(None) if isinstance(call, Pages) else call


NAMES = [name for name in dir(Operations) if isinstance(inspect.getattr_static(Operations, name), operation | listing)]


def route_of(call: Call[Any]) -> Route | None:
    path = f"/api/{call.path}"
    own = find_route(call.method, path)
    return own or next((each for each in ROUTES if each.method == call.method and _fits(each.path, path)), None)


def _fits(declared: str, path: str) -> bool:
    of_types = {"uuid": re.escape(str(NO_ID)), "str": "(?:limit|etl|fast)"}
    pattern = re.sub(r"\{\w+:(\w+)\}", lambda found: of_types.get(found[1], "(?!)"), declared)
    return re.fullmatch(pattern, path) is not None


def test_each_operation_is_a_route_and_each_route_for_programs_an_operation() -> None:
    assert len(NAMES) > 40
    reached = {(route.method, route.path) if (route := route_of(described(name))) else name for name in NAMES}
    # Searching and counting send their filters in the body, and so do not need the lists with filters in the query.
    in_body = {"/api/flow-runs", "/api/task-runs", "/api/flow-runs/count", "/api/task-runs/count"}
    wanted = {
        (route.method, route.path)
        for route in ROUTES
        if not NOT_FOR_PROGRAMS.search(route.path) and not (route.method == "GET" and route.path in in_body)
    }
    assert reached == wanted - {("GET", "/api/live")}


def test_each_operation_says_what_it_does() -> None:
    assert [name for name in NAMES if not inspect.getdoc(getattr(Operations, name))] == []


def test_runs_are_read_listed_counted_and_walked(client: SyncClient) -> None:
    for x in range(3):
        doubling(x)
    page = client.read_flow_runs(FlowRunFilter(flow_names=["doubling"]), limit=2)
    assert len(page.items) == 2
    rest = client.read_flow_runs(FlowRunFilter(flow_names=["doubling"]), limit=2, cursor=page.next_cursor)
    assert (len(rest.items), rest.next_cursor) == (1, None)
    runs = list(client.iterate_flow_runs(order=Order.OLDEST))
    assert [run.parameters for run in runs] == [{"x": 0}, {"x": 1}, {"x": 2}]
    run = client.read_flow_run(str(runs[1].id))
    assert run.result is not None
    assert (run.result.value, run.state.name) == (2, "Completed")
    assert client.count_flow_runs().by_state_name == {"Completed": 3}
    graph = client.read_flow_run_graph(run.id)
    assert graph.task_names == ["double"]
    (task_run,) = client.iterate_task_runs(TaskRunFilter(flow_run_ids=[run.id]))
    assert client.read_task_run(task_run.id).flow_run_id == run.id
    assert client.count_task_runs(TaskRunFilter(flow_run_ids=[run.id])).total == 1
    assert [line.message for line in client.iterate_logs(flow_run_id=run.id) if "Doubling" in line.message] == [
        "Doubling 1."
    ]
    history = client.read_flow_run_history(
        run.created - timedelta(hours=1),
        run.created + timedelta(hours=1),
        spans=2,
        filter=FlowRunFilter(state_types=[StateType.COMPLETED], flow_names=["doubling"]),
    )
    assert sum(span.by_state_type.get("COMPLETED", 0) for span in history.spans) == 3


def test_flows_and_artifacts_are_read_and_an_artifact_is_described_once(client: SyncClient) -> None:
    doubling()
    assert client.read_flow("doubling").run_count == 1
    assert [each.name for each in client.iterate_flows()] == ["doubling"]
    (artifact,) = client.iterate_artifacts(key="two")
    assert client.read_latest_artifacts().items == [artifact]
    changed = client.change_artifact(artifact.id, "A number.", if_match=artifact.etag)
    assert client.read_artifact(artifact.id).description == changed.description == "A number."
    with pytest.raises(ChangedMeanwhile, match="read it again"):
        client.change_artifact(artifact.id, "Another.", if_match=artifact.etag)


def test_variables_are_changed_under_the_eyes_of_others(client: SyncClient) -> None:
    made = client.set_variable("limit", {"rows": 5}, tags=["eu"], overwrite=False)
    assert client.read_variable("limit") == made
    with pytest.raises(ChangedMeanwhile):
        client.set_variable("limit", 6, overwrite=False)
    newer = client.set_variable("limit", 6, if_match=made.etag)
    assert (newer.value, newer.tags) == (6, [])
    with pytest.raises(ChangedMeanwhile):
        client.delete_variable("limit", if_match=made.etag)
    client.delete_variable("limit", if_match=newer.etag)
    assert list(client.iterate_variables()) == []
    with pytest.raises(ObjectNotFound, match="no variable 'limit'"):
        client.read_variable("limit")


def test_a_run_that_waits_is_resumed(client: SyncClient) -> None:
    @flow
    def leaving() -> int:
        return suspend_flow_run(wait_for_input=int)

    state = leaving(return_state=True)
    id_ = state.state_details.flow_run_id
    assert id_ is not None
    (pause,) = client.read_flow_run(id_).pauses or []
    assert (pause.kind, (pause.input_schema or {})["required"]) == ("suspend", ["value"])
    with pytest.raises(InvalidInput, match="value: 'x' is not of type 'integer'"):
        client.resume_flow_run(id_, {"value": "x"})
    assert client.resume_flow_run(id_, {"value": 5}).how == "to_be_executed"
    assert client.pause_flow_run(id_).requested is False
    assert retry_flow_run(id_, flow=leaving) == 5


def test_many_runs_are_first_looked_at_and_then_changed(client: SyncClient) -> None:
    for _ in range(2):
        failing(return_state=True)
    failed = FlowRunFilter(flow_names=["failing"])
    looked = client.delete_flow_runs(filter=failed, dry_run=True)
    assert [item.outcome for item in looked.items] == [Outcome.WOULD_BE_DONE] * 2
    state = SetFlowRunState(type=StateType.COMPLETED, name="Accepted", force=True)
    accepted = client.set_flow_run_states(state, ids=[item.id for item in looked.items])
    assert [item.outcome for item in accepted.items] == [Outcome.DONE] * 2
    assert client.count_flow_runs().by_state_name == {"Accepted": 2}
    assert client.cancel_flow_runs(filter=failed).items[0].outcome is Outcome.UNCHANGED
    assert client.cancel_flow_run(looked.items[0].id).requested is False
    client.delete_flow_run(looked.items[0].id)
    assert len(client.delete_flow_runs(filter=failed).items) == 1
    with pytest.raises(ObjectNotFound, match="no flow run"):
        client.read_flow_run(looked.items[0].id)


def test_users_keys_and_the_audit_log(client: SyncClient) -> None:
    assert client.read_me().via == "local"
    client.set_variable("limit", 1)
    (entry,) = [each for each in client.iterate_audit_log() if each.route.startswith("/api/variables")]
    assert (entry.method, entry.status) == ("PUT", 201)
    made = client.create_api_key("ci", role="viewer")
    assert [key.name for key in client.iterate_api_keys(everybodys=True)] == ["ci"]
    with temporary_settings({"DALSEGNO_API_KEY": made.key}), get_client(sync_client=True) as viewer:
        assert viewer.read_me().role == "viewer"
        with pytest.raises(NotAllowed, match="refuses"):
            viewer.set_variable("limit", 2)
    client.revoke_api_key(made.api_key.id)
    with pytest.raises(BackendError, match="name"):
        client.create_user("a b", "correct horse battery")


def test_the_server_says_what_it_is(client: SyncClient) -> None:
    assert client.read_health().status == "ok"
    assert client.read_ready().status == "ready"
    assert client.read_version().version


def test_a_wrong_value_is_named(client: SyncClient) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        client.read_variables(limit=0)
    with pytest.raises(InvalidRequest, match="one of the two"):
        client.cancel_flow_runs()
    with pytest.raises(ValueError, match="'seventeen' is no id"):
        client.read_flow_run("seventeen")


def test_the_other_client_does_the_same_in_coroutines(url: str) -> None:
    async def main() -> None:
        async with get_client() as client:
            assert isinstance(client, Client)
            made = await client.set_variable("limit", 5)
            assert await client.read_variable("limit") == made
            assert [each.name async for each in client.iterate_variables()] == ["limit"]
            with pytest.raises(ObjectNotFound):
                await client.read_flow_run(NO_ID)

    asyncio.run(main())
