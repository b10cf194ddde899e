"""The file of profiles: reading, changing and writing it."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from dalsegno.exceptions import ProfileError, SettingError
from dalsegno.settings import (
    Profile,
    get_current_settings,
    load_current_profile,
    load_profiles,
    refresh_settings,
    save_profiles,
)

LEVEL = "DALSEGNO_LOGGING_LEVEL"


def test_without_a_file_there_is_one_empty_default_profile() -> None:
    profiles = load_profiles()
    assert list(profiles) == ["default"]
    assert load_current_profile().settings == {}


def test_what_is_saved_is_what_is_loaded(dalsegno_home: Path) -> None:
    odd = Profile('with "quotes" and.dots', {LEVEL: 'back\\slash\nnew line "quoted" é'})
    typed = Profile("typed", {"DALSEGNO_JOURNAL_MAX_BATCH": 7, "DALSEGNO_LOGGING_EXTRA_LOGGERS": ["a", "b"]})
    save_profiles(load_profiles().with_profile(odd).with_profile(typed).with_active("typed"))
    loaded = load_profiles()
    assert loaded.active.settings == typed.settings
    assert loaded[odd.name].settings == odd.settings
    path = dalsegno_home / "profiles.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tomllib.loads(path.read_text(encoding="utf-8"))["active"] == "typed"
    assert [entry.name for entry in dalsegno_home.iterdir()] == ["profiles.toml"]


def test_a_setting_that_is_written_to_the_active_profile_is_in_force() -> None:
    profiles = load_profiles()
    save_profiles(profiles.with_profile(profiles.active.with_settings({"logging.level": "ERROR"})))
    assert refresh_settings().logging.level == "ERROR"
    profiles = load_profiles()
    save_profiles(profiles.with_profile(profiles.active.with_settings({LEVEL: None})))
    assert refresh_settings().logging.level == "INFO"


def test_a_profile_takes_no_wrong_names_or_values() -> None:
    with pytest.raises(SettingError, match="Did you mean"):
        Profile("p").with_settings({"DALSEGNO_LOGGING_LEVL": "INFO"})
    with pytest.raises(SettingError, match="must be a level"):
        Profile("p").with_settings({LEVEL: "loud"})


def test_missing_profiles_are_named_and_the_active_one_stays() -> None:
    profiles = load_profiles().with_profile(Profile("mine"))
    with pytest.raises(ProfileError, match=r"no profile 'yours'\. There is: default, mine"):
        profiles.with_active("yours")
    with pytest.raises(ProfileError, match="active"):
        profiles.without("default")
    assert "mine" not in profiles.without("mine")


def test_a_file_whose_active_profile_is_missing_is_an_error(dalsegno_home: Path) -> None:
    dalsegno_home.mkdir()
    (dalsegno_home / "profiles.toml").write_text('active = "gone"\n[profiles.mine]\n', encoding="utf-8")
    refresh = pytest.raises(ProfileError, match="no profile 'gone'")
    with refresh:
        refresh_settings()


def test_a_profile_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text("profiles = 3\n", encoding="utf-8")
    with pytest.raises(SettingError, match="must be a table"):
        load_profiles(path)
    path.write_text("[profiles]\nmine = 3\n", encoding="utf-8")
    with pytest.raises(SettingError, match="Profile 'mine'"):
        load_profiles(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ProfileError, match=r"cannot be written to .*DALSEGNO_PROFILES_PATH"):
        save_profiles(load_profiles(), tmp_path / "file" / "profiles.toml")
    assert get_current_settings().profiles_path.name == "profiles.toml"
