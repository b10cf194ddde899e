"""Ends leases that were not renewed: of runs, which are called Crashed and recovered by their policy, and of slots.

Suspended runs whose time is up are failed beside that.
"""

from __future__ import annotations

from dalsegno._store import background, changes, crashes, leases, pauses, slots
from dalsegno._store.connection import Database


def interval(lease: int) -> float:
    """Return how often to tick, in seconds, for leases of a length in microseconds.

    Well within the silence that counts as an outage.
    """
    return min(2.0, lease / 6e6)


def tick(database: Database, lease: int, now: int) -> int:
    """Note that leases can be renewed here, then end those that were not; return how many ended."""
    # First, for what it notes says whether anybody can be blamed.
    if not database.read(lambda connection: leases.is_noted(connection, lease, now)):
        database.write(lambda connection: leases.note_served(connection, lease, now), express=True, repeatable=True)
    ended = crashes.find_crashed(database, now) + crashes.find_idle_claims(database, now)
    ended += pauses.expire(database, now) + background.recover_idle(database, now)
    if database.read(slots.any_with_lease):
        ended += database.write(lambda connection: slots.free_expired(connection, now), repeatable=True)
    if ended:
        database.announce(changes.Changes(frozenset({"flow_run", "task_run", "slot"})))
    return ended
