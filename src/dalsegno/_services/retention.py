"""Deletes what is past its age, slice by slice."""

from __future__ import annotations

from dalsegno._store import retention
from dalsegno._store.connection import Database

INTERVAL = 60.0
"""Seconds between two looks, once there is nothing left to delete."""


def tick(database: Database, now: int, runs_age: float | None, logs_age: float | None) -> int:
    """Delete a slice; return how many rows and pages went (0: nothing is left to do). Ages are in seconds."""
    return retention.clean_up(database, now, runs_age, logs_age)
