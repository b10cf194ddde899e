"""The parts that tables with a row for each task run or log line are cut into: one for each week of roots.

A root's id begins with its time, so what one run wrote lies in one part, and a part that is past its age is dropped as
a whole. Weeks, since ninety days of them are few enough to look through all of them for one id, and none is large
enough for its age to matter. What belongs to no part lies in a default one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import BackendUnavailable

TABLES = ("task_run", "log")
AHEAD = 4
"""Weeks for which there are parts before they begin: for so long may nobody see to it."""
_WEEK_MS = 7 * 86_400_000
_MONDAY_MS = 4 * 86_400_000
"""1970 began on a Thursday."""
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '100ms'"
"""Others queue behind whoever waits for a lock on a whole table; so rather try again in the next round."""
_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(739251)"
_NAMES = """
    SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = ?::regclass ORDER BY child.relname
"""
_NAME = re.compile(r"_(\d{4})(\d{2})(\d{2})$")


@dataclass(frozen=True, order=True)
class Week:
    """Seven days from a Monday on (UTC)."""

    number: int

    @classmethod
    def of(cls, moment: int) -> Week:
        """Return the week of a time in microseconds."""
        return cls((moment // 1000 - _MONDAY_MS) // _WEEK_MS)

    @property
    def start(self) -> bytes:
        """The lowest id of the week."""
        return (self.number * _WEEK_MS + _MONDAY_MS).to_bytes(6, "big") + bytes(10)

    @property
    def end(self) -> bytes:
        """The lowest id after it."""
        return Week(self.number + 1).start

    def part_of(self, table: str) -> str:
        """Return the name of a table's part for this week."""
        day = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.number * _WEEK_MS + _MONDAY_MS)
        return f"{table}_{day:%Y%m%d}"


def weeks(connection: Connection, table: str) -> list[Week]:
    """Return the weeks for which a table has parts, the oldest first."""
    found: list[Week] = []
    for (name,) in connection.execute(_NAMES, (table,)):
        match = _NAME.search(name)
        if match is not None:
            year, month, day = (int(digits) for digits in match.groups())
            found.append(Week.of(round(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000))
    return found


def make_ahead(database: Database, now: int) -> list[str]:
    """Make the parts of this week and the next ones that are not there yet; return their names."""
    wanted = [Week(Week.of(now).number + ahead) for ahead in range(AHEAD + 1)]

    def missing(connection: Connection) -> list[tuple[str, Week]]:
        there = {table: set(weeks(connection, table)) for table in TABLES}
        return [(table, week) for week in wanted for table in TABLES if week not in there[table]]

    made: list[str] = []
    for table, week in database.read(missing):
        try:
            done = database.write(
                lambda connection, table=table, week=week: _make(connection, table, week), repeatable=True
            )
        except BackendUnavailable:
            # Somebody holds the table for long. There are weeks of time.
            break
        if done:
            made.append(week.part_of(table))
    return made


def drop(connection: Connection, week: Week, tables: tuple[str, ...]) -> None:
    """Drop the parts of a week. Raises BackendUnavailable while others hold on to them."""
    connection.execute(_LOCK_TIMEOUT)
    for table in tables:
        connection.execute(f"DROP TABLE IF EXISTS {week.part_of(table)}")


def _make(connection: Connection, table: str, week: Week) -> bool:
    """Make a part. False: another process is at it, or rows of that week lie in the default part, where they stay."""
    name = week.part_of(table)
    connection.execute(_LOCK_TIMEOUT)
    if not connection.execute(_ONE_AT_A_TIME).fetchone()[0]:
        return False
    # Attaching takes lighter locks than making it in its place; this one keeps rows from coming between look and deed.
    connection.execute(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE")
    connection.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
    if connection.execute("SELECT to_regclass(?)", (name,)).fetchone()[0] is not None:
        return False
    range_ = (week.start, week.end)
    look = f"SELECT 1 FROM {table}_default WHERE root_run_id >= ? AND root_run_id < ? LIMIT 1"
    if connection.execute(look, range_).fetchone() is not None:
        return False
    connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    connection.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('\\x{week.start.hex()}') TO ('\\x{week.end.hex()}')"
    )
    return True
