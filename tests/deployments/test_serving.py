"""`serve`: one program that ticks schedules, executes runs, sees edited code, and ends in order."""

from __future__ import annotations

import asyncio
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
from tests.deployments.conftest import Write, served

from dalsegno import aserve, serve
from dalsegno._backend.embedded import StoreBackend
from dalsegno.deployments import Runner, run_deployment
from dalsegno.exceptions import ConfigurationError, EntrypointError
from dalsegno.flows import Flow
from dalsegno.model.deployments import DeploymentChange
from dalsegno.model.views import Page, RunFilter

PATIENCE = 60.0

PROGRAM = """
    import os, time
    from dalsegno import flow, runtime

    @flow
    def etl(day: str = "x"):
        with open("ran", "a") as file:
            file.write(f"{day} {os.getppid()} {runtime.deployment.name} {runtime.deployment.version}\\n")
        deadline = time.monotonic() + 60
        while os.path.exists("hold") and time.monotonic() < deadline:
            time.sleep(0.02)

    if __name__ == "__main__":
        etl.serve("eu", interval=1, version="3")
"""


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def program(folder: Path, dalsegno_home: Path) -> Any:
    (folder / "etl.py").write_text(textwrap.dedent(PROGRAM))
    started = subprocess.Popen(
        [sys.executable, "etl.py"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ)
    )
    yield started
    if started.poll() is None:
        started.kill()
    started.communicate()


def test_a_script_serves_itself_with_no_server(program: Any, folder: Path, store: StoreBackend) -> None:
    until(lambda: len(lines(folder / "ran")) >= 2)
    program.send_signal(signal.SIGTERM)
    said, _ = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, said
    assert "etl/eu: Every second, UTC" in said
    assert "run_deployment('etl/eu')" in said
    day, parent, name, version = lines(folder / "ran")[0].split()
    assert (day, name, version) == ("x", "eu", "3")
    assert int(parent) != program.pid  # of a template's: each run has a process of its own
    runs = store.list_flow_runs(RunFilter(), Page(limit=100))
    assert {run.state.name for run in runs if run.run_count} == {"Completed"}
    found = store.find_deployment("etl", "eu")
    assert found is not None
    assert found.spec.paused
    assert "paused until it is served again" in said


def test_it_ends_only_after_what_it_has_begun(program: Any, folder: Path, store: StoreBackend) -> None:
    (folder / "hold").touch()
    until(lambda: lines(folder / "ran"))
    program.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(1.0)
    (folder / "hold").unlink()
    assert program.wait(PATIENCE) == 0
    runs = store.list_flow_runs(RunFilter(), Page(limit=100))
    begun = [run for run in runs if run.run_count]
    assert {run.state.name for run in begun} == {"Completed"}


ETL = """
    from dalsegno import flow

    @flow
    def etl():
        open("ran", "a").write("{word}\\n")
"""


def test_edited_code_is_seen_by_the_next_run(write: Write, folder: Path) -> None:
    etl = write(ETL.format(word="old"))
    with served(etl.to_deployment("eu")):
        run_deployment("etl/eu")
        (folder / "etl.py").write_text(textwrap.dedent(ETL.format(word="edited")))
        run_deployment("etl/eu")
    assert lines(folder / "ran") == ["old", "edited"]


@pytest.fixture
def etl(write: Write) -> Flow[..., Any]:
    return write(ETL.format(word="ran"))


def test_what_was_paused_at_the_end_is_resumed_at_the_next_start(etl: Flow[..., Any], store: StoreBackend) -> None:
    deployment = etl.to_deployment("eu", cron="0 0 * * *")

    def paused() -> tuple[bool, int]:
        found = store.find_deployment("etl", "eu")
        assert found is not None
        return found.spec.paused, found.version_number

    with served(deployment):
        assert paused() == (False, 1)
    assert paused() == (True, 1)
    with served(deployment):
        assert paused() == (False, 1)  # and pausing makes no version


def test_what_an_operator_paused_stays_paused(etl: Flow[..., Any], store: StoreBackend) -> None:
    deployment = etl.to_deployment("eu", cron="0 0 * * *")
    with served(deployment):
        found = store.find_deployment("etl", "eu")
        assert found is not None
        store.update_deployment(found.id, DeploymentChange(paused=True))
    with served(deployment):
        found = store.find_deployment("etl", "eu")
        assert found is not None
        assert found.spec.paused


def test_a_limit_holds(write: Write, folder: Path, store: StoreBackend) -> None:
    etl = write(
        """
        import os, time
        from dalsegno import flow

        @flow
        def etl():
            with open("order", "a") as file:
                file.write("in\\n")
            time.sleep(0.2)
            with open("order", "a") as file:
                file.write("out\\n")
        """
    )
    etl.to_deployment("eu").apply()
    for _ in range(3):
        run_deployment("etl/eu", timeout=0)
    with served(etl.to_deployment("eu"), limit=1):
        until(lambda: len(lines(folder / "order")) == 6)
    assert lines(folder / "order") == ["in", "out"] * 3


def test_the_deployment_is_ready_while_it_is_served(etl: Flow[..., Any], store: StoreBackend) -> None:
    def status() -> str:
        found = store.find_deployment("etl", "eu")
        return "" if found is None else found.status

    with served(etl.to_deployment("eu")):
        until(lambda: status() == "READY")
    assert status() == "NOT_READY"


def test_code_that_cannot_be_imported_is_told_at_the_deployment(
    etl: Flow[..., Any], folder: Path, store: StoreBackend
) -> None:
    def problem() -> str | None:
        found = store.find_deployment("etl", "eu")
        assert found is not None
        return found.problem

    with served(etl.to_deployment("eu", on_crash="fail")):
        (folder / "etl.py").write_text("import nothing_of_this_name\n")
        run = run_deployment("etl/eu")
        assert run.state.name == "Crashed"
        told = problem()
        assert told is not None
        assert "nothing_of_this_name" in told
        assert "etl.py" in told
        assert "line 1" in told
        (folder / "etl.py").write_text(textwrap.dedent(ETL.format(word="mended")))
        assert run_deployment("etl/eu").state.name == "Completed"
        assert problem() is None


def test_what_cannot_be_served_is_refused(etl: Flow[..., Any]) -> None:
    with pytest.raises(TypeError, match="no deployment; flow.to_deployment"):
        serve(etl)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="nothing to serve"):
        Runner().start()
    with pytest.raises(ConfigurationError, match="limit is 0"):
        Runner(limit=0)
    with pytest.raises(EntrypointError):
        Flow(lambda: None, name="no name").serve()


def test_serve_in_a_coroutine_says_what_to_await(etl: Flow[..., Any]) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="await aserve"):
            serve(etl.to_deployment("eu"))

    asyncio.run(main())


def test_aserve_ends_when_it_is_cancelled(etl: Flow[..., Any], store: StoreBackend) -> None:
    async def main() -> None:
        serving = asyncio.create_task(aserve(etl.to_deployment("eu")))
        run = await run_deployment_once_it_is_there()
        assert run.state.name == "Completed"
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    async def run_deployment_once_it_is_there() -> Any:
        await asyncio.to_thread(until, lambda: store.find_deployment("etl", "eu"))
        return await run_deployment("etl/eu")

    asyncio.run(main())
