"""`dalsegno config` and `dalsegno profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Dalsegno


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder without settings."""
    monkeypatch.chdir(tmp_path)


def value_of(dalsegno: Dalsegno, name: str) -> tuple[Any, str]:
    rows = dalsegno("config", "view", "--all", "-o", "json").json
    return next((row["value"], row["source"]) for row in rows if row["name"] == name)


def test_what_is_set_is_in_force_and_its_source_is_told(dalsegno: Dalsegno, dalsegno_home: Path) -> None:
    assert value_of(dalsegno, "DALSEGNO_LOGGING_LEVEL") == ("INFO", "default")
    done = dalsegno("config", "set", "logging.level=DEBUG", "DALSEGNO_RESULTS_INLINE_LIMIT=1KiB")
    assert done.code == 0
    assert "DALSEGNO_LOGGING_LEVEL is 'DEBUG' in profile 'default'." in done.output
    value, source = value_of(dalsegno, "DALSEGNO_LOGGING_LEVEL")
    assert value == "DEBUG"
    assert source == f"profile 'default' in {dalsegno_home / 'profiles.toml'}"
    assert value_of(dalsegno, "DALSEGNO_RESULTS_INLINE_LIMIT")[0] == 1024
    assert dalsegno("config", "unset", "logging_level").code == 0
    assert value_of(dalsegno, "DALSEGNO_LOGGING_LEVEL") == ("INFO", "default")


def test_view_shows_what_is_not_default_and_where_it_comes_from(dalsegno: Dalsegno, dalsegno_home: Path) -> None:
    page = dalsegno("config", "view", "--show-sources").output
    assert f"DALSEGNO_HOME  {dalsegno_home}  the environment" in page
    assert "DALSEGNO_LOGGING_LEVEL" not in page
    assert "DALSEGNO_LOGGING_LEVEL" in dalsegno("config", "view", "--all").output


def test_passwords_are_not_shown(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_API_URL", "https://me:secret@host/api")
    for arguments in (["config", "view"], ["config", "view", "-o", "json"]):
        output = dalsegno(*arguments).output
        assert "secret" not in output
        assert "me:***@host" in output


def test_what_the_environment_overrules_is_said(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_LOGGING_LEVEL", "ERROR")
    done = dalsegno("config", "set", "logging.level=DEBUG")
    assert "It has no effect here: DALSEGNO_LOGGING_LEVEL is set by the environment" in done.output


def test_a_name_that_is_no_setting_is_pointed_out(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_LOGING_LEVEL", "ERROR")
    assert "DALSEGNO_LOGING_LEVEL (from the environment) is no setting" in dalsegno("config", "view").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "logging.level=LOUD"], "must be a level"),
        (["set", "loging.level=DEBUG"], "Did you mean DALSEGNO_LOGGING_LEVEL"),
        (["set", "logging.level"], "write NAME=VALUE"),
        (["set"], "Which setting?"),
        (["set", "home=/tmp"], "set it in the environment"),
        (["unset", "logging.level"], "is not set in profile 'default'"),
        (["unset", "nope"], "There is no setting 'nope'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    dalsegno: Dalsegno, dalsegno_home: Path, arguments: list[str], words: str
) -> None:
    done = dalsegno("config", *arguments)
    assert done.code == 2
    assert words in done.errors
    assert len(done.errors.splitlines()) == 1
    assert not (dalsegno_home / "profiles.toml").exists()


def test_profiles_are_made_used_and_deleted(dalsegno: Dalsegno) -> None:
    dalsegno("config", "set", "logging.level=DEBUG")
    assert dalsegno("profile", "create", "quiet").code == 0
    assert dalsegno("profile", "create", "copy", "--from", "default").code == 0
    assert dalsegno("profile", "use", "quiet").code == 0
    dalsegno("config", "set", "logging.level=ERROR")
    assert value_of(dalsegno, "DALSEGNO_LOGGING_LEVEL")[0] == "ERROR"
    rows = dalsegno("profile", "ls", "-o", "json").json
    assert [(row["name"], row["active"], row["settings"]) for row in rows] == [
        ("copy", False, {"DALSEGNO_LOGGING_LEVEL": "DEBUG"}),
        ("default", False, {"DALSEGNO_LOGGING_LEVEL": "DEBUG"}),
        ("quiet", True, {"DALSEGNO_LOGGING_LEVEL": "ERROR"}),
    ]
    assert "*  quiet" in dalsegno("profile", "ls").output
    assert dalsegno("profile", "delete", "copy").code == 0
    assert dalsegno("profile", "delete", "quiet").code == 2
    assert [row["name"] for row in dalsegno("profile", "ls", "-o", "json").json] == ["default", "quiet"]


def test_inspect_shows_the_profile_in_use_or_another(dalsegno: Dalsegno) -> None:
    assert "sets nothing" in dalsegno("profile", "inspect").output
    dalsegno("profile", "create", "loud")
    dalsegno("profile", "use", "loud")
    dalsegno("config", "set", "logging.level=DEBUG")
    assert dalsegno("profile", "inspect").output.splitlines()[1].split() == [
        "DALSEGNO_LOGGING_LEVEL",
        "DEBUG",
    ]
    assert dalsegno("profile", "inspect", "default", "-o", "json").json == {
        "name": "default",
        "active": False,
        "settings": {},
    }


@pytest.mark.parametrize("command", ["use", "delete", "inspect"])
def test_a_profile_that_is_not_there_is_not_found(dalsegno: Dalsegno, command: str) -> None:
    done = dalsegno("profile", command, "nope")
    assert (done.code, done.errors) == (5, "Error: There is no profile 'nope'. There is: default.\n")


def test_a_profile_is_not_made_twice(dalsegno: Dalsegno) -> None:
    dalsegno("profile", "create", "one")
    assert dalsegno("profile", "create", "one").code == 2
    assert dalsegno("profile", "create", "two", "--from", "nope").code == 5


def test_a_profile_that_the_environment_overrules_is_said(dalsegno: Dalsegno, monkeypatch: pytest.MonkeyPatch) -> None:
    dalsegno("profile", "create", "one")
    monkeypatch.setenv("DALSEGNO_PROFILE", "default")
    done = dalsegno("profile", "use", "one")
    assert "DALSEGNO_PROFILE asks for 'default'" in done.output


def test_keys_are_never_shown(dalsegno: Dalsegno, dalsegno_home: Path) -> None:
    key = "q" * 43
    done = dalsegno("config", "set", f"DALSEGNO_RESULTS_ENCRYPTION_KEY={key}")
    assert "DALSEGNO_RESULTS_ENCRYPTION_KEY is '***'" in done.output
    pages = [done.output]
    for command in (["config", "view"], ["config", "view", "--all"], ["profile", "inspect"], ["profile", "ls"]):
        pages += [dalsegno(*command).output, dalsegno(*command, "-o", "json").output]
    pages.append(dalsegno("config", "set", f"results.encryption_key={key}!").errors)
    assert not [page for page in pages if key in page]
    assert value_of(dalsegno, "DALSEGNO_RESULTS_ENCRYPTION_KEY")[0] == "***"
    assert (dalsegno_home / "profiles.toml").stat().st_mode & 0o077 == 0
