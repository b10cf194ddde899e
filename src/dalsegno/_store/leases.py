"""When a lease has ended: it was not renewed for its length, though those who hold leases could have renewed it.

Servers note that they serve. Where none did for longer than a part of a lease, nobody could renew, and no lease ends
before another length has passed; what they note is the database's, so every server and command obeys it.
"""

from __future__ import annotations

from dalsegno._store.connection import Connection

DEFAULT_LENGTH = 30_000_000
"""Microseconds."""

_AVAILABILITY = "SELECT last_served, gap, unavailable_until FROM availability WHERE id = 1"
_SERVE = """
    INSERT INTO availability (id, last_served, gap, unavailable_until) VALUES (1, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET last_served = excluded.last_served, gap = excluded.gap,
        unavailable_until = excluded.unavailable_until
    WHERE excluded.last_served > availability.last_served
"""


def is_noted(connection: Connection, length: int, now: int) -> bool:
    """Tell whether it was noted so recently that there need be no other note: each wakes all who wait for changes."""
    row = connection.execute(_AVAILABILITY).fetchone()
    return row is not None and row[1] == length // 3 and 0 <= now - row[0] <= length // 10


def note_served(connection: Connection, length: int, now: int) -> None:
    """Note that leases of this length can be renewed at this time; after an outage they get another length."""
    row = connection.execute(_AVAILABILITY).fetchone()
    unavailable_until = now if row is None or now - row[0] > row[1] else row[2]
    connection.execute(_SERVE, (now, length // 3, unavailable_until))


def counted_from(connection: Connection, now: int) -> int:
    """Return the time before which nobody can be blamed for not having renewed a lease."""
    row = connection.execute(_AVAILABILITY).fetchone()
    if row is None:
        return 0  # No server ever served: everybody renews in the database itself.
    last_served, gap, unavailable_until = row
    return now if now - last_served > gap else unavailable_until


def has_ended(renewed: int, length: int, counted_from: int, now: int) -> bool:
    """Tell whether a lease that was last renewed then has ended."""
    return max(renewed, counted_from) + length < now
