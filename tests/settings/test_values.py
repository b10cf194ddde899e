"""What each kind of setting can be, and what is said of a value that it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dalsegno.exceptions import SettingError
from dalsegno.settings import all_settings, find_setting, shown, temporary_settings


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("DALSEGNO_LOGGING_LOG_PRINTS", "yes", True),
        ("DALSEGNO_LOGGING_LOG_PRINTS", "0", False),
        ("DALSEGNO_LOGGING_LOG_PRINTS", True, True),
        ("DALSEGNO_LOGGING_LEVEL", "debug", "DEBUG"),
        ("DALSEGNO_LOGGING_LEVEL", "15", "15"),
        ("DALSEGNO_LOGGING_EXTRA_LOGGERS", "dbt, sqlalchemy", ("dbt", "sqlalchemy")),
        ("DALSEGNO_LOGGING_EXTRA_LOGGERS", '["dbt"]', ("dbt",)),
        ("DALSEGNO_LOGGING_EXTRA_LOGGERS", ["dbt", "duckdb"], ("dbt", "duckdb")),
        ("DALSEGNO_LOGGING_EXTRA_LOGGERS", "", ()),
        ("DALSEGNO_RESULTS_INLINE_LIMIT", "64 KiB", 65_536),
        ("DALSEGNO_RESULTS_INLINE_LIMIT", "1MB", 1_000_000),
        ("DALSEGNO_RESULTS_INLINE_LIMIT", "100 bytes", 100),
        ("DALSEGNO_RESULTS_INLINE_LIMIT", 5, 5),
        ("DALSEGNO_RETENTION_RUNS", "30 days", 2_592_000.0),
        ("DALSEGNO_RETENTION_RUNS", "2h", 7200.0),
        ("DALSEGNO_RETENTION_RUNS", "none", None),
        ("DALSEGNO_JOURNAL_FLUSH_INTERVAL", "50ms", 0.05),
        ("DALSEGNO_JOURNAL_FLUSH_INTERVAL", "0.5", 0.5),
        ("DALSEGNO_TASKS_DEFAULT_RETRIES", "3", 3),
        ("DALSEGNO_TASKS_DEFAULT_RETRY_DELAY_SECONDS", "1, 10, 60", (1.0, 10.0, 60.0)),
        ("DALSEGNO_TASKS_DEFAULT_RETRY_DELAY_SECONDS", "2.5", 2.5),
        ("DALSEGNO_TASKS_DEFAULT_RETRY_DELAY_SECONDS", [1, 2], (1.0, 2.0)),
        ("DALSEGNO_TASKS_DEFAULT_PERSIST_RESULT", "", None),
        ("DALSEGNO_RESULTS_STORAGE", "s3://bucket/results", "s3://bucket/results"),
    ],
)
def test_a_value_is_read_as_its_setting_wants_it(name: str, raw: Any, value: Any) -> None:
    with temporary_settings({name: raw}) as settings:
        read = find_setting(name).value_in(settings)
        assert read == value
        assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "raw", "allowed"),
    [
        ("DALSEGNO_LOGGING_LOG_PRINTS", "perhaps", "true or false"),
        ("DALSEGNO_LOGGING_LEVEL", "loud", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("DALSEGNO_JOURNAL_MAX_BATCH", "0", "1 or more"),
        ("DALSEGNO_JOURNAL_MAX_BATCH", "many", "a whole number"),
        ("DALSEGNO_JOURNAL_MAX_BATCH", True, "a whole number"),
        ("DALSEGNO_JOURNAL_MAX_BATCH", 2.5, "a whole number"),
        ("DALSEGNO_TASKS_DEFAULT_RETRIES", "-1", "0 or more"),
        ("DALSEGNO_RESULTS_INLINE_LIMIT", "1 furlong", "bytes (16384), or with a unit"),
        ("DALSEGNO_DATABASE_BUSY_TIMEOUT", "-3", "seconds (0.5), or with a unit"),
        ("DALSEGNO_DATABASE_BUSY_TIMEOUT", "inf", "seconds"),
        ("DALSEGNO_DATABASE_BUSY_TIMEOUT", "none", "seconds"),
        ("DALSEGNO_DATABASE_URL", "", "a text"),
        ("DALSEGNO_LOGGING_EXTRA_LOGGERS", 3, "a list"),
        ("DALSEGNO_LOGGING_EXTRA_LOGGERS", '["dbt"', "a list"),
        ("DALSEGNO_HOME", 7, "a path"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_source(name: str, raw: Any, allowed: str) -> None:
    with pytest.raises(SettingError) as caught, temporary_settings({name: raw}):
        pass
    message = str(caught.value)
    assert name in message
    assert repr(raw) in message
    assert "from temporary_settings" in message
    assert allowed in message


def test_every_setting_says_what_it_means_and_has_a_default_that_it_allows() -> None:
    for setting in all_settings().values():
        assert setting.doc.endswith("."), setting.name
        assert setting.read(setting.default, "its default") == setting.default, setting.name


def test_every_default_can_be_written_and_read_again() -> None:
    for setting in all_settings().values():
        assert setting.read(shown(setting.default), "a file") == setting.default, setting.name


def test_a_setting_is_found_by_its_variable_and_by_its_dotted_name() -> None:
    assert find_setting("logging.level") is find_setting("DALSEGNO_LOGGING_LEVEL")
    assert find_setting("results_inline_limit").path == ("results", "inline_limit")


def test_an_unknown_setting_is_answered_with_near_names() -> None:
    with pytest.raises(SettingError, match="Did you mean DALSEGNO_LOGGING_LEVEL"):
        find_setting("DALSEGNO_LOGING_LEVEL")
    with pytest.raises(SettingError, match="config view"):
        find_setting("zebra")


def test_settings_can_be_imported_as_objects() -> None:
    from dalsegno.settings import DALSEGNO_LOGGING_LEVEL

    with temporary_settings({DALSEGNO_LOGGING_LEVEL: "ERROR"}):
        assert DALSEGNO_LOGGING_LEVEL.value() == "ERROR"
    with pytest.raises(ImportError):
        from dalsegno.settings import DALSEGNO_NOTHING  # noqa: F401


def test_passwords_are_not_shown() -> None:
    assert shown("postgresql://ann:secret@db/runs") == "postgresql://ann:***@db/runs"
    assert shown(Path("/srv/a@b")) == "/srv/a@b"
