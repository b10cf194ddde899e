"""Where a request comes from: its address, whether that is this machine, and what a proxy that is trusted says."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from dalsegno.exceptions import ConfigurationError

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

FORWARDED = frozenset(
    {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"forwarded", b"x-real-ip", b"via"}
)
_MOST_KNOWN = 1000


class Peer(msgspec.Struct, frozen=True):
    """Where a request comes from."""

    address: str
    """The client's address, or else the proxy's."""
    is_local: bool
    """It comes from this machine itself, by no proxy."""
    scheme: str
    host: str | None
    """What the Host header says, or said when the request came to the proxy."""


class Peers:
    """Tells where requests come from; `trusted_proxies` are addresses and networks."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [_network(text) for text in trusted_proxies]
        self._known: dict[str, tuple[bool, bool]] = {}

    def peer(self, address: str, scheme: str, headers: Headers, by_name: Mapping[bytes, bytes]) -> Peer:
        """Return where a request comes from: `address` and `scheme` are those of its connection."""
        is_loopback, is_trusted = self._place(address)
        host = by_name.get(b"host")
        found = None if host is None else host.decode("latin-1")
        # Whoever forwards is no program of this machine's user, even if it runs here.
        if by_name.keys().isdisjoint(FORWARDED):
            return Peer(address, is_loopback, scheme, found)
        if not is_trusted:
            return Peer(address, False, scheme, found)
        return Peer(
            self._client(address, headers),
            False,
            "https" if _last(by_name, b"x-forwarded-proto") == "https" else "http",
            _last(by_name, b"x-forwarded-host") or found,
        )

    def _client(self, address: str, headers: Headers) -> str:
        """Return the address that the last proxy which is not trusted had, or the first of the trusted ones."""
        hops = [
            hop for name, value in headers if name == b"x-forwarded-for" for hop in value.decode("latin-1").split(",")
        ]
        for hop in reversed([hop.strip() for hop in hops]):
            try:
                address = str(ipaddress.ip_address(hop))
            except ValueError:
                return address
            if not self._place(address)[1]:
                return address
        return address

    def _place(self, address: str) -> tuple[bool, bool]:
        """Return whether an address is of this machine, and whether it is a trusted proxy's."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            known = self._known[address] = (is_loopback(address), self._is_trusted(address))
        return known

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = _plain(address)
        except ValueError:
            return False
        return any(parsed.version == network.version and parsed in network for network in self._trusted)


def is_loopback(host: str) -> bool:
    """Tell whether an address, or the name localhost, is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return _plain(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return mapped or parsed


def _last(by_name: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = by_name.get(name)
    return None if value is None else value.decode("latin-1").rpartition(",")[2].strip().lower()


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ConfigurationError(
            f"DALSEGNO_SERVER_TRUSTED_PROXIES has {text!r}, which is neither an address nor a network like 10.0.0.0/8."
        ) from None
