"""`dalsegno server create-admin`: the first admin, made in the database itself."""

from __future__ import annotations

import getpass
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.cli.server_access import ask_password
from dalsegno.settings import get_current_settings


def create_admin(
    *,
    name: Annotated[str | None, Parameter(help="Their name; by default the setting server.admin_name.")] = None,
    password_stdin: Annotated[
        bool, Parameter(help="Read the password from standard input, whose first line it is.")
    ] = False,
) -> None:
    """Make the first admin, without whom a server listens on loopback only. Works on the database itself."""
    from dalsegno.server.access.direct import open_direct

    settings = get_current_settings()
    password = ask_password(password_stdin)
    with open_direct(settings, getpass.getuser()) as direct:
        made = direct.create_first_admin(name or settings.server.admin_name, password)
    if made is None:
        raise CommandError("There is an admin already; admins make others with `dalsegno user create --role admin`.")
    print(f"Admin {made.name!r} is made.")
