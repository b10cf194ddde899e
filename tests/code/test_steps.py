"""Steps: each works where the one before it ended, and says which it was when it fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dalsegno._code.performing import perform
from dalsegno._code.preparing import prepare_code
from dalsegno.deployments import RemoteStorage, steps
from dalsegno.exceptions import CodeUnavailable, StepError, TemplateError
from dalsegno.model.deployments import ClaimedDeployment, CodeSource

HERE = "dalsegno.deployments.steps."


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {HERE + "run_shell_script": {"script": script, "stream_output": False, **more}}


def test_steps_go_on_where_the_one_before_ended(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    go = HERE + "set_working_directory"
    before = Path.cwd()
    done = perform([{go: {"directory": "a"}}, {go: {"directory": "b"}}, shell("pwd", id="where")], tmp_path, os.environ)
    assert done.folder == tmp_path / "a" / "b"
    assert done.outputs["where"]["stdout"] == str(done.folder)
    assert Path.cwd() == before


def test_outputs_and_the_environment_are_filled_in(tmp_path: Path) -> None:
    given = [shell("echo one", id="first"), shell("echo {{ first.stdout }} {{ $WORD }}", id="second")]
    assert perform(given, tmp_path, {**os.environ, "WORD": "two"}).outputs["second"]["stdout"] == "one two"


def test_a_script_by_lines_or_by_a_shell(tmp_path: Path) -> None:
    lines = perform([shell("echo $A\n# nothing\necho 'b c'", env={"A": "x"})], tmp_path, os.environ)
    assert lines.last["stdout"] == "$A\nb c"
    expanded = perform([shell("echo $A", env={"A": "x"}, expand_env_vars=True)], tmp_path, os.environ)
    assert expanded.last["stdout"] == "x"
    by_shell = perform([shell("A=y; echo $A | tr y z", shell=True)], tmp_path, os.environ)
    assert by_shell.last["stdout"] == "z"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (shell("false", id="mine"), StepError, "Step 'mine' failed. false ended with status 1"),
        (shell("no-such-program"), StepError, "no-such-program cannot be run in .*No such file"),
        ({HERE + "set_working_directory": {"directory": "gone"}}, StepError, "There is no folder"),
        ({HERE + "pip_install_requirements": {}}, StepError, "There is no file .*requirements.txt"),
        ({"some_package.step": {}}, StepError, "There is no step 'some_package.step'"),
        ({"git_clon": {"repository": "x"}}, StepError, "Did you mean 'git_clone'"),
        ({"git_clone": {}}, StepError, "needs its argument 'repository'"),
        ({"git_clone": {"repository": "x", "brnch": "y"}}, StepError, "no argument 'brnch'"),
        ("git_clone and more", StepError, "There is no step"),
        (["git_clone"], StepError, "is no step"),
        (shell("echo {{ nothing.stdout }}"), TemplateError, "no step before it has this output"),
        (shell("echo {{ $NOT_SET_AT_ALL }}"), TemplateError, "the environment has no NOT_SET_AT_ALL"),
        (shell("echo {{ dalsegno.variables.none_such }}"), TemplateError, "there is no variable 'none_such'"),
    ],
)
def test_what_fails_is_named(tmp_path: Path, given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        perform([given], tmp_path, os.environ, own_only=True)


def test_a_function_of_ones_own_is_a_step_where_that_is_allowed(tmp_path: Path) -> None:
    done = perform([{"os.path.basename": {"id": "x", "p": "/a/b"}}], tmp_path, os.environ)
    assert done.last == {}  # what is not outputs by name is none


def test_a_url_is_copied_and_copied_anew_when_it_changed(tmp_path: Path) -> None:
    import fsspec

    memory: Any = fsspec.filesystem("memory")
    memory.pipe("/acme/flows/etl.py", b"old")
    memory.pipe("/acme/flows/deep/helper.py", b"help")
    storage = RemoteStorage("memory://acme/flows")
    folder = storage.pull()
    assert (folder / "etl.py").read_text() == "old"
    assert (folder / "deep" / "helper.py").read_text() == "help"
    assert storage.pull() == folder
    memory.pipe("/acme/flows/etl.py", b"newer")
    assert (storage.pull() / "etl.py").read_text() == "newer"
    assert (folder / "etl.py").read_text() == "old"
    memory.rm("/acme", recursive=True)
    with pytest.raises(CodeUnavailable, match="memory://acme/flows"):
        storage.pull()


def test_a_driver_that_is_missing_is_said() -> None:
    with pytest.raises(CodeUnavailable, match="nosuch://x/y cannot be had"):
        RemoteStorage("nosuch://x/y").pull()


def test_code_is_prepared_for_a_worker(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    source = CodeSource(
        entrypoint="etl.py:etl", path=str(tmp_path), pull_steps=[{"set_working_directory": {"directory": "src"}}]
    )
    deployment = ClaimedDeployment(
        id=bytes(16), name="eu", flow_name="etl", version=None, version_number=1, source=source, job_variables={}
    )
    prepared = prepare_code(deployment, os.environ, Path("/"))
    assert (prepared.folder, prepared.entrypoint) == (str(tmp_path / "src"), "etl.py:etl")


def test_steps_can_be_called_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert steps.run_shell_script("pwd", stream_output=False)["stdout"] == str(tmp_path)
