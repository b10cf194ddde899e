"""`dalsegno deployment`, its schedules and backfills; what `flow-run` says of runs of deployments."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Dalsegno

from dalsegno._backend.connect import connect
from dalsegno.model.deployments import CodeSource, DeploymentSpec, DeploymentView
from dalsegno.model.ids import id_text
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.views import Page, RunFilter

SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}, "rows": {"type": "integer"}}}
NAME = "etl/nightly"


def deploy(name: str = "nightly", **more: Any) -> DeploymentView:
    spec = DeploymentSpec(flow_name="etl", name=name, source=CodeSource(entrypoint="etl.py:etl"), **more)
    return connect().apply_deployment(spec)


def runs() -> list[Any]:
    return connect().list_flow_runs(RunFilter(), Page(oldest_first=True))


def test_deployments_are_listed_and_inspected(dalsegno: Dalsegno) -> None:
    assert "make one with" in dalsegno("deployment", "ls").output
    made = deploy(tags=["eu"], schedules=[ScheduleSpec(cron="30 2 * * *", slug="night")])
    deploy("hourly")
    lines = dalsegno("deployment", "ls").output.splitlines()
    assert lines[0].split()[:2] == ["NAME", "STATUS"]
    assert lines[1].split()[0] == "etl/hourly"
    assert "At 02:30 every day, UTC" in lines[2]
    (listed,) = dalsegno("deployment", "ls", "--tag", "eu", "-o", "json").json
    assert (listed["id"], listed["name"], listed["tags"]) == (id_text(made.id), "nightly", ["eu"])
    for target in (NAME, "nightly", id_text(made.id)):
        assert dalsegno("deployment", "inspect", target, "-o", "json").json["id"] == id_text(made.id)
    shown = dalsegno("deployment", "inspect", NAME).output
    assert "etl.py:etl" in shown
    assert "night" in shown


def test_one_that_is_not_there_lists_those_that_are(dalsegno: Dalsegno) -> None:
    deploy()
    missing = dalsegno("deployment", "inspect", "etl/weekly")
    assert missing.code == 5
    assert "There is no deployment 'etl/weekly'. There are:" in missing.errors
    assert NAME in missing.errors
    connect().apply_deployment(DeploymentSpec(flow_name="other", name="nightly"))
    assert "fits more than one" in dalsegno("deployment", "inspect", "nightly").errors


def test_a_deployment_is_paused_changed_rolled_back_and_deleted(dalsegno: Dalsegno) -> None:
    deploy(parameters={"rows": 1}, parameter_schema=SCHEMA)
    dalsegno("deployment", "pause", NAME)
    assert dalsegno("deployment", "inspect", NAME, "-o", "json").json["paused"]
    dalsegno("deployment", "resume", NAME)
    changed = dalsegno("deployment", "update", NAME, "--priority", "-2", "-p", "day=7", "--concurrency-limit", "3")
    assert changed.code == 0
    shown = dalsegno("deployment", "inspect", NAME, "-o", "json").json
    assert (shown["paused"], shown["priority"], shown["concurrency_limit"]) == (False, -2, 3)
    # The schema calls it a string, so it stays one.
    assert shown["parameters"] == {"rows": 1, "day": "7"}
    assert "What is to be changed?" in dalsegno("deployment", "update", NAME).errors
    deploy(parameters={"rows": 2}, parameter_schema=SCHEMA)
    assert [each["number"] for each in dalsegno("deployment", "versions", NAME, "-o", "json").json] == [2, 1]
    assert "as its version 1 was, as version 3" in dalsegno("deployment", "rollback", NAME).output
    assert "has no version 9" in dalsegno("deployment", "rollback", NAME, "9").errors
    assert dalsegno("deployment", "delete", NAME).code == 0
    assert dalsegno("deployment", "inspect", NAME).code == 5


def test_a_run_is_asked_for_and_says_why_it_waits(dalsegno: Dalsegno) -> None:
    deploy(parameter_schema=SCHEMA)
    words = ("deployment", "run", NAME, "-p", "rows=5", "--tag", "x", "--flow-run-name", "mine")
    asked = dalsegno(*words, "--idempotency-key", "k")
    assert "Run 'mine' of 'etl/nightly' waits" in asked.output
    assert "Nobody serves its deployment" in asked.output
    assert "was asked for before" in dalsegno(*words, "--idempotency-key", "k").output
    (run,) = runs()
    assert (run.parameters_text, run.tags) == ('{"rows":5}', ("x",))
    page = dalsegno("flow-run", "inspect", "mine").output
    assert "Nobody serves its deployment" in page
    assert NAME in page
    refused = dalsegno("deployment", "run", NAME, "-p", "rows=many")
    assert refused.code == 2
    assert "rows: 'many' is not of type 'integer'" in refused.errors
    later = dalsegno("deployment", "run", NAME, "--start-in", "2h")
    assert "It is not due before" in later.output
    assert (
        "does not go with" in dalsegno("deployment", "run", NAME, "--start-in", "2h", "--start-at", "2026-01-01").errors
    )


def test_retrying_a_run_of_a_deployment_queues_it(dalsegno: Dalsegno) -> None:
    made = deploy()
    dalsegno("deployment", "run", NAME, "--flow-run-name", "mine")
    dalsegno("flow-run", "cancel", "mine")
    (run,) = runs()
    assert run.state.name == "Cancelled"
    again = dalsegno("flow-run", "retry", "mine")
    assert "waits to be picked up; --here" in again.output
    assert "already" in dalsegno("flow-run", "retry", "mine").output
    (run,) = runs()
    assert (run.state.name, run.attempt, run.deployment_id) == ("Scheduled", 2, made.id)


def test_schedules_are_made_paused_and_deleted(dalsegno: Dalsegno) -> None:
    deploy()
    assert "It has no schedules" in dalsegno("deployment", "schedule", "ls", NAME).output
    words = ("deployment", "schedule", "create", NAME)
    made = dalsegno(*words, "--cron", "30 2 * * MON", "--timezone", "Europe/Berlin", "--slug", "night")
    assert "At 02:30 on Monday, Europe/Berlin; first at" in made.output
    assert dalsegno(*words, "--interval", "15m", "--inactive").code == 0
    listed = dalsegno("deployment", "schedule", "ls", NAME, "-o", "json").json
    assert [(each["spec"]["cron"], each["spec"]["interval"]) for each in listed] == [
        ("30 2 * * MON", None),
        (None, 900.0),
    ]
    assert listed[1]["next_tick"] is None
    dalsegno("deployment", "schedule", "resume", NAME, listed[1]["id"])
    dalsegno("deployment", "schedule", "pause", NAME, "night")
    first, second = dalsegno("deployment", "schedule", "ls", NAME, "-o", "json").json
    assert (first["next_tick"], second["next_tick"] is None) == (None, False)
    assert "61" in dalsegno(*words, "--cron", "61 * * * *").errors
    missing = dalsegno("deployment", "schedule", "delete", NAME, "weekly")
    assert (missing.code, "night" in missing.errors) == (5, True)
    assert dalsegno("deployment", "schedule", "delete", NAME, "night").code == 0
    assert "1 schedules" in dalsegno("deployment", "schedule", "clear", NAME).output


def test_a_backfill_is_previewed_and_made_once(dalsegno: Dalsegno) -> None:
    deploy()
    words = ("deployment", "backfill", NAME, "--from", "2026-01-01T00:00+00:00", "--to", "2026-01-03T00:00+00:00")
    assert "has no schedules" in dalsegno(*words).errors
    assert "4 runs of 'etl/nightly'" in dalsegno(*words, "--every", "12h", "--preview").output
    assert runs() == []
    assert "4 runs of 'etl/nightly' wait; 0 were" in dalsegno(*words, "--every", "12h").output
    assert "0 runs of 'etl/nightly' wait; 4 were" in dalsegno(*words, "--every", "12h").output
    assert len(runs()) == 4


@pytest.mark.parametrize("pair", ["day", "=1"])
def test_what_names_no_value_is_refused(dalsegno: Dalsegno, pair: str) -> None:
    deploy()
    assert "names no value" in dalsegno("deployment", "run", NAME, "-p", pair).errors
