"""Where settings come from, and who wins: environment, ``.env``, two TOML files, profile, default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from dalsegno.exceptions import SettingError
from dalsegno.settings.catalogue import PREFIX, Setting, all_settings, canonical_name
from dalsegno.settings.fields import Settings
from dalsegno.settings.files import read_dotenv, read_toml

ENVIRONMENT = "the environment"
DEFAULT = "default"
HOME = "${DALSEGNO_HOME}"
# Loading a TOML parser for a pyproject.toml that does not speak of us would cost every start 5 ms.
_OUR_TABLE = re.compile(rb"""^\s*\[?\s*["']?tool["']?\s*(\]|\.\s*["']?dalsegno)""", re.MULTILINE)


class Sourced(msgspec.Struct, frozen=True):
    """A value as it was written, and where."""

    raw: Any
    source: str


class Loaded(msgspec.Struct, frozen=True):
    """Settings together with where each that is not a default came from."""

    settings: Settings
    values: dict[str, Sourced]
    """By the names of their variables; names that are no setting's included."""


def environment_values() -> dict[str, Sourced]:
    """Return what the environment sets."""
    return {name: Sourced(raw, ENVIRONMENT) for name, raw in os.environ.items() if name.startswith(PREFIX)}


def directory_values(directory: Path) -> dict[str, Sourced]:
    """Return what the files of a folder set: ``.env``, then dalsegno.toml, then pyproject.toml."""
    pyproject, own, dotenv = directory / "pyproject.toml", directory / "dalsegno.toml", directory / ".env"
    tool = (read_toml(pyproject, only_with=_OUR_TABLE) or {}).get("tool", {}).get("dalsegno", {})
    if not isinstance(tool, dict):
        raise SettingError(f"`tool.dalsegno` in {pyproject} is {tool!r}, but must be a table.")
    tool = cast("dict[str, Any]", tool)
    values = _flattened(tool, str(pyproject))
    values |= _flattened(read_toml(own) or {}, str(own))
    return values | {name: Sourced(raw, str(dotenv)) for name, raw in read_dotenv(dotenv, PREFIX).items()}


def _flattened(table: Mapping[str, Any], source: str, path: str = "") -> dict[str, Sourced]:
    found: dict[str, Sourced] = {}
    for key, value in table.items():
        name = f"{path}_{key}" if path else key
        if isinstance(value, dict):
            found |= _flattened(cast("dict[str, Any]", value), source, name)
        else:
            found[canonical_name(name)] = Sourced(value, source)
    return found


def profile_values(outer: Mapping[str, Sourced], name: str | None = None) -> dict[str, Sourced]:
    """Return what a profile sets: the one called `name`, else the one that is active."""
    path = settings_from(outer, ("DALSEGNO_HOME", "DALSEGNO_PROFILES_PATH")).profiles_path
    chosen = name or (outer["DALSEGNO_PROFILE"].raw if "DALSEGNO_PROFILE" in outer else None)
    if chosen is None and not path.exists():
        return {}
    from dalsegno.settings.profiles import read_profiles

    profiles = read_profiles(path)
    profile = profiles[chosen] if chosen else profiles.active
    return {key: Sourced(raw, f"profile {profile.name!r} in {path}") for key, raw in profile.settings.items()}


def load(directory: Path | None = None) -> Loaded:
    """Read all sources. Raises SettingError or ProfileError for what cannot be used."""
    outer = directory_values(directory or Path.cwd()) | environment_values()
    return loaded_from(profile_values(outer) | outer)


def loaded_from(values: dict[str, Sourced]) -> Loaded:
    """Return the settings that `values` make, with defaults for the rest."""
    return Loaded(settings_from(values, tuple(values)), values)


def settings_from(values: Mapping[str, Sourced], names: tuple[str, ...]) -> Settings:
    """Return the settings that some of `values` make."""
    known = all_settings()
    read = {
        name: known[name].read(values[name].raw, values[name].source)
        for name in names
        if name in values and name in known
    }
    home = _absolute(read.get("DALSEGNO_HOME", Settings().home))
    read["DALSEGNO_HOME"] = home
    changed = {
        setting.path: _in_home(setting, read.get(setting.name, setting.default), home) for setting in known.values()
    }
    return _rebuilt(Settings(), changed, ())


def _in_home(setting: Setting, value: Any, home: Path) -> Any:
    if isinstance(value, Path):
        return _absolute(Path(str(value).replace(HOME, str(home))))
    if isinstance(value, str) and HOME in value:
        value = value.replace(HOME, str(home))
    if setting.name == "DALSEGNO_RESULTS_STORAGE" and value is not None and "://" not in value:
        return str(_absolute(Path(value)))
    return value


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise SettingError(
            f"The user's home folder is not known, so {path} has no meaning. Set DALSEGNO_HOME to a folder."
        ) from error


def _rebuilt(struct: Any, values: Mapping[tuple[str, ...], Any], path: tuple[str, ...]) -> Any:
    """Return a copy of a struct of settings with the values at their paths."""
    if path in values:
        return values[path]
    fields = {field: _rebuilt(getattr(struct, field), values, (*path, field)) for field in struct.__struct_fields__}
    return type(struct)(**fields)
