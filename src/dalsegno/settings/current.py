"""The settings in force here and now, and changing them for a block of code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from dalsegno.settings.catalogue import PREFIX, Setting, all_settings, find_setting
from dalsegno.settings.fields import Settings
from dalsegno.settings.sources import (
    DEFAULT,
    Loaded,
    Sourced,
    directory_values,
    environment_values,
    load,
    loaded_from,
    profile_values,
)

if TYPE_CHECKING:
    from dalsegno.settings.profiles import Profile

TEMPORARY = "temporary_settings"

_override: ContextVar[Loaded | None] = ContextVar("dalsegno_settings", default=None)
_root: tuple[dict[Any, Any], Loaded] | None = None

# The mapping behind os.environ: going through it costs 2 µs where decoding every name costs 10.
_environment: Mapping[Any, Any] = vars(os.environ).get("_data", os.environ)
_prefix: Any = PREFIX.encode() if any(isinstance(name, bytes) for name in _environment) else PREFIX


def _loaded() -> Loaded:
    """Return what is in force. Files are read once, and again when a DALSEGNO_* variable changed."""
    global _root
    override = _override.get()
    if override is not None:
        return override
    variables = {name: value for name, value in _environment.items() if name.startswith(_prefix)}
    if _root is None or _root[0] != variables:
        _root = (variables, load())
    return _root[1]


def get_current_settings() -> Settings:
    """Return the settings in force here: those of `temporary_settings` around, else the process's.

    Files are read once in a process; changes of DALSEGNO_* variables are seen at once. Raises SettingError if
    a value cannot be used.
    """
    return _loaded().settings


def refresh_settings() -> Settings:
    """Read the files of settings again and return what is in force."""
    global _root
    _root = None
    return get_current_settings()


def setting_sources() -> dict[str, str]:
    """Return where each setting comes from, by name: ``"the environment"``, a file, ``"default"`` ..."""
    values = _loaded().values
    return {name: values[name].source if name in values else DEFAULT for name in all_settings()}


def unknown_settings() -> dict[str, str]:
    """Return the names that look like settings but are none, and where they stand."""
    known = all_settings()
    return {
        name: sourced.source
        for name, sourced in _loaded().values.items()
        if name not in known and not name.startswith(f"{PREFIX}_")
    }


@contextlib.contextmanager
def _in_force(loaded: Loaded) -> Generator[Settings]:
    token = _override.set(loaded)
    try:
        yield loaded.settings
    finally:
        _override.reset(token)


@contextlib.contextmanager
def temporary_settings(
    updates: Mapping[str | Setting, Any] | Mapping[str, Any] | None = None,
    set_defaults: Mapping[str | Setting, Any] | Mapping[str, Any] | None = None,
    restore_defaults: Iterable[str | Setting] | None = None,
) -> Generator[Settings]:
    """Change settings for a block of code, in this thread or task and what it starts.

    `updates` win over everything, `set_defaults` count where nothing sets the setting, and `restore_defaults`
    are set back to what they are by default. Names are those of the variables, or Setting objects.

    Example:
        >>> with temporary_settings({"DALSEGNO_LOGGING_LEVEL": "DEBUG"}) as settings:
        ...     assert settings.logging.level == "DEBUG"
    """
    values = dict(_loaded().values)
    for name in restore_defaults or ():
        values.pop(find_setting(name).name, None)
    for name, raw in (set_defaults or {}).items():
        values.setdefault(find_setting(name).name, Sourced(raw, TEMPORARY))
    for name, raw in (updates or {}).items():
        values[find_setting(name).name] = Sourced(raw, TEMPORARY)
    with _in_force(loaded_from(values)) as settings:
        yield settings


@contextlib.contextmanager
def use_profile(
    profile: Profile | str,
    override_environment_variables: bool = False,
    include_current_context: bool = True,
) -> Generator[Settings]:
    """Use a profile, given whole or by name, for a block of code.

    The environment and the files of the working directory win unless `override_environment_variables`.
    With `include_current_context` what `temporary_settings` changed around the block goes on to count.
    """
    from pathlib import Path

    outer = directory_values(Path.cwd()) | environment_values()
    if isinstance(profile, str):
        chosen = profile_values(outer, profile)
    else:
        chosen = {name: Sourced(raw, f"profile {profile.name!r}") for name, raw in profile.settings.items()}
    name = profile if isinstance(profile, str) else profile.name
    chosen["DALSEGNO_PROFILE"] = Sourced(name, "use_profile")
    values = outer | chosen if override_environment_variables else chosen | outer
    values["DALSEGNO_PROFILE"] = chosen["DALSEGNO_PROFILE"]
    if include_current_context:
        values |= {key: value for key, value in _loaded().values.items() if value.source == TEMPORARY}
    with _in_force(loaded_from(values)) as settings:
        yield settings
