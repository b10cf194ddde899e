"""Concurrency limits as the command line shows them: what `gcl` and `concurrency-limit` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from dalsegno.cli import times
from dalsegno.cli.as_json import to_json
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.flow_run_page import moment
from dalsegno.cli.listing import Table
from dalsegno.cli.options import OutputFormat
from dalsegno.cli.screen import Screen, standard_output
from dalsegno.cli.tables import Column, page, table
from dalsegno.model.ids import id_text
from dalsegno.model.limits import LimitKind, LimitView, SlotHolderView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

COMMANDS: dict[LimitKind, str] = {"global": "gcl", "tag": "concurrency-limit"}
_PAGE = 500
_MOST_HOLDERS = 100

T = TypeVar("T")


def limits(backend: Backend, kind: LimitKind, most: int | None) -> Iterator[LimitView]:
    """Yield limits by name, so many at most (None: all)."""
    return _walk(lambda after, size: backend.list_limits(kind, after, size), lambda limit: limit.name, most)


def find(backend: Backend, kind: LimitKind, name: str) -> LimitView:
    """Return the limit of a name. Raises CommandError."""
    found = backend.find_limit(kind, name)
    if found is None:
        raise CommandError(
            f"There is no concurrency limit {name!r}; `dalsegno {COMMANDS[kind]} ls` lists them.", ExitCode.NOT_FOUND
        )
    return found


def limit_rows(found: Sequence[LimitView], screen: Screen) -> Table:
    """Return limits as rows."""
    at = times.now()
    heads = (
        Column("NAME", shrinks=True),
        Column("LIMIT", right=True),
        Column("HELD", right=True),
        Column("WAITING", right=True),
        Column("DECAY/S", right=True),
        Column("ACTIVE"),
        Column("UPDATED"),
    )
    rows = [
        [
            limit.name,
            str(limit.limit),
            str(limit.active_slots),
            str(limit.waiting),
            f"{limit.slot_decay_per_second:g}" if limit.slot_decay_per_second else "",
            "yes" if limit.active else "no",
            times.ago(limit.updated, at),
        ]
        for limit in found
    ]
    return Table(heads, rows)


def show(backend: Backend, limit: LimitView, output: OutputFormat) -> None:
    """Print a limit and who holds its slots."""
    holders = backend.list_slot_holders(limit.id, None, _MOST_HOLDERS)
    if output == "json":
        whole: dict[str, Any] = {**to_json(limit), "holders": [to_json(holder) for holder in holders]}
        print(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())
        return
    screen = standard_output()
    print(
        page(
            [
                ("Name", limit.name),
                ("Id", id_text(limit.id)),
                ("Limit", str(limit.limit)),
                ("Held", str(limit.active_slots)),
                ("Waiting", str(limit.waiting)),
                ("Decay", f"{limit.slot_decay_per_second:g} a second" if limit.slot_decay_per_second else None),
                ("Active", "yes" if limit.active else "no: it limits nothing"),
                ("Updated", moment(limit.updated, times.now())),
            ]
        )
    )
    if holders:
        whole_table = holder_rows(holders)
        print("\n" + table(whole_table.heads, whole_table.rows, screen))


def holder_rows(holders: Sequence[SlotHolderView]) -> Table:
    """Return holders as rows."""
    at = times.now()
    heads = (Column("HOLDER", shrinks=True), Column("KEY", shrinks=True), Column("SLOTS", right=True), Column("SINCE"))
    rows = [[holder.holder, holder.key, str(holder.slots), times.ago(holder.acquired, at)] for holder in holders]
    return Table(heads, rows)


def _walk(fetch: Callable[[str | None, int], Sequence[T]], key: Callable[[T], str], most: int | None) -> Iterator[T]:
    after: str | None = None
    left = most
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        found = fetch(after, size)
        yield from found
        if len(found) < size:
            return
        after = key(found[-1])
        left = None if left is None else left - size
