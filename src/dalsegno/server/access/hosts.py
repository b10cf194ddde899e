"""Under which names the server may be reached: what a Host header may say, so that no foreign name can be rebound."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from dalsegno.server.access.peers import is_loopback

_MOST_KNOWN = 1000


class Hosts:
    """The names of a server: its address, loopback's if it listens there, and what the settings add.

    An added name stands for every port unless it has one (``flows.example.org:8443``); ``*.example.org`` stands for
    all names below. A server that listens on all addresses takes any address, for only names can be rebound.
    """

    def __init__(self, bound: str, allowed: Sequence[str]) -> None:
        bound = bound.strip("[]").lower()
        self._takes_addresses = bound in ("0.0.0.0", "::", "")
        self._names = {bound} - {"0.0.0.0", "::", ""}
        if self._takes_addresses or is_loopback(bound):
            self._names |= {"localhost", "127.0.0.1", "::1"}
        lower = [name.strip().lower() for name in allowed]
        self._suffixes = tuple(name[1:] for name in lower if name.startswith("*."))
        self._with_port = {name for name in lower if _split(name)[1]}
        self._names |= {_split(name)[0] for name in lower if not name.startswith("*.") and name not in self._with_port}
        self._known: dict[str, bool] = {}

    def __contains__(self, host: object) -> bool:
        """Tell whether a Host header names this server."""
        if not isinstance(host, str):
            return False
        known = self._known.get(host)
        if known is None:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            known = self._known[host] = self._is_ours(host.lower())
        return known

    def _is_ours(self, host: str) -> bool:
        name, _ = _split(host)
        if name in self._names or host in self._with_port or name.endswith(self._suffixes or ("\0",)):
            return True
        return self._takes_addresses and _is_address(name)


def _split(host: str) -> tuple[str, str]:
    """Return name and port of ``name:port``; brackets of an IPv6 address go."""
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name, rest.removeprefix(":")
    if host.count(":") > 1:
        return host, ""
    name, _, port = host.partition(":")
    return name.rstrip("."), port


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
