"""Prints, variables and artifacts."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from dalsegno import flow, task
from dalsegno.artifacts import MarkdownArtifact, create_markdown_artifact
from dalsegno.runtime import flow_run
from dalsegno.settings import temporary_settings
from dalsegno.variables import Variable


def levels_of(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [record.levelname for record in caplog.records if record.getMessage() == text]


@pytest.mark.behaviour(100)
def test_prints_go_to_the_log_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")

    @task
    def as_the_flow() -> None:
        print("of the task")

    @task(log_prints=False)
    def never() -> None:
        print("never logged")

    @flow(log_prints=True)
    def orders() -> None:
        print("of the flow")
        as_the_flow()
        never()

    print("before")
    orders()
    print("after")
    assert levels_of(caplog, "of the flow") == levels_of(caplog, "of the task") == ["INFO"]
    assert [line for line in capsys.readouterr().out.splitlines() if line] == ["before", "never logged", "after"]


@pytest.mark.behaviour(100)
def test_the_setting_decides_where_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with temporary_settings({"DALSEGNO_LOGGING_LOG_PRINTS": True}):
        flow(lambda: print("as the setting says"))()
    flow(lambda: print("not any more"))()
    assert levels_of(caplog, "as the setting says") == ["INFO"]
    assert levels_of(caplog, "not any more") == []


@pytest.mark.behaviour(101)
def test_a_variable_is_set_once_unless_it_may_be_overwritten() -> None:
    Variable.set("countries", ["no", "dk"])
    with pytest.raises(ValueError, match="overwrite"):
        Variable.set("countries", [])
    Variable.set("countries", {"all": None}, overwrite=True)
    assert Variable.get("countries") == {"all": None}


@pytest.mark.behaviour(101)
def test_a_missing_variable_gives_the_default() -> None:
    assert Variable.get("missing") is None
    assert Variable.get("missing", 3) == 3
    assert not Variable.unset("missing")
    Variable.set("there", 1)
    assert Variable.unset("there")


@pytest.mark.behaviour(101)
@pytest.mark.parametrize("name", ["With-Capitals", "a space", "dot.ted", ""])
def test_names_of_variables_are_simple(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Variable.set(name, 1)


@pytest.mark.behaviour(101)
def test_values_of_variables_are_short_json() -> None:
    Variable.set("long", "x" * 4998)
    with pytest.raises(ValueError, match="5000"):
        Variable.set("longer", "x" * 5000)
    with pytest.raises(TypeError, match="JSON"):
        Variable.set("odd", object())


@pytest.mark.behaviour(101, 115)
def test_in_a_coroutine_variables_are_awaited() -> None:
    @flow
    async def orders() -> Any:
        await Variable.set("day", "monday")
        return await Variable.get("day"), await Variable.aget("day")

    assert asyncio.run(orders()) == ("monday", "monday")
    assert Variable.get("day") == "monday"


@pytest.mark.behaviour(102)
@pytest.mark.parametrize("key", ["With-Capitals", "under_score", "a space"])
def test_keys_of_artifacts_are_simple(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        create_markdown_artifact("text", key=key)


@pytest.mark.behaviour(102)
def test_an_artifact_has_an_id_and_belongs_to_its_run() -> None:
    @flow
    def orders() -> Any:
        return create_markdown_artifact("# Orders", key="orders"), create_markdown_artifact("own"), flow_run.id

    keyed, keyless, id_ = orders()
    assert isinstance(keyed, uuid.UUID)
    assert isinstance(keyless, uuid.UUID)
    found = MarkdownArtifact.get("orders")
    assert found is not None
    assert (found.id, str(found.flow_run_id)) == (keyed, id_)
