"""Lines B171 to B180: deployments, served and asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.code.test_repositories import Origin
from tests.deployments.conftest import served, write_flow

from dalsegno import flow, retry_flow_run
from dalsegno._backend.connect import connect
from dalsegno.deployments import GitRepository, run_deployment
from dalsegno.deployments.project.deploying import read_project
from dalsegno.exceptions import ConfigurationError, InvalidParameters, ParameterTypeError, ProjectFileError
from dalsegno.flows import Flow
from dalsegno.model.deployments import DeploymentChange, DeploymentView, NewSchedule
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.views import Page, RunFilter

PATIENCE = 60.0

ETL = """
    import os, time
    from dalsegno import flow

    @flow
    def etl(day: str = "x", n: int = 1):
        with open("ran", "a") as file:
            file.write(f"{day} {os.getpid()}\\n")
        deadline = time.monotonic() + 60
        while os.path.exists("hold") and time.monotonic() < deadline:
            time.sleep(0.02)
        if os.path.exists("broken"):
            raise ValueError("no orders")

    if __name__ == "__main__":
        etl.serve("eu", interval=1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "flows"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def etl(folder: Path) -> Flow[..., Any]:
    return write_flow(folder, ETL)


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found


def ran(folder: Path) -> list[str]:
    path = folder / "ran"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def deployed() -> DeploymentView:
    found = connect().find_deployment("etl", "eu")
    assert found is not None
    return found


@pytest.mark.behaviour(171)
def test_serving_needs_no_server(etl: Flow[..., Any], folder: Path) -> None:
    with subprocess.Popen([sys.executable, "etl.py"], env=dict(os.environ)) as program:
        until(lambda: len(ran(folder)) >= 2)
        (folder / "hold").touch()
        before = len(ran(folder))
        until(lambda: len(ran(folder)) > before)
        program.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(1.0)
        (folder / "hold").unlink()
        assert program.wait(PATIENCE) == 0
    runs = connect().list_flow_runs(RunFilter(), Page(limit=100))
    assert {run.state.name for run in runs if run.run_count} == {"Completed"}
    assert len({line.split()[1] for line in (folder / "ran").read_text().splitlines()}) == len(ran(folder))
    assert deployed().spec.paused


@pytest.mark.behaviour(171)
def test_what_an_operator_paused_stays_paused(etl: Flow[..., Any]) -> None:
    deployment = etl.to_deployment("eu", cron="0 0 * * *")
    with served(deployment):
        assert not deployed().spec.paused
    assert deployed().spec.paused
    with served(deployment):
        assert not deployed().spec.paused
        connect().update_deployment(deployed().id, DeploymentChange(paused=True))
    with served(deployment):
        assert deployed().spec.paused


@pytest.mark.behaviour(172)
def test_a_run_is_asked_for_and_waited_for(etl: Flow[..., Any], folder: Path) -> None:
    deployment = etl.to_deployment("eu")
    deployment.apply()
    assert run_deployment("etl/eu", timeout=0).state.name == "Scheduled"
    assert run_deployment("etl/eu", timeout=0.1).state.name == "Scheduled"
    with served(deployment):
        assert run_deployment("etl/eu").state.name == "Completed"
        (folder / "broken").touch()
        assert run_deployment("etl/eu").state.name == "Failed"


@pytest.mark.behaviour(173)
def test_one_that_failed_is_asked_for_anew(etl: Flow[..., Any], folder: Path) -> None:
    (folder / "broken").touch()

    @flow(retries=1)
    def parent() -> str:
        names = [run_deployment("etl/eu", parameters={"day": "good"}).state.name]
        if names == ["Failed"]:
            (folder / "broken").unlink()
            raise RuntimeError("again")
        return names[0]

    with served(etl.to_deployment("eu")):
        assert parent() == "Completed"
    assert len(ran(folder)) == 2


PARENT = """
    from dalsegno import flow
    from dalsegno.deployments import run_deployment

    @flow
    def parent():
        return run_deployment("etl/eu", parameters={"day": "once"}).state.name

    if __name__ == "__main__":
        parent()
"""


@pytest.mark.behaviour(173)
def test_a_flow_that_is_killed_while_it_waits_finds_its_run_again(etl: Flow[..., Any], folder: Path) -> None:
    (folder / "parent.py").write_text(textwrap.dedent(PARENT))
    (folder / "hold").touch()
    with served(etl.to_deployment("eu")):
        with subprocess.Popen([sys.executable, "parent.py"], env=dict(os.environ)) as program:
            until(lambda: ran(folder))
            program.kill()
        connect().find_crashed()
        runs = connect().list_flow_runs(RunFilter(), Page(limit=10))
        (crashed,) = [run for run in runs if run.flow_name == "parent"]
        assert crashed.state.name == "Crashed"
        (folder / "hold").unlink()
        assert retry_flow_run(crashed.id) == "Completed"
    assert ran(folder) == ["once"]


@pytest.mark.behaviour(174)
def test_parameters_that_do_not_fit_are_refused(etl: Flow[..., Any]) -> None:
    with pytest.raises(ParameterTypeError, match="n: Input should be a valid integer"):
        etl.to_deployment("eu", parameters={"n": "many"})
    etl.to_deployment("eu").apply()
    with pytest.raises(InvalidParameters, match="n: 'many' is not of type 'integer'"):
        run_deployment("etl/eu", parameters={"n": "many"}, timeout=0)


WORD = """
    from dalsegno import flow

    @flow
    def etl():
        open("ran", "a").write("{word}\\n")
"""


@pytest.mark.behaviour(175)
def test_edited_code_is_seen_by_the_next_run(folder: Path) -> None:
    etl = write_flow(folder, WORD.format(word="old"))
    with served(etl.to_deployment("eu")):
        run_deployment("etl/eu")
        (folder / "etl.py").write_text(textwrap.dedent(WORD.format(word="edited")))
        run_deployment("etl/eu")
    assert ran(folder) == ["old", "edited"]


@pytest.mark.behaviour(176)
def test_deployed_again_it_is_what_the_code_says_but_for_what_was_changed_by_hand(etl: Flow[..., Any]) -> None:
    etl.to_deployment("eu", cron=["0 1 * * *", "0 2 * * *"], tags=["a"], priority=1).apply()
    by_hand = DeploymentChange(tags=["by hand"], priority=9, paused=True)
    connect().update_deployment(deployed().id, by_hand)
    connect().create_schedule(NewSchedule(deployment_id=deployed().id, spec=ScheduleSpec(interval=5)))
    etl.to_deployment("eu", cron="0 2 * * *", tags=["a"], priority=2).apply()
    spec = deployed().spec
    assert (spec.tags, spec.priority, spec.paused) == (["by hand"], 2, True)
    assert {each.spec.cron or each.spec.interval for each in deployed().schedules} == {"0 2 * * *", 5.0}


@pytest.mark.behaviour(177)
def test_a_run_has_the_branch_as_it_is_when_it_starts(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = textwrap.dedent(WORD.replace("()", "(out: str)").replace('"ran"', "out"))
    origin = Origin(tmp_path / "origin")
    origin.commit(etl_py=source.format(word="first"))
    etl: Flow[..., Any] = flow.from_source(GitRepository(origin.url, branch="main"), "etl.py:etl")
    with served(etl.to_deployment("eu", parameters={"out": str(out)})):
        run_deployment("etl/eu")
        origin.commit(etl_py=source.format(word="second"))
        run_deployment("etl/eu")
        run_deployment("etl/eu")
    assert out.read_text().split() == ["first", "second", "second"]
    (repository,) = (tmp_path / "home" / "code").iterdir()
    assert len(list(repository.iterdir())) == 2


@pytest.mark.behaviour(178)
def test_a_secret_is_a_reference() -> None:
    with pytest.raises(ConfigurationError, match="would be stored where others can read them"):
        GitRepository("https://example.org/f.git", credentials={"access_token": "abc"}).source("etl.py:etl")
    reference = GitRepository("https://example.org/f.git", credentials={"access_token": "{{ $TOKEN }}"})
    assert "{{ $TOKEN }}" in str(reference.source("etl.py:etl").pull_steps)


@pytest.mark.behaviour(179)
def test_code_that_cannot_be_loaded_is_told(etl: Flow[..., Any], folder: Path) -> None:
    with served(etl.to_deployment("eu", on_crash="fail")):
        (folder / "etl.py").write_text("import nothing_of_this_name\n")
        run = run_deployment("etl/eu")
        assert run.state.name == "Crashed"
        assert "nothing_of_this_name" in (run.state.message or "")
        assert "nothing_of_this_name" in (deployed().problem or "")
        (folder / "etl.py").write_text(textwrap.dedent(ETL))
        assert run_deployment("etl/eu").state.name == "Completed"
        assert deployed().problem is None


@pytest.mark.behaviour(180)
def test_what_is_wrong_in_a_file_has_its_place(folder: Path) -> None:
    path = folder / "dalsegno.yaml"
    path.write_text("deployments:\n  - name: a\n    entrypont: etl.py:etl\n")
    with pytest.raises(ProjectFileError, match="line 3, column 5: a deployment has no 'entrypont'. Did you mean"):
        read_project(path)
