"""Aligned tables and pages of named values, as text that fits the screen."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dalsegno.cli.screen import Screen, columns, cut

GAP = "  "
NARROWEST = 6


class Column(msgspec.Struct, frozen=True):
    """A column: its title, and whether it may be cut when the table is too wide for the screen."""

    title: str
    right: bool = False
    shrinks: bool = False


class Cell(msgspec.Struct, frozen=True):
    """A text with a colour (a name of `screen.Screen.paint`)."""

    text: str
    colour: str | None = None


def table(heads: Sequence[Column], rows: Sequence[Sequence[str | Cell]], screen: Screen) -> str:
    """Return a table as text; the columns that shrink are cut until it fits the screen."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(columns(head.title), *(columns(row[index].text) for row in cells), 0) for index, head in enumerate(heads)
    ]
    if screen.width is not None:
        widths = fit(widths, [head.shrinks for head in heads], screen.width)
    title = [Cell(head.title, "dim") for head in heads]
    return "\n".join(_line(row, heads, widths, screen) for row in [title, *cells])


def fit(widths: Sequence[int], shrinks: Sequence[bool], width: int) -> list[int]:
    """Return widths whose sum, with gaps, is at most `width`: the widest that shrinks gives way first."""
    fitted = list(widths)
    excess = sum(fitted) + len(GAP) * (len(fitted) - 1) - width
    while excess > 0:
        able = [index for index, yes in enumerate(shrinks) if yes and fitted[index] > NARROWEST]
        if not able:
            break
        fitted[max(able, key=fitted.__getitem__)] -= 1
        excess -= 1
    return fitted


def _cell(value: str | Cell) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return Cell(" ".join(cell.text.split()), cell.colour) if "\n" in cell.text else cell


def _line(row: Sequence[Cell], heads: Sequence[Column], widths: Sequence[int], screen: Screen) -> str:
    parts: list[str] = []
    ellipsis = "…" if screen.shapes else "..."
    for cell, head, width in zip(row, heads, widths, strict=True):
        text = cut(cell.text, width, ellipsis)
        space = " " * (width - columns(text))
        painted = screen.paint(text, cell.colour)
        parts.append(space + painted if head.right else painted + space)
    return GAP.join(parts).rstrip()


def page(values: Sequence[tuple[str, str | None]]) -> str:
    """Return named values one below the other; those that are None or empty are left out."""
    shown = [(name, text) for name, text in values if text]
    width = max((len(name) for name, _ in shown), default=0)
    indent = "\n" + " " * (width + len(GAP))
    return "\n".join(f"{name.ljust(width)}{GAP}{indent.join(text.splitlines())}" for name, text in shown)
