"""What the tests of deployments share: files with flows, and somebody who executes their runs."""

from __future__ import annotations

import functools
import textwrap
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dalsegno._backend.connect import connect
from dalsegno._backend.embedded import StoreBackend
from dalsegno.deployments import Runner, RunnerDeployment
from dalsegno.flows import Flow, load_flow_from_entrypoint

Write = Callable[..., Flow[..., Any]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder of the user's, which is empty."""
    path = tmp_path / "flows"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def write_flow(folder: Path, source: str, name: str = "etl.py", flow: str = "etl") -> Flow[..., Any]:
    """Write a file with a flow, and give the flow."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return load_flow_from_entrypoint(f"{path}:{flow}")


@pytest.fixture
def write(folder: Path) -> Write:
    """Give a function that writes a file into the folder, and gives the flow in it."""
    return functools.partial(write_flow, folder)


@pytest.fixture
def store() -> StoreBackend:
    """Give the database in which all is recorded."""
    backend = connect()
    assert isinstance(backend, StoreBackend)
    return backend


@contextmanager
def served(*deployments: RunnerDeployment, **options: Any) -> Generator[Runner]:
    """Execute the runs of deployments while the block runs."""
    runner = Runner(**options)
    for each in deployments:
        runner.add_deployment(each)
    thread = threading.Thread(target=runner.start)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join(60)
        assert not thread.is_alive(), "the runner did not end"
