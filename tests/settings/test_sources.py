"""Where settings come from, and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from dalsegno.exceptions import ProfileError, SettingError
from dalsegno.results.server_files import own_storage
from dalsegno.settings import (
    Profile,
    get_current_settings,
    refresh_settings,
    setting_sources,
    temporary_settings,
    unknown_settings,
    use_profile,
)

LEVEL = "DALSEGNO_LOGGING_LEVEL"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    refresh_settings()
    return place


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    refresh_settings()


def write_every_source(directory: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / "profiles.toml", f'[profiles.default]\n{LEVEL} = "1"\n')
    write(directory / "pyproject.toml", '[tool.dalsegno.logging]\nlevel = "2"\n')
    write(directory / "dalsegno.toml", '[logging]\nlevel = "3"\n')
    write(directory / ".env", f'OTHER=1\nexport {LEVEL}="4"  # four\n')
    monkeypatch.setenv(LEVEL, "5")


def test_each_source_wins_over_those_below_it(
    directory: Path, dalsegno_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_every_source(directory, dalsegno_home, monkeypatch)
    seen = [(get_current_settings().logging.level, setting_sources()[LEVEL])]
    monkeypatch.delenv(LEVEL)
    for name in (".env", "dalsegno.toml", "pyproject.toml"):
        seen.append((refresh_settings().logging.level, setting_sources()[LEVEL]))
        (directory / name).unlink()
    seen.append((refresh_settings().logging.level, setting_sources()[LEVEL]))
    (dalsegno_home / "profiles.toml").unlink()
    seen.append((refresh_settings().logging.level, setting_sources()[LEVEL]))
    assert seen == [
        ("5", "the environment"),
        ("4", str(directory / ".env")),
        ("3", str(directory / "dalsegno.toml")),
        ("2", str(directory / "pyproject.toml")),
        ("1", f"profile 'default' in {dalsegno_home / 'profiles.toml'}"),
        ("INFO", "default"),
    ]


def test_a_changed_variable_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = get_current_settings()
    assert get_current_settings() is before
    monkeypatch.setenv(LEVEL, "ERROR")
    assert get_current_settings().logging.level == "ERROR"
    monkeypatch.delenv(LEVEL)
    assert get_current_settings() == before


def test_paths_are_absolute_and_follow_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    monkeypatch.setenv("DALSEGNO_HOME", "here")
    monkeypatch.setenv("DALSEGNO_DATABASE_URL", "sqlite:///${DALSEGNO_HOME}/other.db")
    settings = get_current_settings()
    assert settings.home == directory / "here"
    assert settings.profiles_path == directory / "here" / "profiles.toml"
    assert settings.results.storage is None
    assert own_storage() == str(directory / "here" / "results")
    assert settings.database.url == f"sqlite:///{directory}/here/other.db"


def test_a_home_under_the_users_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DALSEGNO_HOME", "~/ours")
    monkeypatch.setenv("DALSEGNO_RESULTS_STORAGE", "~/kept")
    assert get_current_settings().home == tmp_path / "ours"
    assert get_current_settings().results.storage == str(tmp_path / "kept")


def test_unknown_variables_are_let_be_and_can_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_LOGGIN_LEVEL", "DEBUG")
    monkeypatch.setenv("DALSEGNO__RUNTIME__FLOW_RUN__NAME", "x")
    assert get_current_settings().logging.level == "INFO"
    assert unknown_settings() == {"DALSEGNO_LOGGIN_LEVEL": "the environment"}


def test_a_wrong_value_names_the_file_that_it_stands_in(directory: Path) -> None:
    with pytest.raises(SettingError, match=r"DALSEGNO_JOURNAL_MAX_BATCH is -5 \(from .*dalsegno.toml\)"):
        write(directory / "dalsegno.toml", "[journal]\nmax_batch = -5\n")


def test_a_wrong_value_that_a_better_source_overrides_does_no_harm(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DALSEGNO_JOURNAL_MAX_BATCH", "7")
    write(directory / "dalsegno.toml", "[journal]\nmax_batch = -5\n")
    assert get_current_settings().journal.max_batch == 7


@pytest.mark.parametrize("text", ["[logging\n", "a = 'caf\\u00e9\n"])
def test_a_broken_file_is_named(directory: Path, text: str) -> None:
    with pytest.raises(SettingError, match=r"dalsegno\.toml is no valid TOML"):
        write(directory / "dalsegno.toml", text)


@pytest.mark.parametrize(
    "text",
    [
        '[tool]\ndalsegno = {logging = {level = "2"}}',
        'tool.dalsegno.logging.level = "2"',
        '[ tool . "dalsegno" ]\nlogging.level = "2"',
    ],
)
def test_every_way_to_write_our_part_of_pyproject_is_seen(directory: Path, text: str) -> None:
    write(directory / "pyproject.toml", text)
    assert get_current_settings().logging.level == "2"


def test_a_pyproject_without_us_is_not_even_parsed(directory: Path) -> None:
    write(directory / "pyproject.toml", 'dependencies = ["dalsegno" but no toml\n')
    assert get_current_settings().logging.level == "INFO"


def test_a_file_that_cannot_be_read_is_named(directory: Path) -> None:
    (directory / "dalsegno.toml").symlink_to("dalsegno.toml")
    with pytest.raises(SettingError, match=r"cannot be read from .*dalsegno\.toml"):
        refresh_settings()


def test_the_variable_of_the_profile_chooses_it(dalsegno_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        dalsegno_home / "profiles.toml",
        f'active = "quiet"\n[profiles.quiet]\n{LEVEL} = "ERROR"\n[profiles.loud]\nlogging_level = "DEBUG"\n',
    )
    assert get_current_settings().logging.level == "ERROR"
    monkeypatch.setenv("DALSEGNO_PROFILE", "loud")
    assert get_current_settings().logging.level == "DEBUG"
    monkeypatch.setenv("DALSEGNO_PROFILE", "missing")
    with pytest.raises(ProfileError, match=r"no profile 'missing'\. There is: default, loud, quiet"):
        get_current_settings()


def test_a_profile_counts_for_a_block_of_code(dalsegno_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(dalsegno_home / "profiles.toml", f'[profiles.loud]\n{LEVEL} = "DEBUG"\n')
    with use_profile("loud") as settings:
        assert settings.logging.level == "DEBUG"
        assert settings.profile == "loud"
    assert get_current_settings().logging.level == "INFO"
    monkeypatch.setenv(LEVEL, "WARNING")
    profile = Profile("mine", {LEVEL: "DEBUG"})
    with use_profile(profile) as settings:
        assert settings.logging.level == "WARNING"
    with use_profile(profile, override_environment_variables=True) as settings:
        assert settings.logging.level == "DEBUG"


def test_a_profile_keeps_what_was_changed_around_it_unless_told_not_to() -> None:
    with temporary_settings({"DALSEGNO_TASKS_DEFAULT_RETRIES": 4}):
        with use_profile(Profile("mine")) as settings:
            assert settings.tasks.default_retries == 4
        with use_profile(Profile("mine"), include_current_context=False) as settings:
            assert settings.tasks.default_retries == 0
