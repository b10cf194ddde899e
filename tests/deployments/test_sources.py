"""Flows from elsewhere: loaded for whoever deploys, fetched again for each run by whoever executes it."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
from tests.code.test_repositories import Origin
from tests.deployments.conftest import Write, served

from dalsegno import flow
from dalsegno._backend.embedded import StoreBackend
from dalsegno.deployments import GitRepository, LocalStorage, RemoteStorage, deploy, run_deployment
from dalsegno.deployments.runner_deployment import RunnerDeployment
from dalsegno.exceptions import CodeUnavailable, ConfigurationError, EntrypointError, ObjectNotFound
from dalsegno.flows import Flow
from dalsegno.model.pools import NewPool
from dalsegno.workers import ProcessWorker

ETL = """
    from dalsegno import flow

    @flow
    def etl(out: str):
        with open(out, "a") as file:
            file.write("{word}\\n")
"""


def source(word: str) -> str:
    return textwrap.dedent(ETL.format(word=word))


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    made = Origin(tmp_path / "origin")
    made.commit(flows__etl_py=source("first"))
    return made


def test_each_run_has_the_code_of_the_branch_as_it_is_then(origin: Origin, tmp_path: Path) -> None:
    out = tmp_path / "out"
    etl: Flow[..., Any] = flow.from_source(GitRepository(origin.url, branch="main"), "flows/etl.py:etl")
    with served(etl.to_deployment("eu", parameters={"out": str(out)})):
        assert run_deployment("etl/eu").state.name == "Completed"
        origin.commit(flows__etl_py=source("second"))
        assert run_deployment("etl/eu").state.name == "Completed"
    assert out.read_text().split() == ["first", "second"]


def test_a_repository_that_is_gone_is_told_at_the_run_and_at_the_deployment(
    origin: Origin, tmp_path: Path, store: StoreBackend
) -> None:
    etl: Flow[..., Any] = flow.from_source(GitRepository(origin.url), "flows/etl.py:etl")
    with served(etl.to_deployment("eu", parameters={"out": "x"}, on_crash="fail")):
        origin.path.rename(tmp_path / "moved")
        run = run_deployment("etl/eu")
        assert run.state.name == "Crashed"
        assert f"The repository {origin.url} cannot be had" in (run.state.message or "")
        found = store.find_deployment("etl", "eu")
        assert found is not None
        assert f"The repository {origin.url} cannot be had" in (found.problem or "")


def test_code_behind_a_url_and_in_a_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "etl.py").write_text(source("x"))
    local: Flow[..., Any] = flow.from_source(folder, "etl.py:etl")
    spec = local.to_deployment("eu").spec
    assert (spec.source.path, spec.source.entrypoint, spec.source.pull_steps) == (str(folder), "etl.py:etl", [])
    memory: Any = fsspec.filesystem("memory")
    memory.pipe("/acme2/etl.py", source("y").encode())
    remote = RunnerDeployment.from_storage(RemoteStorage("memory://acme2"), "etl.py:etl", "eu").spec.source
    assert remote.pull_steps == [{"dalsegno.deployments.steps.pull_from_remote_storage": {"url": "memory://acme2"}}]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("https://github.com/acme/flows", GitRepository),
        ("git@example.org:acme/flows.git", GitRepository),
        ("s3://acme/flows", RemoteStorage),
        ("/srv/flows", LocalStorage),
    ],
)
def test_a_text_names_a_storage(given: str, kind: type) -> None:
    from dalsegno._code.storage import storage_of

    assert isinstance(storage_of(given), kind)


def test_what_is_not_there_is_said(origin: Origin) -> None:
    with pytest.raises(EntrypointError, match="no 'nothing' in the file"):
        flow.from_source(GitRepository(origin.url), "flows/etl.py:nothing")
    with pytest.raises(CodeUnavailable, match="file:///nowhere.git cannot be had"):
        flow.from_source(GitRepository("file:///nowhere.git"), "etl.py:etl")
    with pytest.raises(ConfigurationError, match="There is no folder '/nowhere/at/all'"):
        flow.from_source("/nowhere/at/all", "etl.py:etl")


# --- for the workers of a pool


@contextmanager
def worker(pool: str) -> Iterator[None]:
    made = ProcessWorker(pool)
    thread = threading.Thread(target=made.start)
    thread.start()
    try:
        yield
    finally:
        made.stop()
        thread.join(60)
        assert not thread.is_alive()


def test_what_was_deployed_is_executed_by_a_worker(
    write: Write, store: StoreBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    store.create_pool(NewPool(name="machines"))
    etl = write(source("done"))
    etl.deploy("eu", "machines", parameters={"out": "out"}, job_variables={"env": {"WORD": "x"}})
    assert "Deployed 'etl/eu' to work pool 'machines'." in capsys.readouterr().out
    there = Path.cwd()
    monkeypatch.chdir(tmp_path)  # where the worker stands does not matter
    with worker("machines"):
        assert run_deployment("etl/eu", timeout=60).state.name == "Completed"
    assert (there / "out").read_text().split() == ["done"]


def test_where_to_deploy_has_to_be_known(write: Write, store: StoreBackend) -> None:
    etl = write(source("x")).to_deployment("eu", parameters={"out": "x"})
    with pytest.raises(ObjectNotFound, match=r"no work pool 'nowhere' \(there are: none\)"):
        deploy(etl, work_pool_name="nowhere")
    store.create_pool(NewPool(name="machines"))
    deploy(etl, print_next_steps_message=False)
    found = store.find_deployment("etl", "eu")
    assert found is not None
    assert found.spec.work_pool_name == "machines"  # the only one
    store.create_pool(NewPool(name="cloud", type="docker"))
    with pytest.raises(ConfigurationError, match="There are: 'cloud', 'machines'"):
        deploy(etl)
    with pytest.raises(ConfigurationError, match="where the workers of pool 'cloud' .* do not see it"):
        deploy(etl, work_pool_name="cloud")
