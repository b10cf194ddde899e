"""`dalsegno user`: who may log in to the server, and as what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.filters import check_limit
from dalsegno.cli.listing import Table, show_list, with_one_more
from dalsegno.cli.options import All, Limit, Output, group
from dalsegno.cli.screen import Screen
from dalsegno.cli.server_access import ask_password, existing_user, open_access
from dalsegno.cli.tables import Column
from dalsegno.model.resources.access import RoleName, UserView

NONE = "No users yet: on loopback nobody needs a login. `dalsegno server create-admin` makes the first one."

PasswordStdin = Annotated[bool, Parameter(help="Read the password from standard input, whose first line it is.")]

app = group("user", "List, make and delete the users of a server; change roles and passwords.")


@app.command
def ls(*, limit: Limit = 50, all: All = False, output: Output = "table") -> None:
    """List users by name."""
    shown, _ = with_one_more(check_limit(limit), all)
    with open_access() as access:
        show_list(access.users(), shown, output, user_rows, empty=NONE)


@app.command
def create(
    name: str,
    /,
    *,
    role: Annotated[RoleName, Parameter(help="What they may do: viewer, operator, editor or admin.")] = "viewer",
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a user; the password is asked for."""
    password = ask_password(password_stdin)
    with open_access() as access:
        made = access.create_user(name, password, role)
    print(f"User {made.name!r} is made, with the role {made.role!r}.")


@app.command
def set_role(name: str, role: RoleName, /) -> None:
    """Change what a user may do."""
    with open_access() as access:
        changed = access.change_user(existing_user(access, name), role=role)
    print(f"User {changed.name!r} has the role {changed.role!r}.")


@app.command
def set_password(name: str, /, *, password_stdin: PasswordStdin = False) -> None:
    """Give a user a new password, which ends their sessions."""
    with open_access() as access:
        user = existing_user(access, name)
        access.change_user(user, password=ask_password(password_stdin))
    print(f"User {user.name!r} has a new password and is logged out everywhere.")


@app.command
def delete(name: str, /) -> None:
    """Delete a user with their sessions and API keys."""
    with open_access() as access:
        user = existing_user(access, name)
        access.delete_user(user)
    print(f"User {user.name!r} is deleted.")


def user_rows(users: Sequence[UserView], screen: Screen) -> Table:
    """Return users as rows."""
    heads = (Column("NAME", shrinks=True), Column("ROLE"), Column("CREATED"), Column("LAST LOGIN"))
    rows = [[user.name, user.role, ago(user.created), ago(user.last_login, "never")] for user in users]
    return Table(heads, rows)


def ago(moment: datetime | None, otherwise: str = "") -> str:
    """Return how long ago something was."""
    return otherwise if moment is None else times.ago(round(moment.timestamp() * times.SECOND), times.now())
