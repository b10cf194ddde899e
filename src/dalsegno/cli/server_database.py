"""`dalsegno server database`: the tables, the size and the backups of the database that the settings name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import Output, group
from dalsegno.cli.screen import standard_output
from dalsegno.cli.tables import Column, page, table
from dalsegno.cli.times import clock
from dalsegno.settings import get_current_settings

if TYPE_CHECKING:
    from datetime import datetime

    from dalsegno.server.database import DatabaseStats, Keeper

app = group("database", "The database itself: upgrade, downgrade, reset, vacuum, stats, backup, restore.")

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], help="Do not ask.")]
Force = Annotated[bool, Parameter(name="--force", help="Even if the database is in use, or something is overwritten.")]
TABLE = (Column("TABLE", shrinks=True), Column("ROWS", right=True), Column("BYTES", right=True))


@app.command
def upgrade() -> None:
    """Make the tables, or bring them to this version of Dalsegno."""
    from dalsegno.server.database import SCHEMA_VERSION

    keeper = _keeper()
    ran = keeper.upgrade()
    for name in ran:
        print(f"Ran {name}.")
    print(f"{keeper.shown} has schema version {SCHEMA_VERSION}{'' if ran else ', and nothing was missing'}.")


@app.command
def downgrade(version: Annotated[int, Parameter(help="The schema version to go back to.")], /) -> None:
    """Take the tables back to an earlier schema version, for an earlier Dalsegno; stop what uses them first."""
    keeper = _keeper()
    for name in keeper.downgrade(version):
        print(f"Took back {name}.")
    print(
        f"{keeper.shown} has schema version {version}. This Dalsegno brings an SQLite file up again when it opens it."
    )


@app.command
def reset(*, yes: Yes = False, force: Force = False) -> None:
    """Delete all that the database holds: runs, logs, artifacts, variables, users and keys. Result files stay."""
    keeper = _keeper()
    _see_that_nobody_uses_it(keeper, force)
    if not yes:
        _confirm(f"Delete all runs, variables, users and keys in {keeper.shown}?")
    keeper.reset()
    print(f"{keeper.shown} is empty.")


@app.command
def vacuum() -> None:
    """Give the space of what was deleted back to the file system, and refresh what the query planner knows."""
    keeper = _keeper()
    before, after = keeper.vacuum()
    print(f"{keeper.shown} has {after:,} bytes; before it had {before:,}.")


@app.command
def stats(*, output: Output = "table") -> None:
    """Say what the database holds: rows and bytes of each table, its version and size, the age of its runs."""
    found = _keeper().stats()
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        print(_page(found))


@app.command
def backup(
    file: Annotated[Path, Parameter(help="The file to write.")],
    /,
    *,
    force: Annotated[bool, Parameter(name="--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a copy as of one moment, while servers and flows go on. Result files and signing keys are not in it."""
    keeper = _keeper()
    size = keeper.back_up(file.expanduser().absolute(), overwrite=force)
    print(f"{keeper.shown} is backed up in {file}, {size:,} bytes.")


@app.command
def restore(file: Annotated[Path, Parameter(help="What `backup` wrote.")], /, *, force: Force = False) -> None:
    """Put what a backup holds into an empty database; with --force in place of what is there."""
    keeper = _keeper()
    _see_that_nobody_uses_it(keeper, force)
    version = keeper.restore(file.expanduser().absolute(), overwrite=force)
    print(f"{keeper.shown} holds what {file} held (schema version {version}).")


def _keeper() -> Keeper:
    """Return what works on the database of the settings; says so where a server is set too."""
    from dalsegno.server.database import Keeper

    settings = get_current_settings()
    keeper = Keeper(settings)
    if settings.api.url is not None:
        print(
            f"This works on the database itself, {keeper.shown}, and not through the server that DALSEGNO_API_URL "
            "names.",
            file=sys.stderr,
        )
    return keeper


def _see_that_nobody_uses_it(keeper: Keeper, force: bool) -> None:
    users = [] if force else keeper.users()
    if users:
        raise CommandError(
            f"{keeper.shown} is in use. Stop what uses it, or give --force and restart it afterwards:",
            details=[f"  {each}" for each in users],
        )


def _confirm(question: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("There is no terminal to ask at; --yes says that you mean it.")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was deleted.")


def _page(found: DatabaseStats) -> str:
    rows = [(each.name, _number(each.rows, "" if each.exact else "~"), _number(each.bytes)) for each in found.tables]
    head = page(
        [
            ("Database", found.url),
            ("Schema version", f"{found.schema_version} (this Dalsegno: {found.known_schema_version})"),
            ("Size", f"{found.bytes:,} bytes"),
            ("Free within it", None if found.free_bytes is None else f"{found.free_bytes:,} bytes"),
            ("Oldest run", _moment(found.oldest_run)),
            ("Newest run", _moment(found.newest_run)),
        ]
    )
    return f"{head}\n\n{table(TABLE, rows, standard_output())}"


def _number(value: int | None, sign: str = "") -> str:
    return "?" if value is None else f"{sign}{value:,}"


def _moment(moment: datetime | None) -> str:
    return "none" if moment is None else clock(round(moment.timestamp() * 1_000_000))
