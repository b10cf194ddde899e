"""`dalsegno run` on real scripts, in this process and in others."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.scripts import NIGHTLY, Folder, wait_for_run, wait_for_task

from dalsegno.cli.following import has_ended


def test_a_flow_of_a_file_runs_and_is_recorded(folder: Folder, dalsegno: Dalsegno) -> None:
    done = folder.run("run", "nightly.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "loaded 12 of 2026-01-31\n"
    assert "✓ Completed  nightly  " in done.stderr
    assert ": 5 Completed" in done.stderr
    (row,) = dalsegno("flow-run", "ls", "-o", "json").json
    assert row["state"]["type"] == "COMPLETED"
    assert row["entry"]["entrypoint"] == f"{folder.path / 'nightly.py'}:nightly"


def test_a_failed_flow_says_why_and_how_to_go_on(folder: Folder, dalsegno: Dalsegno) -> None:
    folder.write("broken", "")
    done = folder.run("run", "nightly.py:nightly")
    assert done.returncode == 1
    id = dalsegno("flow-run", "inspect", "last", "-o", "json").json["id"]
    assert done.stderr.endswith(
        "\nFlow run encountered an exception: ValueError: broken is there\n"
        f"Retry it from where it broke:\n  dalsegno flow-run retry {id}\n"
    )
    assert "4 Completed, 1 Failed" in done.stderr


def test_parameters_arrive_as_the_flow_wants_them(folder: Folder, dalsegno: Dalsegno) -> None:
    done = folder.run("run", "nightly.py", "-p", "day=20260201", "--params", '{"factor": 2, "day": "no"}')
    assert done.stdout == "loaded 24 of 20260201\n"
    found = dalsegno("flow-run", "inspect", "last", "-o", "json").json
    assert found["parameters"] == {"day": "20260201", "factor": 2}


def test_a_module_is_run_by_its_name(folder: Folder) -> None:
    (folder.path / "shop").mkdir()
    folder.write("shop/__init__.py", "")
    folder.write("shop/pipelines.py", NIGHTLY)
    for target in ("shop.pipelines", "shop.pipelines:nightly"):
        done = folder.run("run", target, "-p", "factor=3")
        assert (done.returncode, done.stdout) == (0, "loaded 36 of 2026-01-31\n"), done.stderr


KINDS = """
from dalsegno import flow, task


@task
async def double(x):
    return 2 * x


@flow
async def asynchronous(x: int = 1):
    print("async", await double(x))


@flow
def generator(x: int = 1):
    for number in range(x):
        print("yield", number)
        yield number


@flow
async def async_generator(x: int = 1):
    for number in range(x):
        print("async yield", number)
        yield number


@flow
def positional(x, /, *rest, y=0, **others):
    print(x, rest, y, others)


@flow
def broken_generator():
    yield 1
    raise ValueError("no more")
"""


@pytest.mark.parametrize(
    ("flow", "arguments", "code", "output"),
    [
        ("asynchronous", ["-p", "x=2"], 0, "async 4\n"),
        ("generator", ["-p", "x=2"], 0, "yield 0\nyield 1\n"),
        ("async_generator", ["-p", "x=2"], 0, "async yield 0\nasync yield 1\n"),
        ("positional", ["-p", "x=1", "-p", "y=2", "-p", "z=3"], 0, "1 () 2 {'z': 3}\n"),
        ("positional", ["-p", "x=1", "-p", "rest=[5, 6]"], 0, "1 (5, 6) 0 {}\n"),
        ("broken_generator", [], 1, ""),
    ],
)
def test_flows_of_every_kind_run(
    folder: Folder, dalsegno: Dalsegno, flow: str, arguments: list[str], code: int, output: str
) -> None:
    folder.write("kinds.py", KINDS)
    done = dalsegno("run", f"kinds.py:{flow}", *arguments)
    assert (done.code, done.output) == (code, output), done.errors
    assert dalsegno("flow-run", "ls", "-o", "json").json[0]["state"]["type"] == ["COMPLETED", "FAILED"][code]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere.py"], 5, "There is no file 'nowhere.py'"),
        (["no.such.module"], 5, "There is no module 'no.such.module'"),
        (["nightly.py:hourly"], 5, "There is no 'hourly' in the file 'nightly.py'. Its flows: 'nightly'"),
        (["kinds.py"], 5, "There are 5 flows in file 'kinds.py': 'async-generator', "),
        (["empty.py"], 5, "There is no flow in file 'empty.py'"),
        (["nightly.py", "-p", "dya=1"], 2, "Flow 'nightly' has no parameter 'dya'; it has: day, factor."),
        (["nightly.py", "-p", "factor=many"], 2, "factor: Input should be a valid integer"),
        (["nightly.py", "-p", "factor"], 2, "write -p NAME=VALUE"),
        (["nightly.py", "--params", "{"], 2, "--params holds no JSON"),
        (["nightly.py", "--params", "@nowhere.json"], 5, "cannot be read from 'nowhere.json'"),
        (["kinds.py:positional"], 2, "Flow 'positional' needs x: give each with -p NAME=VALUE"),
    ],
)
def test_what_cannot_run_is_one_line_and_no_run(
    folder: Folder, dalsegno: Dalsegno, arguments: list[str], code: int, words: str
) -> None:
    folder.write("kinds.py", KINDS)
    folder.write("empty.py", "x = 1\n")
    done = dalsegno("run", *arguments)
    assert done.code == code
    assert words in done.errors
    assert done.errors.startswith("Error: ")
    assert len(done.errors.splitlines()) == 1
    assert dalsegno("flow-run", "ls", "-o", "json").json == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("def f():\n    return 1 / 0\n\nf()\n", "ZeroDivisionError: division by zero"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "SystemExit"),
    ],
)
def test_an_error_in_the_script_is_shown_without_our_frames(
    folder: Folder, dalsegno: Dalsegno, text: str, words: str
) -> None:
    path = folder.write("faulty.py", text)
    done = dalsegno("run", "faulty.py")
    assert done.code == 1
    traceback, error = done.errors.rsplit("Error: Loading ", 1)
    assert f'File "{path}", line ' in traceback
    assert words in traceback
    assert "dalsegno" not in traceback
    assert "importlib" not in traceback
    assert str(path) in error


def test_an_interrupt_cancels_the_run_with_its_hooks(folder: Folder, dalsegno: Dalsegno) -> None:
    with folder.start("run", "waiting.py") as started:
        wait_for_task("wait")
        started.interrupt()
        code, _, errors = started.end()
    assert code == 130
    assert "Cancelling; press Ctrl-C again" in errors
    assert "Traceback" not in errors
    found = dalsegno("flow-run", "inspect", "last", "-o", "json").json
    assert found["state"]["type"] == "CANCELLED"
    assert (folder.path / "hook").read_text() == "Cancelled"


def test_a_second_interrupt_breaks_the_run_off(folder: Folder, dalsegno: Dalsegno) -> None:
    with folder.start("run", "waiting.py") as started:
        wait_for_task("wait")
        started.interrupt()
        assert started.process.stderr is not None
        while "Cancelling" not in started.process.stderr.readline():
            assert started.process.poll() is None
        started.interrupt()
        code, _, _ = started.end()
    assert code == 130
    found = dalsegno("flow-run", "inspect", "last", "-o", "json").json
    assert found["state"]["type"] in ("CRASHED", "CANCELLED")


def test_cancelling_from_elsewhere_ends_the_run(folder: Folder, dalsegno: Dalsegno) -> None:
    with folder.start("run", "waiting.py") as started:
        run = wait_for_task("wait")
        assert dalsegno("flow-run", "cancel", run.name).code == 0
        assert dalsegno("flow-run", "watch", run.name).code == 4
        code, _, _ = started.end()
    assert code == 4
    assert (folder.path / "hook").read_text() == "Cancelled"


def test_watching_ends_with_the_run_and_as_it_ends(folder: Folder, dalsegno: Dalsegno) -> None:
    with folder.start("run", "waiting.py") as started:
        wait_for_task("wait")
        with folder.start("flow-run", "watch", "last") as watching:
            assert watching.process.stdout is not None
            while "Running" not in watching.process.stdout.readline():
                assert watching.process.poll() is None
            folder.write("go_on", "")
            code, output, _ = watching.end()
        assert started.end()[0] == 0
    assert code == 0
    assert "✓ Completed" in output


def test_a_killed_run_is_crashed_for_the_next_command_and_is_picked_up(folder: Folder, dalsegno: Dalsegno) -> None:
    with folder.start("run", "waiting.py") as started:
        wait_for_task("wait")
        started.kill()
    (row,) = dalsegno("flow-run", "ls", "-o", "json").json
    assert row["state"]["type"] == "CRASHED"
    assert dalsegno("flow-run", "watch", "last").code == 3
    folder.write("go_on", "")
    done = folder.run("flow-run", "retry", "last")
    assert done.returncode == 0, done.stderr
    assert folder.ran("first") == 1


def test_a_run_that_goes_on_is_not_retried(folder: Folder, dalsegno: Dalsegno) -> None:
    with folder.start("run", "waiting.py") as started:
        run = wait_for_task("wait")
        done = dalsegno("flow-run", "retry", run.name)
        assert done.code == 2
        assert done.errors.startswith("Error: ")
        assert len(done.errors.splitlines()) == 1
        folder.write("go_on", "")
        assert started.end()[0] == 0
    assert wait_for_run(has_ended).attempt == 1
