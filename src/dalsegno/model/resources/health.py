"""What a server says of itself."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Health(msgspec.Struct):
    """The server is there."""

    status: Annotated[str, Meta(description="`ok`, or `ready` where the database was looked at.")] = "ok"


class Version(msgspec.Struct):
    """Which version the server is, and the oldest and newest of the clients that it works with."""

    version: Annotated[str, Meta(description="The version of the server.")]
    oldest_client: Annotated[str, Meta(description="The oldest clients that it works with: major and minor version.")]
    newest_client: Annotated[str, Meta(description="The newest ones.")]
