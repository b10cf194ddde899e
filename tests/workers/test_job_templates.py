"""Job variables and the templates of work pools: what does not fit is named, what fits is filled in."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workers.workshop import Workshop

from dalsegno.exceptions import JobVariableError, TemplateError
from dalsegno.model.pools import PoolChange
from dalsegno.model.queue import ClaimedRun
from dalsegno.workers.configuration import configuration_of
from dalsegno.workers.job_templates import job_configuration

TEMPLATE: dict[str, Any] = {
    "job_configuration": {
        "env": {"ZONE": "zone-{{ zone }}", "TOKEN": "{{ token }}", "AREA": "{{ $AREA }}"},
        "command": "{{ command }}",
        "working_dir": "{{ folder }}",
    },
    "variables": {
        "properties": {
            "zone": {"type": "string", "default": "eu"},
            "cores": {"type": "integer", "maximum": 8},
            "token": {"type": "string"},
            "command": {"type": "string"},
            "folder": {"type": "string"},
        },
    },
}


def configured(variables: dict[str, Any]) -> dict[str, Any]:
    return job_configuration(TEMPLATE, variables, "pool")


def test_placeholders_are_filled_in_and_what_has_no_value_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AREA", "51")
    assert configured({"cores": 2}) == {"env": {"ZONE": "zone-eu", "AREA": "51"}}
    assert configured({"zone": "us", "token": "t", "folder": "/data"}) == {
        "env": {"ZONE": "zone-us", "TOKEN": "t", "AREA": "51"},
        "working_dir": "/data",
    }


def test_a_pool_without_a_configuration_leaves_it_to_the_variables() -> None:
    assert job_configuration({}, {"env": {"A": "1"}}, "pool") == {"env": {"A": "1"}}
    schema = {"variables": {"properties": {"working_dir": {"type": "string", "default": "/data"}}}}
    assert job_configuration(schema, {}, "pool") == {"working_dir": "/data"}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"cores": "many"}, "'cores': its type must be 'integer'"),
        ({"cores": 9}, "'cores': its maximum must be 8"),
        ({"token": ["the secret"]}, "'token': its type must be 'string'"),
        ({"coers": 2}, "'coers': there is no such variable, there are 'zone', 'cores'"),
    ],
)
def test_a_variable_that_does_not_fit_is_named_and_its_value_is_not(variables: dict[str, Any], told: str) -> None:
    with pytest.raises(JobVariableError) as caught:
        configured(variables)
    assert "do not fit work pool 'pool'" in str(caught.value)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_variable_that_is_required_is_named() -> None:
    with pytest.raises(JobVariableError, match="'cores' is a required property"):
        job_configuration({"variables": {"required": ["cores"], "properties": {"cores": {}}}}, {}, "pool")


def test_a_placeholder_of_no_variable_is_an_error() -> None:
    properties = {"command": {"type": "string"}}
    template = {"job_configuration": {"command": "{{ comand }}"}, "variables": {"properties": properties}}
    with pytest.raises(TemplateError, match="no variable 'comand'"):
        job_configuration(template, {}, "pool")


def test_what_no_process_can_be_started_with_is_named() -> None:
    def claimed(configuration: dict[str, Any]) -> ClaimedRun:
        return ClaimedRun(
            flow_run_id=bytes(16), attempt=1, lease=30.0, job_template={"job_configuration": configuration}
        )

    with pytest.raises(JobVariableError, match="'working_dir' is nothing that a process can be started with"):
        configuration_of(claimed({"working_dir": 3}))
    with pytest.raises(JobVariableError, match="names 'no-such-program', and here is no such program"):
        configuration_of(claimed({"command": "no-such-program -x"})).wrapper()
    with pytest.raises(JobVariableError, match="is not a command line"):
        configuration_of(claimed({"command": "'open"})).wrapper()


@pytest.mark.embedded
def test_a_run_is_started_as_the_template_of_its_pool_says(workshop: Workshop) -> None:
    command = {"command": {"type": "string", "default": "nice -n 7"}, "zone": {"type": "string"}}
    template = {
        "job_configuration": {"env": {"ZONE": "{{ zone }}"}, "command": "{{ command }}"},
        "variables": {"properties": command},
    }
    workshop.backend.update_pool("pool", PoolChange(base_job_template=template))
    workshop.write("""
@flow
def job():
    note(f"{os.environ.get('ZONE')} {os.nice(0)}")
    if os.environ.get("ZONE") == "lost":
        os._exit(3)
""")
    done = [workshop.ask(job_variables=variables) for variables in ({"zone": "eu"}, {"zone": "us", "command": "env"})]
    with workshop.worker("--run-once", "--limit", "1") as worker:
        assert worker.end(120).status == 0
    assert [workshop.run(id).state.name for id in done] == ["Completed"] * 2
    assert workshop.noted() == ["eu 7", "us 0"]
    refused = workshop.ask(job_variables={"zone": 5}, on_crash="fail")
    lost = workshop.ask(job_variables={"zone": "lost"}, on_crash="fail")
    with workshop.worker("--run-once") as worker:
        assert worker.end(120).status == 0
    message = workshop.run(refused).state.message or ""
    assert "The job variables do not fit work pool 'pool': 'zone': its type must be 'string'" in message
    assert "exit code 3" in (workshop.run(lost).state.message or "")
