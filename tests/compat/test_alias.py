"""With the alias, code that imports Prefect gets this package; what is not there says so."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cloudpickle
import pytest

import dalsegno
from dalsegno.compat import install_prefect_alias, remove_prefect_alias
from dalsegno.compat.counterparts import MOVED
from dalsegno.exceptions import ConfigurationError


@pytest.fixture
def alias() -> Iterator[None]:
    install_prefect_alias()
    yield
    remove_prefect_alias()


def run(statements: str) -> dict[str, Any]:
    """Run statements and give the names that they bind."""
    names: dict[str, Any] = {}
    exec(statements, names)
    return names


NAMES = [
    ("from prefect import flow as it", "flows.flow"),
    ("from prefect import task as it", "tasks.task"),
    ("from prefect import unmapped as it", "unmapped"),
    ("from prefect import State as it", "states.State"),
    ("from prefect.cache_policies import INPUTS as it", "cache_policies.INPUTS"),
    ("from prefect.task_runners import ThreadPoolTaskRunner as it", "task_runners.ThreadPoolTaskRunner"),
    ("from prefect.futures import PrefectFuture as it", "futures.Future"),
    ("from prefect.futures import PrefectFutureList as it", "futures.FutureList"),
    ("from prefect.futures import PrefectFlowRunFuture as it", "futures.FlowRunFuture"),
    ("from prefect.futures import wait as it", "futures.wait"),
    ("from prefect.logging import disable_run_logger as it", "logging.disable_run_logger"),
    ("from prefect.logging.loggers import get_run_logger as it", "logging.get_run_logger"),
    ("from prefect.testing.utilities import prefect_test_harness as it", "testing.utilities.dalsegno_test_harness"),
    ("from prefect.exceptions import PrefectException as it", "exceptions.DalsegnoException"),
    ("from prefect.exceptions import MissingResult as it", "exceptions.MissingResult"),
    ("from prefect.utilities.annotations import quote as it", "quote"),
    ("from prefect.client.schemas.objects import StateType as it", "states.StateType"),
    ("from prefect.locking.filesystem import FileSystemLockManager as it", "locking.filesystem.FileSystemLockManager"),
    ("from prefect import __version__ as it", "__version__"),
    ("import prefect; it = prefect.futures.PrefectFuture", "futures.Future"),
    ("import prefect.task_runners; it = prefect.task_runners.TaskRunner", "task_runners.TaskRunner"),
    ("import prefect.futures as futures; it = futures.PrefectFuture", "futures.Future"),
    ("from prefect import futures; it = futures.as_completed", "futures.as_completed"),
    ("from prefect.cache_policies import *; it = DEFAULT", "cache_policies.DEFAULT"),
    ("from prefect.futures import *; it = PrefectFuture", "futures.Future"),
]


@pytest.mark.usefixtures("alias")
@pytest.mark.parametrize(("statements", "ours"), NAMES)
def test_a_name_of_prefect_is_the_very_object_of_ours(statements: str, ours: str) -> None:
    home, _, name = f"dalsegno.{ours}".rpartition(".")
    assert run(statements)["it"] is getattr(importlib.import_module(home), name)


@pytest.mark.usefixtures("alias")
@pytest.mark.parametrize(
    ("statement", "asked", "ours"),
    [
        ("from prefect import automations", "prefect.automations", "dalsegno.automations"),
        ("from prefect import flow, automations", "prefect.automations", "dalsegno.automations"),
        ("import prefect.blocks", "prefect.blocks", "dalsegno.blocks"),
        ("import prefect.blocks.core", "prefect.blocks", "dalsegno.blocks"),
        (
            "from prefect.futures import PrefectOtherFuture",
            "prefect.futures.PrefectOtherFuture",
            "dalsegno.futures.DalsegnoOtherFuture",
        ),
        (
            "from prefect.client.schemas.objects import FlowRun",
            "prefect.client.schemas.objects.FlowRun",
            "dalsegno.client.schemas.objects.FlowRun",
        ),
        ("from prefect._engine import calls", "prefect._engine", "dalsegno._engine"),
        ("from prefect.flows import __future__", "prefect.flows.__future__", "dalsegno.flows.__future__"),
        ("from prefect.flows import annotations", "prefect.flows.annotations", "dalsegno.flows.annotations"),
    ],
)
def test_a_name_that_is_not_there_yet_is_an_import_error_that_says_so(statement: str, asked: str, ours: str) -> None:
    with pytest.raises(ImportError) as caught:
        run(statement)
    assert f"({dalsegno.__version__}) has no counterpart of {asked}; it would be {ours}." in str(caught.value)


@pytest.mark.usefixtures("alias")
def test_asking_whether_a_name_is_there_is_no_error() -> None:
    prefect = importlib.import_module("prefect")
    assert not hasattr(prefect, "automations")
    assert not hasattr(prefect.futures, "PrefectOtherFuture")
    with pytest.raises(AttributeError, match="no counterpart of prefect.blocks"):
        _ = prefect.blocks


@pytest.mark.usefixtures("alias")
def test_every_name_that_a_module_lists_can_be_had() -> None:
    prefect = importlib.import_module("prefect")
    futures = importlib.import_module("prefect.futures")
    assert {"PrefectFuture", "PrefectFutureList", "wait"} < set(dir(futures))
    for module in (prefect, futures, importlib.import_module("prefect.exceptions")):
        assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.usefixtures("alias", "dalsegno_test_harness")
def test_an_unmodified_flow_runs_and_its_states_and_futures_are_ours() -> None:
    names = run(
        "from prefect import flow, task, runtime\n"
        "from prefect.futures import PrefectFuture\n"
        "from prefect.states import Completed\n"
        "import prefect\n"
        "@task\n"
        "def double(x): return 2 * x\n"
        "@flow(name='old')\n"
        "def old():\n"
        "    future = double.submit(21)\n"
        "    assert isinstance(future, PrefectFuture)\n"
        "    return future.result(), runtime.flow_run.flow_name, prefect.runtime.flow_run.flow_name\n"
    )
    state = names["old"](return_state=True)
    assert isinstance(state, dalsegno.State)
    assert state.result() == (42, "old", "old")
    assert isinstance(names["old"], dalsegno.Flow)


@pytest.mark.usefixtures("alias")
def test_what_a_test_patches_under_one_name_holds_under_the_other_and_is_undone() -> None:
    variables = importlib.import_module("dalsegno.variables")
    before = variables.Variable
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefect.variables.Variable", "outer")
        assert variables.Variable == "outer"
        with mock.patch("prefect.variables.Variable", "inner"):
            assert variables.Variable == "inner"
        assert variables.Variable == "outer"
        patch.setattr("prefect.variables.NEW", "new", raising=False)
        assert variables.NEW == "new"
    assert variables.Variable is before
    assert not hasattr(variables, "NEW")


@pytest.mark.usefixtures("alias")
def test_our_own_modules_stay_as_they_are() -> None:
    importlib.import_module("prefect.futures")
    assert importlib.import_module("prefect").futures.__name__ == "prefect.futures"
    assert dalsegno.futures.__name__ == "dalsegno.futures"
    assert dalsegno.futures.__spec__ is not None
    assert dalsegno.futures.__spec__.name == "dalsegno.futures"
    assert not hasattr(dalsegno.futures, "PrefectFuture")


def test_when_it_is_removed_the_name_is_gone_and_ours_stays(alias: None) -> None:
    flow = run("from prefect import flow")["flow"]
    install_prefect_alias()
    remove_prefect_alias()
    assert [name for name in sys.modules if name.partition(".")[0] == "prefect"] == []
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("prefect")
    remove_prefect_alias()
    assert flow is dalsegno.flow
    install_prefect_alias()
    assert run("from prefect import flow")["flow"] is flow


def test_it_is_refused_when_the_real_package_was_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prefect.py").write_text("is_real = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    real = importlib.import_module("prefect")
    try:
        with pytest.raises(ConfigurationError, match=r"prefect was already imported .*prefect\.py.*first"):
            install_prefect_alias()
        remove_prefect_alias()
        assert sys.modules["prefect"] is real
    finally:
        del sys.modules["prefect"]


def test_it_goes_before_a_real_package_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "__init__.py").write_text("")
    (tmp_path / "prefect" / "agent.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    install_prefect_alias()
    try:
        assert run("from prefect import flow")["flow"] is dalsegno.flow
        with pytest.raises(ImportError, match="no counterpart"):
            importlib.import_module("prefect.agent")
    finally:
        remove_prefect_alias()


@pytest.mark.usefixtures("alias")
def test_a_module_that_was_pickled_comes_back_where_no_alias_is_installed() -> None:
    sent = cloudpickle.dumps(
        run("import prefect.runtime\ndef flow_name(): return prefect.runtime.flow_run.name")["flow_name"]
    )
    program = f"import pickle\nprint(pickle.loads({sent!r})())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
    assert pickle.loads(pickle.dumps(importlib.import_module("prefect.runtime"))).__name__ == "prefect.runtime"


SCRIPT = """
from dalsegno.compat import install_prefect_alias
install_prefect_alias()
import old

if __name__ == "__main__":
    print(old.main())
"""
OLD = """
import prefect
from prefect import flow, task
from prefect.task_runners import ProcessPoolTaskRunner

@task
def where():
    return prefect.runtime.task_run.task_name

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def main():
    return where.submit().result()
"""


def test_tasks_in_other_processes_find_it_too(tmp_path: Path) -> None:
    (tmp_path / "start.py").write_text(SCRIPT)
    (tmp_path / "old.py").write_text(OLD)
    environment = {**os.environ, "DALSEGNO_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "start.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "where\n", done.stderr


def test_importing_it_loads_nothing_heavy() -> None:
    program = (
        "import dalsegno.compat, sys\nprint(sorted({'sqlalchemy', 'pydantic', 'rich', 'cyclopts'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_moved_name_is_there_under_its_old_path() -> None:
    assert [old for old, new in MOVED.items() if old == new] == []


@pytest.mark.usefixtures("alias")
@pytest.mark.parametrize(
    "statement",
    [
        "from prefect import serve, deploy, aserve",
        "from prefect.deployments import run_deployment, RunnerDeployment",
        "from prefect.deployments.runner import RunnerDeployment, EntrypointType",
        "from prefect.deployments.steps import git_clone, run_shell_script",
        "from prefect.runner import Runner",
        "from prefect.runner.storage import GitRepository, RemoteStorage, LocalStorage",
        "from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy",
        "from prefect.schedules import Cron, Interval, RRule",
    ],
)
def test_what_is_about_deployments_is_found_where_it_was(statement: str) -> None:
    run(statement)
