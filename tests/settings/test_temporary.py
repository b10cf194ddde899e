"""Changing settings for a block of code."""

from __future__ import annotations

import contextvars
import threading

import pytest

from dalsegno.exceptions import SettingError
from dalsegno.settings import get_current_settings, setting_sources, temporary_settings

LEVEL = "DALSEGNO_LOGGING_LEVEL"
RETRIES = "DALSEGNO_TASKS_DEFAULT_RETRIES"


def test_updates_count_inside_the_block_only() -> None:
    with temporary_settings({LEVEL: "DEBUG"}) as outer:
        assert outer is get_current_settings()
        with temporary_settings({RETRIES: 2}) as inner:
            assert (inner.logging.level, inner.tasks.default_retries) == ("DEBUG", 2)
            assert setting_sources()[RETRIES] == "temporary_settings"
        assert get_current_settings().tasks.default_retries == 0
    assert get_current_settings().logging.level == "INFO"


def test_an_error_in_the_block_restores_the_settings_too() -> None:
    with pytest.raises(ZeroDivisionError), temporary_settings({LEVEL: "DEBUG"}):
        raise ZeroDivisionError
    assert get_current_settings().logging.level == "INFO"


def test_defaults_count_only_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL, "ERROR")
    with temporary_settings(set_defaults={LEVEL: "DEBUG", RETRIES: 3}) as settings:
        assert (settings.logging.level, settings.tasks.default_retries) == ("ERROR", 3)


def test_settings_can_be_set_back_to_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL, "ERROR")
    with temporary_settings({RETRIES: 1}, restore_defaults=[LEVEL]) as settings:
        assert (settings.logging.level, settings.tasks.default_retries) == ("INFO", 1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingError, match="DALSEGNO_LOGGING_LEVEL"), temporary_settings({"logging.levl": 1}):
        pass


def test_other_threads_see_the_change_only_in_a_copied_context() -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(get_current_settings().logging.level)

    with temporary_settings({LEVEL: "DEBUG"}):
        for target in (look, contextvars.copy_context().run):
            thread = threading.Thread(target=target, args=() if target is look else (look,))
            thread.start()
            thread.join()
    assert seen == ["INFO", "DEBUG"]
