"""The list of settings as objects with a name: to look one up, to check a value for it, to show it."""

from __future__ import annotations

import functools
import re
import typing
from typing import Any

import msgspec

from dalsegno.exceptions import SettingError
from dalsegno.settings.fields import Settings
from dalsegno.settings.kinds import Kind, Secrets

PREFIX = "DALSEGNO_"
HIDDEN = "***"
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^@]*@")


class Setting(msgspec.Struct, frozen=True):
    """One setting.

    Example:
        >>> from dalsegno.settings import DALSEGNO_LOGGING_LEVEL
        >>> DALSEGNO_LOGGING_LEVEL.value()
        'INFO'
    """

    name: str
    """As an environment variable: ``"DALSEGNO_LOGGING_LEVEL"``."""
    path: tuple[str, ...]
    """As an attribute of Settings: ``("logging", "level")``."""
    default: Any
    section: type[msgspec.Struct]

    @property
    def kind(self) -> Kind:
        """What values it can have."""
        return _annotation(self.section, self.path[-1])[1]

    @property
    def doc(self) -> str:
        """What it means, in a sentence."""
        return _annotation(self.section, self.path[-1])[2]

    @property
    def accessor(self) -> str:
        """Its dotted name: ``"logging.level"``."""
        return ".".join(self.path)

    def read(self, raw: Any, source: str) -> Any:
        """Return the value that `raw` (a text, or what a TOML file holds) stands for.

        Raises SettingError, which names `source`, if it is none for this setting.
        """
        try:
            return self.kind.read(raw)
        except (ValueError, TypeError, RecursionError):
            held = HIDDEN if self.kind.secret else repr(raw)
            raise SettingError(f"{self.name} is {held} (from {source}), but must be {self.kind.allowed}.") from None

    def shown(self, value: Any) -> str:
        """Return a value of it as people write it; nothing of a secret but that there is one."""
        return HIDDEN if self.kind.secret and value else shown(value)

    def value_in(self, settings: Settings) -> Any:
        """Return its value among `settings`."""
        return functools.reduce(getattr, self.path, settings)

    def value(self) -> Any:
        """Return its value as it is in force here."""
        from dalsegno.settings.current import get_current_settings

        return self.value_in(get_current_settings())


@functools.cache
def _annotation(section: type[msgspec.Struct], field: str) -> tuple[Any, Kind, str]:
    return typing.get_args(typing.get_type_hints(section, include_extras=True)[field])


def _walk(struct: msgspec.Struct, path: tuple[str, ...]) -> list[Setting]:
    found: list[Setting] = []
    for field in struct.__struct_fields__:
        default = getattr(struct, field)
        if isinstance(default, msgspec.Struct):
            found += _walk(default, (*path, field))
        else:
            name = PREFIX + "_".join((*path, field)).upper()
            found.append(Setting(name, (*path, field), default, type(struct)))
    return found


@functools.cache
def all_settings() -> dict[str, Setting]:
    """Return every setting by name, in the order of their definition."""
    return {setting.name: setting for setting in _walk(Settings(), ())}


def canonical_name(name: str) -> str:
    """Return the variable's name of a setting given as ``"logging.level"``, ``"LOGGING_LEVEL"`` or whole."""
    upper = name.strip().upper().replace(".", "_").replace("-", "_")
    return upper if upper.startswith(PREFIX) else PREFIX + upper


def find_setting(name: str | Setting) -> Setting:
    """Return the setting of that name. Raises SettingError, which offers near names, if there is none."""
    if isinstance(name, Setting):
        return name
    found = all_settings().get(canonical_name(name))
    if found is not None:
        return found
    import difflib

    names = [known.removeprefix(PREFIX) for known in all_settings()]
    near = difflib.get_close_matches(canonical_name(name).removeprefix(PREFIX), names, n=3, cutoff=0.7)
    hint = (
        f"Did you mean {' or '.join(PREFIX + match for match in near)}?"
        if near
        else "`dalsegno config view --all` lists them."
    )
    raise SettingError(f"There is no setting {name!r}. {hint}")


def shown(value: Any) -> str:
    """Return a value as people write it in a file or shell, without the passwords of URLs."""
    if isinstance(value, Secrets):
        return HIDDEN if value else "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(shown(item) for item in typing.cast("list[Any]", value))
    return _PASSWORD.sub(r"\1:***@", str(value))
