"""Profiles: named sets of settings in one TOML file, of which one is active."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from dalsegno.exceptions import ProfileError, SettingError
from dalsegno.settings.catalogue import canonical_name, find_setting
from dalsegno.settings.files import read_toml

DEFAULT_PROFILE = "default"


class Profile(msgspec.Struct, frozen=True):
    """A named set of settings, by the names of their variables.

    Example:
        >>> Profile("quiet", {"DALSEGNO_LOGGING_LEVEL": "WARNING"})
    """

    name: str
    settings: dict[str, Any] = {}
    source: Path | None = None
    """The file that it comes from."""

    def with_settings(self, changes: dict[str, Any]) -> Profile:
        """Return a copy with other values; None takes a setting out. Raises SettingError for a bad one."""
        merged = dict(self.settings)
        for name, raw in changes.items():
            setting = find_setting(name)
            merged.pop(setting.name, None)
            if raw is not None:
                setting.read(raw, "what was given")
                merged[setting.name] = raw
        return msgspec.structs.replace(self, settings=merged)


class Profiles(msgspec.Struct, frozen=True):
    """The profiles of a file, and which one is active."""

    profiles: dict[str, Profile]
    active_name: str | None

    @property
    def active(self) -> Profile:
        """The active profile. Raises ProfileError if the file calls one active that it does not have."""
        return self[self.active_name or DEFAULT_PROFILE]

    def __getitem__(self, name: str) -> Profile:
        if name not in self.profiles:
            known = ", ".join(sorted(self.profiles))
            raise ProfileError(f"There is no profile {name!r}. There is: {known}.")
        return self.profiles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.profiles)

    def __contains__(self, name: object) -> bool:
        return name in self.profiles

    def with_profile(self, profile: Profile) -> Profiles:
        """Return a copy that has `profile`, new or in place of the one of its name."""
        return msgspec.structs.replace(self, profiles={**self.profiles, profile.name: profile})

    def without(self, name: str) -> Profiles:
        """Return a copy without one profile, which must exist and not be the active one."""
        if self[name].name == (self.active_name or DEFAULT_PROFILE):
            raise ProfileError(f"Profile {name!r} is the active one: use another before you delete it.")
        return msgspec.structs.replace(
            self, profiles={key: value for key, value in self.profiles.items() if key != name}
        )

    def with_active(self, name: str) -> Profiles:
        """Return a copy in which that profile is active."""
        return msgspec.structs.replace(self, active_name=self[name].name)


def _table(value: Any, what: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingError(f"{what} in {path} is {value!r}, but must be a table.")
    return cast("dict[str, Any]", value)


def read_profiles(path: Path) -> Profiles:
    """Read a file of profiles; where there is none, there is one profile, ``default``, and it is empty."""
    content = read_toml(path) or {}
    tables = _table(content.get("profiles", {}), "`profiles`", path)
    profiles = {
        name: Profile(
            name,
            {canonical_name(key): value for key, value in _table(table, f"Profile {name!r}", path).items()},
            path,
        )
        for name, table in tables.items()
    }
    profiles.setdefault(DEFAULT_PROFILE, Profile(DEFAULT_PROFILE, {}, path))
    return Profiles(profiles, content.get("active"))


def load_profiles(path: Path | None = None) -> Profiles:
    """Return the profiles of a file, by default of DALSEGNO_PROFILES_PATH."""
    return read_profiles(path or _default_path())


def load_current_profile() -> Profile:
    """Return the profile in use: DALSEGNO_PROFILE's, else the active one of the file."""
    from dalsegno.settings.current import get_current_settings

    profiles = load_profiles()
    chosen = get_current_settings().profile
    return profiles[chosen] if chosen else profiles.active


def save_profiles(profiles: Profiles, path: Path | None = None) -> None:
    """Write a file of profiles anew, readable by its owner only; it is replaced whole or not at all."""
    target = path or _default_path()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(profiles_text(profiles))
        temporary.replace(target)
    except OSError as error:
        raise ProfileError(
            f"The profiles cannot be written to {target}: {error.strerror}. "
            "Make the folder writable, or set DALSEGNO_PROFILES_PATH to another file."
        ) from error


def profiles_text(profiles: Profiles) -> str:
    """Return the profiles as the text of a TOML file."""
    lines = [f"active = {_toml(profiles.active_name)}"] if profiles.active_name else []
    for profile in profiles.profiles.values():
        lines += ["", f"[profiles.{_toml(profile.name)}]"]
        lines += [f"{name} = {_toml(value)}" for name, value in profile.settings.items()]
    return "\n".join(lines).lstrip() + "\n"


def _toml(value: Any) -> str:
    # JSON's texts, numbers, booleans and lists of these are TOML as well, but for the escape of DEL.
    if isinstance(value, tuple | list | set):
        return "[" + ", ".join(_toml(item) for item in cast("list[Any]", value)) + "]"
    plain = value if isinstance(value, bool | int | float) else str(value)
    return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")


def _default_path() -> Path:
    from dalsegno.settings.current import get_current_settings

    return get_current_settings().profiles_path
