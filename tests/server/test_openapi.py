"""The OpenAPI document describes everything, and the server does what it says, whatever it is sent."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.server.conftest import Api
from tests.store.make import COMPLETED, FAILED, Run, many_task_runs, now

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.deployments import DeploymentSpec
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.pools import NewPool
from dalsegno.model.records import ArtifactRecord
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.views import VariableView

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8
ODD = "é\U0001f600'\"%_!\\"


@pytest.fixture
def document(api: Api) -> Any:
    return api.get("/docs/openapi.json")


def some_of_everything(backend: StoreBackend) -> dict[str, str]:
    """Record a bit of each kind; give what paths may name."""
    for code in (FAILED, COMPLETED):
        run = Run()
        task_runs = many_task_runs(run, 20)
        artifact = ArtifactRecord(
            id=new_id(),
            type="markdown",
            key="report",
            data='"text"',
            description=ODD,
            root_run_id=run.id,
            flow_run_id=run.id,
            task_run_id=None,
            created=now(),
            updated=now(),
        )
        backend.deliver(
            run.batch(
                flow_runs=[run.flow_run(code, parameters_text='{"day": 1}', tags=("a", ODD))],
                task_runs=task_runs,
                logs=[run.log(ODD, nonce=number) for number in range(10)],
                artifacts=[artifact],
            )
        )
    backend.set_variable(VariableView(name="limit", value={"a": [1, None]}, tags=("x",), created=1, updated=2), True)
    backend.create_pool(NewPool(name="machines"))
    schedule = ScheduleSpec(cron="@daily")
    deployment = backend.apply_deployment(
        DeploymentSpec(flow_name="etl", name="nightly", work_pool_name="machines", schedules=[schedule])
    )
    return {
        "/api/flow-runs/{id}": id_text(run.id),
        "/api/deployments/{id}": id_text(deployment.id),
        "/api/work-pools/{name}": "machines",
        "/api/task-runs/{id}": id_text(task_runs[0].id),
        "/api/artifacts/{id}": id_text(artifact.id),
        "/api/flows/{name}": "nightly",
        "/api/variables/{name}": "limit",
    }


def test_every_operation_has_a_name_a_tag_and_a_description(document: Any) -> None:
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 30
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations:
        assert operation["description"], operation
        assert operation["summary"], operation
        assert set(operation["tags"]) <= tags, operation
        assert all(parameter["description"] for parameter in operation.get("parameters", [])), operation


def test_every_schema_and_every_field_has_a_description(document: Any) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name
        for field, of_field in schema.get("properties", {}).items():
            assert of_field.get("description"), f"{name}.{field}"


def test_the_page_needs_nothing_from_elsewhere(api: Api) -> None:
    page = api.send("GET", "/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "http" not in page.text.replace("http-equiv", "")
    assert api.send("GET", "/docs/reference.js").headers["content-type"].startswith("text/javascript")
    assert api.send("GET", "/docs/reference.css").headers["content-type"].startswith("text/css")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_server_does_what_the_document_says(backend: StoreBackend, api: Api, url: str, document: Any) -> None:
    names = some_of_everything(backend)
    schema = schemathesis.openapi.from_dict(document)
    seen: set[tuple[str, int]] = set()

    def check(operation: Any, mode: GenerationMode, **given_parts: Any) -> None:
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode, **given_parts))
        def send(case: Case) -> None:
            answer = case.call(base_url=url.removesuffix("/api"))
            case.validate_response(answer, checks=CHECKS)
            seen.add((operation.label, answer.status_code))

        send()

    for result in schema.get_all_operations():
        operation = result.ok()
        check(operation, GenerationMode.POSITIVE)
        if document["paths"][operation.path][operation.method].keys() & {"parameters", "requestBody"}:
            # Of a text that may be anything there is nothing wrong to send.
            with suppress(Unsatisfiable):
                check(operation, GenerationMode.NEGATIVE)
        for path, name in names.items():
            if operation.path.startswith(path) and operation.method != "delete":
                parts = {"path_parameters": {path.rpartition("{")[2][:-1]: name}}
                check(operation, GenerationMode.POSITIVE, **parts)
    # It got further than to the first check of what it sent.
    assert {status for _, status in seen} >= {200, 404, 409, 422}
    assert ("POST /api/flow-runs/{id}/set-state", 200) in seen
    assert ("PUT /api/variables/{name}", 200) in seen
