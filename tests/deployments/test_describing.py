"""What `to_deployment` makes of its arguments, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.deployments.conftest import Write

from dalsegno import flow
from dalsegno.deployments import ConcurrencyLimitConfig, EntrypointType, RunnerDeployment
from dalsegno.exceptions import ConfigurationError, EntrypointError, InvalidSchedule, ParameterTypeError
from dalsegno.flows import Flow
from dalsegno.schedules import Cron, Interval

ETL = """
    from datetime import date
    from dalsegno import flow

    @flow(version="7", description="Loads orders.")
    def etl(day: date = date(2026, 1, 31), n: int = 1):
        return day
"""


@pytest.fixture
def etl(write: Write) -> Flow[..., Any]:
    return write(ETL)


def test_a_deployment_says_where_its_code_is_and_what_it_takes(etl: Flow[..., Any], folder: Path) -> None:
    spec = etl.to_deployment("eu").spec
    assert (spec.flow_name, spec.name, spec.version, spec.description) == ("etl", "eu", "7", "Loads orders.")
    assert (spec.source.entrypoint, spec.source.path) == ("etl.py:etl", str(folder))
    assert spec.source.interpreter == sys.executable
    assert spec.parameter_schema["properties"]["n"]["type"] == "integer"
    assert spec.schedules == []


def test_code_outside_of_the_working_directory_is_found_from_its_own_folder(
    write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etl = write(ETL, "deep/etl.py")
    assert etl.to_deployment("eu").spec.source.entrypoint == "deep/etl.py:etl"
    monkeypatch.chdir(folder.parent / "flows" / "deep")
    source = etl.to_deployment("eu").spec.source
    assert (source.entrypoint, source.path) == ("etl.py:etl", str(folder / "deep"))


def test_by_module(etl: Flow[..., Any]) -> None:
    deployment = etl.to_deployment("eu", entrypoint_type=EntrypointType.MODULE_PATH)
    assert deployment.entrypoint == "etl:etl"


def test_the_code_version_is_the_commit_where_nothing_was_changed_since(etl: Flow[..., Any], folder: Path) -> None:
    by_hash = etl.to_deployment("eu").spec.source.code_version
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "flows"]):
        identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    assert etl.to_deployment("eu").spec.source.code_version == said.stdout.strip()
    (folder / "etl.py").write_text("# changed")
    assert etl.to_deployment("eu").spec.source.code_version not in (by_hash, said.stdout.strip(), None)


def test_schedules_of_all_kinds_together(etl: Flow[..., Any]) -> None:
    spec = etl.to_deployment(
        "eu",
        cron=["0 1 * * *", "0 2 * * *"],
        interval=timedelta(hours=1),
        timezone="Europe/Berlin",
        schedules=[Cron("0 3 * * *", slug="late"), Interval(60, parameters={"n": 2})],
    ).spec
    assert spec.schedules is not None
    assert [(each.cron or each.interval, each.timezone, each.slug) for each in spec.schedules] == [
        (3600.0, "Europe/Berlin", None),
        ("0 1 * * *", "Europe/Berlin", None),
        ("0 2 * * *", "Europe/Berlin", None),
        ("0 3 * * *", None, "late"),
        (60.0, None, None),
    ]


def test_parameters_are_checked_and_kept_as_json_has_them(etl: Flow[..., Any]) -> None:
    assert etl.to_deployment("eu", parameters={"day": "2026-02-01", "n": "3"}).spec.parameters == {
        "day": "2026-02-01",
        "n": 3,
    }


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"parameters": {"n": "x"}}, ParameterTypeError, "n: Input should be a valid integer"),
        ({"parameters": {"m": 1}}, ParameterTypeError, "no parameter 'm'; it has day, n"),
        ({"cron": "61 * * * *"}, InvalidSchedule, "61"),
        ({"schedules": ["0 1 * * *"]}, TypeError, "no schedule"),
        ({"concurrency_limit": 0}, ConfigurationError, "concurrency_limit is 0"),
        ({"concurrency_limit": ConcurrencyLimitConfig(1, "WAIT")}, ConfigurationError, "one of ENQUEUE, CANCEL_NEW"),
        ({"crons": "0 1 * * *"}, TypeError, "Did you mean 'cron'"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_wrong(
    etl: Flow[..., Any], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        etl.to_deployment("eu", **options)


def test_a_flow_that_cannot_be_found_from_outside_is_refused() -> None:
    @flow
    def inner() -> None: ...

    with pytest.raises(EntrypointError, match="'inner' cannot be deployed: the flow is a function inside another one"):
        inner.to_deployment("eu")


def test_limits_and_policies_are_passed_on(etl: Flow[..., Any]) -> None:
    spec = etl.to_deployment(
        "eu",
        concurrency_limit=ConcurrencyLimitConfig(2, "CANCEL_NEW"),
        concurrency_key="{{ parameters.n }}",
        priority=5,
        start_rate=30,
        on_crash="fail",
        max_recoveries=1,
        tags={"a"},
        job_variables={"env": {"A": "1"}},
        paused=True,
    ).spec
    assert (spec.concurrency_limit, spec.collision_strategy, spec.concurrency_key) == (
        2,
        "CANCEL_NEW",
        "{{ parameters.n }}",
    )
    assert (spec.priority, spec.start_rate, spec.on_crash, spec.max_recoveries) == (5, 30, "fail", 1)
    assert (spec.tags, spec.job_variables, spec.paused) == (["a"], {"env": {"A": "1"}}, True)


def test_from_an_entry_point(etl: Flow[..., Any]) -> None:
    assert RunnerDeployment.from_entrypoint("etl.py:etl", "eu").full_name == "etl/eu"
