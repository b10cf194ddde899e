"""Slows down whoever guesses passwords: counts failures by user, by address, and by both together.

A login counts as a failure until it succeeds, so that many at once do not slip through before the first is counted.
"""

from __future__ import annotations

import ipaddress

import msgspec

from dalsegno._store import login_attempts
from dalsegno._store.connection import Connection

SECOND = 1_000_000
WINDOW = 3600 * SECOND
"""What failed longer ago than this is forgotten."""


class Rule(msgspec.Struct, frozen=True):
    """How many failures are free, and how long (in seconds) one waits at most after further ones."""

    kind: str
    free: int
    longest: int


PAIR = Rule("pair", free=5, longest=900)
ADDRESS = Rule("address", free=30, longest=900)
# Short: it must not be a way of keeping a user out.
USER = Rule("user", free=30, longest=10)


class TooManyAttempts(Exception):
    """A login was tried too early; `seconds` says how much."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many logins have failed: try again in {seconds} s.")
        self.seconds = seconds


def begin(connection: Connection, name: str, address: str, now: int) -> None:
    """Count an attempt. Raises TooManyAttempts if it has to wait; then it does not count."""
    since = now - WINDOW
    for rule, subject in _subjects(name, address):
        failures, last = login_attempts.read_failures(connection, subject, since)
        free_at = last + wait_after(rule, failures) * SECOND
        if now < free_at:
            raise TooManyAttempts(-((now - free_at) // SECOND))
    for _, subject in _subjects(name, address):
        login_attempts.count_failure(connection, subject, now, since)


def succeeded(connection: Connection, name: str, address: str) -> None:
    """Take back an attempt that was none."""
    for rule, subject in _subjects(name, address):
        if rule is PAIR:
            login_attempts.forget(connection, subject)
        else:
            login_attempts.take_back(connection, subject)


def wait_after(rule: Rule, failures: int) -> int:
    """Return how many seconds after the last of so many failures the next attempt may come."""
    return 0 if failures < rule.free else min(rule.longest, 1 << min(failures - rule.free, 20))


def _subjects(name: str, address: str) -> list[tuple[Rule, str]]:
    name, network = name[:100], _network(address)
    return [(PAIR, f"pair {name} {network}"), (ADDRESS, f"address {network}"), (USER, f"user {name}")]


def _network(address: str) -> str:
    """Return what counts as one address: of IPv6 the network, for whoever has one address has 2⁶⁴."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
