"""The runtime where no run is, and what overrides it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dalsegno import runtime
from dalsegno.exceptions import SettingError
from dalsegno.runtime import deployment, flow_run, task_run

PREFIX = "DALSEGNO__RUNTIME__"


def test_outside_of_runs_there_is_nothing_to_say() -> None:
    assert {name: getattr(flow_run, name) for name in dir(flow_run) if name != "scheduled_start_time"} == {
        "api_url": None,
        "flow_name": None,
        "flow_version": None,
        "id": None,
        "job_variables": None,
        "name": None,
        "parameters": {},
        "parent_deployment_id": None,
        "parent_flow_run_id": None,
        "root_flow_run_id": None,
        "run_count": 0,
        "tags": [],
        "ui_url": None,
    }
    assert {name: getattr(task_run, name) for name in dir(task_run)} == {
        "api_url": None,
        "id": None,
        "idempotency_key": None,
        "name": None,
        "parameters": {},
        "run_count": 0,
        "tags": [],
        "task_name": None,
        "ui_url": None,
    }
    assert {name: getattr(deployment, name) for name in dir(deployment)} == {
        "flow_run_id": None,
        "id": None,
        "name": None,
        "parameters": {},
        "version": None,
    }


def test_the_scheduled_start_is_now() -> None:
    before = datetime.now(UTC)
    assert before <= flow_run.scheduled_start_time <= datetime.now(UTC)


def test_the_modules_are_attributes_of_the_runtime() -> None:
    assert (runtime.flow_run, runtime.task_run, runtime.deployment) == (flow_run, task_run, deployment)


@pytest.mark.parametrize("module", [flow_run, task_run, deployment])
def test_unknown_attributes_are_attribute_errors(module: Any) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018
    assert not hasattr(module, "nonsense")


def test_values_can_be_overridden_and_have_the_type_of_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "FLOW_RUN__NAME": "test",
        "FLOW_RUN__RUN_COUNT": "3",
        "FLOW_RUN__TAGS": "a, b",
        "FLOW_RUN__PARAMETERS": '{"day": "2026-01-31"}',
        "FLOW_RUN__SCHEDULED_START_TIME": "2026-01-31T03:00:00",
        "TASK_RUN__TAGS": '["x,y"]',
        "TASK_RUN__ID": "42",
        "DEPLOYMENT__NAME": "nightly",
    }.items():
        monkeypatch.setenv(PREFIX + name, text)
    assert (flow_run.name, flow_run.run_count, flow_run.tags) == ("test", 3, ["a", "b"])
    assert flow_run.parameters == {"day": "2026-01-31"}
    assert flow_run.scheduled_start_time == datetime(2026, 1, 31, 3, tzinfo=UTC)
    assert (task_run.tags, task_run.id, deployment.name) == (["x,y"], "42", "nightly")


@pytest.mark.parametrize(
    ("name", "text"), [("RUN_COUNT", "many"), ("PARAMETERS", "[1]"), ("SCHEDULED_START_TIME", "soon")]
)
def test_an_override_of_another_type_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"{PREFIX}FLOW_RUN__{name}", text)
    with pytest.raises(SettingError, match=f"{PREFIX}FLOW_RUN__{name} is"):
        getattr(flow_run, name.lower())
