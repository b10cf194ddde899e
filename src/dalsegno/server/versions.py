"""Which clients this server works with: those one minor version older or newer, and those that do not say."""

from __future__ import annotations

import re

import dalsegno

HEADER = "dalsegno-version"
_VERSION = re.compile(r"(\d{1,5})\.(\d{1,5})(\..*)?")


def oldest_client() -> str:
    """Return the oldest version of a client that this server works with."""
    major, minor = _own()
    return f"{major}.{max(0, minor - 1)}"


def newest_client() -> str:
    """Return the newest one."""
    major, minor = _own()
    return f"{major}.{minor + 1}"


def refusal(client: str | None) -> str | None:
    """Return why a client of a version is refused, and which of the two to upgrade; None: it is not."""
    if client is None:
        return None
    found = _VERSION.fullmatch(client)
    if found is None:
        return f"The header {HEADER} says {client[:40]!r}, which is no version; it is like {dalsegno.__version__!r}."
    theirs, ours = (int(found[1]), int(found[2])), _own()
    if theirs[0] == ours[0] and abs(theirs[1] - ours[1]) <= 1:
        return None
    which = "client" if theirs < ours else "server"
    return (
        f"The client is Dalsegno {client[:40]}, this server is {dalsegno.__version__} and works with clients"
        f" {oldest_client()} to {newest_client()}: upgrade the {which}."
    )


def _own() -> tuple[int, int]:
    major, minor, *_ = dalsegno.__version__.split(".")
    return int(major), int(minor)
