"""`dalsegno gcl`: global concurrency limits, which code names."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli import limit_tables
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit
from dalsegno.cli.listing import show_list, with_one_more
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, Output, group
from dalsegno.model.limits import LimitChange, NewLimit

NONE = "No global concurrency limits yet: make one with `dalsegno gcl create NAME --limit N`."

SlotLimit = Annotated[int, Parameter(name=["--limit", "-l"], help="Slots there are; 0: nobody gets one.")]
Decay = Annotated[
    float | None,
    Parameter(name="--slot-decay-per-second", help="Slots that come back by themselves, for rate limits."),
]

app = group("gcl", "Global concurrency limits.")


@app.command
def create(
    name: str,
    /,
    *,
    limit: SlotLimit,
    slot_decay_per_second: Decay = None,
    disable: Annotated[bool, Parameter(help="It limits nothing until it is enabled.")] = False,
) -> None:
    """Make a limit."""
    new = NewLimit(name=name, limit=limit, active=not disable, slot_decay_per_second=slot_decay_per_second or 0.0)
    open_backend(runs=False).create_limit(new)
    print(f"Concurrency limit {name!r} is made: {limit} slots.")


@app.command
def ls(
    *,
    limit: Annotated[int, Parameter(name=["--limit", "-n"], help="How many at most.")] = 50,
    all: All = False,
    output: Output = "table",
) -> None:
    """List limits by name, with how many slots are held."""
    shown, asked = with_one_more(check_limit(limit), all)
    found = limit_tables.limits(open_backend(), "global", asked)
    show_list(found, shown, output, limit_tables.limit_rows, empty=NONE)


@app.command
def inspect(name: str, /, *, output: Output = "table") -> None:
    """Show a limit and who holds its slots."""
    backend = open_backend()
    limit_tables.show(backend, limit_tables.find(backend, "global", name), output)


@app.command
def update(
    name: str,
    /,
    *,
    limit: Annotated[int | None, Parameter(name=["--limit", "-l"], help="Slots there are; 0: nobody gets one.")] = None,
    slot_decay_per_second: Decay = None,
    enable: Annotated[bool, Parameter(help="Have it limit again.")] = False,
    disable: Annotated[bool, Parameter(help="Have it limit nothing.")] = False,
) -> None:
    """Change a limit; who holds slots keeps them."""
    if enable and disable:
        raise CommandError("--enable does not go with --disable.")
    active = True if enable else False if disable else None
    change = LimitChange(limit=limit, slot_decay_per_second=slot_decay_per_second, active=active)
    if change == LimitChange():
        raise CommandError("What is to be changed? Give --limit, --slot-decay-per-second, --enable or --disable.")
    _change(name, change)
    print(f"Concurrency limit {name!r} is changed.")


@app.command
def enable(name: str, /) -> None:
    """Have a limit limit again."""
    _change(name, LimitChange(active=True))
    print(f"Concurrency limit {name!r} is enabled.")


@app.command
def disable(name: str, /) -> None:
    """Have a limit limit nothing, and keep it."""
    _change(name, LimitChange(active=False))
    print(f"Concurrency limit {name!r} is disabled.")


@app.command
def delete(name: str, /) -> None:
    """Delete a limit: what held its slots goes on unlimited."""
    backend = open_backend(runs=False)
    backend.delete_limit(limit_tables.find(backend, "global", name).id)
    print(f"Concurrency limit {name!r} is deleted.")


def _change(name: str, change: LimitChange) -> None:
    backend = open_backend(runs=False)
    backend.update_limit(limit_tables.find(backend, "global", name).id, change)
