"""The kinds of value that a setting can have: how each is read from text, or from TOML, and what is allowed.

Nothing here knows of any one setting. A reader raises ValueError; whoever calls it knows the setting's name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})
NOTHING = frozenset({"", "none", "null", "never"})
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SIZE_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
TIME_UNITS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
TIME_WORDS = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}


class Secrets(tuple[str, ...]):
    """Texts that nobody is to see: not in a repr, an error or a list of settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} hidden>"


class Kind(msgspec.Struct, frozen=True):
    """A kind of value: what is allowed, in words that follow "must be", and how to read it."""

    allowed: str
    read: Callable[[Any], Any]
    secret: bool = False
    """It is never shown."""


def _read_text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(raw)
    return raw.strip()


def _read_path(raw: Any) -> Path:
    return raw if isinstance(raw, Path) else Path(_read_text(raw))


def _read_place(raw: Any) -> str:
    return _read_text(str(raw) if isinstance(raw, Path) else raw)


def _read_boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError(raw)
    return word in TRUE


def _read_number(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError(raw)
    number = float(raw)
    if not 0 <= number < float("inf"):
        raise ValueError(raw)
    return number


def _whole_number(at_least: int) -> Callable[[Any], int]:
    def read(raw: Any) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int | str) or int(raw) < at_least:
            raise ValueError(raw)
        return int(raw)

    return read


def _split_unit(raw: str) -> tuple[float, str]:
    text = raw.strip().lower()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    return _read_number(digits.replace("_", "")), text[len(digits) :].strip()


def _read_size(raw: Any) -> int:
    if not isinstance(raw, str):
        return _whole_number(0)(raw)
    number, unit = _split_unit(raw)
    if unit.rstrip("s") in {"byte", ""}:
        unit = ""
    if unit not in SIZE_UNITS:
        raise ValueError(raw)
    return int(number * SIZE_UNITS[unit])


def _read_seconds(raw: Any) -> float:
    if not isinstance(raw, str):
        return _read_number(raw)
    number, unit = _split_unit(raw)
    unit = TIME_WORDS.get(unit.removesuffix("s"), unit)
    if unit not in TIME_UNITS:
        raise ValueError(raw)
    return number * TIME_UNITS[unit]


def _read_level(raw: Any) -> str:
    level = str(raw).strip().upper()
    if level not in LEVELS and not level.isdecimal():
        raise ValueError(raw)
    return level


def _read_items(raw: Any) -> list[Any]:
    if isinstance(raw, str):
        import json

        text = raw.strip()
        raw = json.loads(text) if text.startswith("[") else [part for part in text.split(",") if part.strip()]
    if not isinstance(raw, list | tuple | set | frozenset):
        raise ValueError(raw)
    return list(cast("list[Any]", raw))


def _read_names(raw: Any) -> tuple[str, ...]:
    return tuple(_read_text(item) for item in _read_items(raw))


def key_bytes(text: str) -> bytes:
    """Return the 32 bytes of a key given in base64 (either alphabet, padded or not). Raises ValueError."""
    import base64

    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    key = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    if len(key) != 32:
        raise ValueError("not 32 bytes")
    return key


def _read_keys(raw: Any) -> Secrets:
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in NOTHING):
        return Secrets()
    keys = _read_names(raw)
    for key in keys:
        key_bytes(key)
    return Secrets(keys)


def _read_delays(raw: Any) -> float | tuple[float, ...]:
    if isinstance(raw, int | float) or (isinstance(raw, str) and not set(raw) & set(",[")):
        return _read_seconds(raw)
    return tuple(_read_seconds(item) for item in _read_items(raw))


def optional(kind: Kind) -> Kind:
    """Return the kind whose values may also be None: written ``none``, or as an empty text."""

    def read(raw: Any) -> Any:
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in NOTHING):
            return None
        return kind.read(raw)

    return Kind(f"{kind.allowed}, or none", read, kind.secret)


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        word = str(raw).strip().lower()
        if word not in words:
            raise ValueError(raw)
        return word

    return read


TEXT = Kind("a text", _read_text)
PLACE = Kind("a folder or a URL", _read_place)
PATH = Kind("a path", _read_path)
SECONDS = Kind('a time: seconds (0.5), or with a unit ("15 minutes", "30d")', _read_seconds)

Text: TypeAlias = Annotated[str, TEXT]
OptionalText: TypeAlias = Annotated[str | None, optional(TEXT)]
OptionalSecret: TypeAlias = Annotated[str | None, optional(Kind("a text, which is never shown", _read_text, True))]
Place: TypeAlias = Annotated[str, PLACE]
OptionalPlace: TypeAlias = Annotated[str | None, optional(PLACE)]
FilePath: TypeAlias = Annotated[Path, PATH]
OptionalPath: TypeAlias = Annotated[Path | None, optional(PATH)]
Flag: TypeAlias = Annotated[bool, Kind("true or false", _read_boolean)]
OptionalFlag: TypeAlias = Annotated[bool | None, optional(Kind("true or false", _read_boolean))]
Number: TypeAlias = Annotated[int, Kind("a whole number, 0 or more", _whole_number(0))]
PositiveNumber: TypeAlias = Annotated[int, Kind("a whole number, 1 or more", _whole_number(1))]
Seconds: TypeAlias = Annotated[float, SECONDS]
OptionalSeconds: TypeAlias = Annotated[float | None, optional(SECONDS)]
Size: TypeAlias = Annotated[int, Kind('a size: bytes (16384), or with a unit ("64 KiB", "1 MB")', _read_size)]
Level: TypeAlias = Annotated[str, Kind(f"a level: {', '.join(LEVELS)}, or its number", _read_level)]
Names: TypeAlias = Annotated[tuple[str, ...], Kind('names: "a,b" or a list', _read_names)]
Keys: TypeAlias = Annotated[
    Secrets,
    Kind("keys: 32 random bytes in base64 each, one or several (a list, or with commas between)", _read_keys, True),
]
Delays: TypeAlias = Annotated[
    float | tuple[float, ...], Kind('seconds, or a list of seconds ("1,10,60")', _read_delays)
]
WhoLogsIn: TypeAlias = Annotated[
    Literal["auto", "always", "remote"], Kind("auto, always or remote", _one_of("auto", "always", "remote"))
]
StartMethod: TypeAlias = Annotated[Literal["auto", "spawn"], Kind("auto or spawn", _one_of("auto", "spawn"))]
