"""How commands are found and called, and what they say when something is wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Dalsegno
from tests.cli.recorded import Recorder

from dalsegno.cli import COMMANDS
from dalsegno.cli.exit_codes import EXPLAINED, ExitCode

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "dalsegno.cli"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_command_and_every_exit_code(dalsegno: Dalsegno, arguments: list[str]) -> None:
    done = dalsegno(*arguments)
    assert done.code == 0
    for word, (_, summary) in COMMANDS.items():
        assert f"  {word} " in done.output
        assert summary in done.output
    for code, text in EXPLAINED.items():
        assert f"{code.value:>5}  {text}" in done.output


def test_every_exit_code_is_explained() -> None:
    assert EXPLAINED.keys() == set(ExitCode)


@pytest.mark.parametrize("word", [word for word in COMMANDS if word != "version"])
def test_every_command_has_help_with_the_exit_codes(dalsegno: Dalsegno, word: str) -> None:
    # These do something without a word more.
    does_something = word in ("deploy", "init")
    for arguments in ([word, "--help"],) if does_something else ([word], [word, "--help"]):
        done = dalsegno(*arguments)
        assert done.code == 0
        assert f"Usage: dalsegno {word}" in done.output
        assert "130  interrupted by Ctrl-C" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["flow-runs"], "There is no command 'flow-runs'; did you mean `dalsegno flow-run`?"),
        (["zzz"], "There is no command 'zzz'; `dalsegno --help` lists them."),
        (["flow-run", "lss"], 'Unknown command "lss".'),
        (["flow-run", "ls", "--nope"], "Unknown option: --nope."),
        (["flow-run", "ls", "--limit", "x"], "See `dalsegno flow-run ls --help`."),
        (["flow-run", "ls", "--limit", "0"], "--limit must be at least 1"),
        (["flow-run", "ls", "--since", "soon"], "'soon' is no time"),
        (["flow-run", "ls", "--output", "xml"], "See `dalsegno flow-run ls --help`."),
        (["flow-run", "inspect"], "See `dalsegno flow-run inspect --help`."),
        (["flow-run", "inspect", "a", "b"], "See `dalsegno flow-run inspect --help`."),
        (["version", "now"], "Unknown argument 'now'"),
    ],
)
def test_bad_usage_is_one_line_that_says_what_to_do(dalsegno: Dalsegno, arguments: list[str], words: str) -> None:
    done = dalsegno(*arguments)
    assert done.code == 2
    assert done.output == ""
    assert done.errors.startswith("Error: ")
    assert words in done.errors
    assert len(done.errors.splitlines()) == 1


def test_a_traceback_is_there_when_asked_for(dalsegno: Dalsegno) -> None:
    assert "Traceback" not in dalsegno("flow-run", "inspect", "last").errors
    for arguments in (["--traceback"], ["-o", "json", "--traceback"]):
        done = dalsegno("flow-run", "inspect", "last", *arguments)
        assert done.code == 5
        assert done.errors.startswith("Traceback (most recent call last):\n")


def test_a_database_that_is_none_is_a_backend_error(dalsegno: Dalsegno, dalsegno_home: Path) -> None:
    dalsegno_home.mkdir()
    (dalsegno_home / "dalsegno.db").write_bytes(b"this is no database" * 1000)
    done = dalsegno("flow-run", "ls")
    assert done.code == 6
    assert str(dalsegno_home / "dalsegno.db") in done.errors
    assert len(done.errors.splitlines()) == 1


def test_a_database_url_that_is_none_is_bad_usage(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", "mysql://somewhere")
    done = dalsegno("flow-run", "ls")
    assert done.code == 2
    assert "DALSEGNO_DATABASE_URL" in done.errors


def test_a_bad_setting_is_bad_usage(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_DATABASE_BUSY_TIMEOUT", "long")
    done = dalsegno("flow-run", "ls")
    assert done.code == 2
    assert "DALSEGNO_DATABASE_BUSY_TIMEOUT is 'long'" in done.errors


def test_a_fault_of_ours_shows_its_traceback(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("dalsegno.cli.flow.open_backend", broken)
    done = dalsegno("flow", "ls")
    assert done.errors.startswith("Traceback")
    assert done.errors.endswith("Error: a fault\n")
    assert done.code != 0


def test_a_reader_that_goes_away_is_no_error(recorder: Recorder) -> None:
    for _ in range(300):
        recorder.flow_run("x" * 200)
    listing = subprocess.Popen(
        [*PROGRAM, "flow-run", "ls", "--all", "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    assert listing.stdout.readline() == "[\n"
    listing.stdout.close()
    assert listing.stderr.read() == ""
    assert listing.wait() == 0
    listing.stderr.close()


def test_what_a_stream_cannot_encode_is_written_with_escapes(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.flow_run("früh")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = subprocess.run([*PROGRAM, "flow-run", "ls"], capture_output=True, text=True, check=True)
    assert "fr\\xfch" in done.stdout
    assert "+ Completed" in done.stdout


def modules_loaded_by(*arguments: str) -> set[str]:
    """Run a command in a fresh interpreter and give the names of all modules that it has then."""
    program = (
        "import sys\nfrom dalsegno.cli import main\n"
        f"main({list(arguments)!r})\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_version_loads_next_to_nothing() -> None:
    loaded = modules_loaded_by("version")
    assert "dalsegno.cli.version" in loaded
    assert loaded.isdisjoint({"cyclopts", "rich", "msgspec", "sqlite3", "asyncio", "json", "dalsegno.settings"})


def test_a_list_loads_neither_the_engine_nor_what_draws() -> None:
    loaded = modules_loaded_by("flow-run", "ls")
    assert "dalsegno._store" in loaded
    assert loaded.isdisjoint({"rich", "sqlalchemy", "pydantic", "asyncio", "fsspec", "cloudpickle"})
    assert [name for name in loaded if name.startswith("dalsegno._engine")] == []


def test_the_version_is_told(dalsegno: Dalsegno) -> None:
    done = dalsegno("version")
    assert done.code == 0
    assert done.output.startswith("dalsegno 0.")
    found = dalsegno("version", "--output", "json").json
    assert found["version"] in done.output
    assert found["sqlite"] == sqlite3.sqlite_version
    assert dalsegno("--version").output == done.output
    assert dalsegno("version", "--help").output.startswith("Usage: dalsegno version")


def test_flows_are_listed_with_their_last_run(dalsegno: Dalsegno, recorder: Recorder) -> None:
    assert dalsegno("flow", "ls").output.startswith("No flows yet")
    recorder.flow_run(flow="hourly")
    recorder.flow_run(flow="nightly")
    recorder.flow_run(flow="nightly")
    rows = {row["name"]: row for row in dalsegno("flow", "ls", "-o", "json").json}
    assert rows["nightly"]["run_count"] == 2
    assert rows["nightly"]["last_state"] == "Completed"
    assert rows["nightly"]["last_run"].endswith("Z")
    assert "What hourly does." in dalsegno("flow", "ls").output
    assert "In full." not in dalsegno("flow", "ls").output
