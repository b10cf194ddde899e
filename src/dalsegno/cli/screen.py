"""What the place that output goes to can show: its width, colours, and characters."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from typing import TextIO

import msgspec

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35"}


class Screen(msgspec.Struct, frozen=True):
    """How wide lines may be and what may stand in them."""

    width: int | None = None
    """Columns; None: as wide as need be (a file or pipe)."""
    colours: bool = False
    shapes: bool = True
    """Whether characters beyond ASCII can be written."""

    def paint(self, text: str, colour: str | None) -> str:
        """Return the text in a colour, where there are colours."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colours and colour else text


def screen_of(stream: TextIO) -> Screen:
    """Return what a stream can show."""
    is_terminal = stream.isatty()
    return Screen(
        width=shutil.get_terminal_size().columns if is_terminal else None,
        colours=is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        shapes=_can_encode(stream, "✓◷▶⊘…"),
    )


def standard_output() -> Screen:
    """Return what standard output can show."""
    return screen_of(sys.stdout)


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """Return the text, shortened at its end so that it takes at most `width` columns."""
    if columns(text) <= width:
        return text
    kept, room = "", width - len(ellipsis)
    for character in text:
        room -= _columns_of(character)
        if room < 0:
            break
        kept += character
    return (kept + ellipsis)[: max(width, 0)]
