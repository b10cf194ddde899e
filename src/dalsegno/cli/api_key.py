"""`dalsegno api-key`: what programs show to a server in place of a login."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.as_json import show_json
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit
from dalsegno.cli.listing import Table, show_list, with_one_more
from dalsegno.cli.options import All, Limit, Output, group
from dalsegno.cli.screen import Screen
from dalsegno.cli.server_access import existing_key, open_access
from dalsegno.cli.tables import Column
from dalsegno.cli.user import ago
from dalsegno.model.resources.access import ApiKeyView, RoleName
from dalsegno.settings.kinds import SECONDS

NONE = "No API keys yet: `dalsegno api-key create NAME` makes one."

app = group("api-key", "Make, list and revoke the API keys of a server.")


@app.command
def create(
    name: str,
    /,
    *,
    role: Annotated[RoleName | None, Parameter(help="What it may do; by default what you may.")] = None,
    expires: Annotated[str | None, Parameter(help="How long it is good for, such as 90d; by default for ever.")] = None,
    output: Output = "table",
) -> None:
    """Make an API key and print it: it is shown this once."""
    until = None if expires is None else datetime.fromtimestamp(time.time() + span(expires), UTC)
    with open_access() as access:
        made = access.create_api_key(name, role, until)
    if output == "json":
        show_json(made)
        return
    # The note goes elsewhere, so that standard output holds the key alone.
    print(made.key)
    print(f"API key {name!r}, with the role {made.api_key.role!r}. It is not shown again.", file=sys.stderr)


@app.command
def ls(*, limit: Limit = 50, all: All = False, output: Output = "table") -> None:
    """List API keys, newest first: all of them for admins, else your own."""
    shown, _ = with_one_more(check_limit(limit), all)
    with open_access() as access:
        show_list(access.api_keys(), shown, output, key_rows, empty=NONE)


@app.command
def revoke(key: Annotated[str, Parameter(help="Name, id or beginning of an id.")], /) -> None:
    """Revoke an API key: it is good for nothing from now on."""
    with open_access() as access:
        found = existing_key(access, key)
        access.revoke_api_key(found)
    print(f"API key {found.name!r} ({found.hint}...) is revoked.")


def span(text: str) -> float:
    """Return how many seconds ``"90d"`` stands for."""
    try:
        return SECONDS.read(text)
    except ValueError:
        raise CommandError(f"{text!r} is no time; write 12h, 30d or 52w.") from None


def key_rows(keys: Sequence[ApiKeyView], screen: Screen) -> Table:
    """Return keys as rows."""
    heads = (
        Column("ID"),
        Column("NAME", shrinks=True),
        Column("BEGINS"),
        Column("ROLE"),
        Column("USER", shrinks=True),
        Column("EXPIRES"),
        Column("LAST USED"),
    )
    rows = [
        [str(key.id), key.name, key.hint, key.role, key.user_name or "", when(key.expires), ago(key.last_used, "never")]
        for key in keys
    ]
    return Table(heads, rows)


def when(moment: datetime | None) -> str:
    """Return a time to come."""
    return "never" if moment is None else times.clock(round(moment.timestamp() * times.SECOND))[:16]
