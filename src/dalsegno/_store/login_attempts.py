"""Counts failed logins, so that all servers of one database slow down whoever guesses passwords."""

from __future__ import annotations

from dalsegno._store.connection import Connection


def count_failure(connection: Connection, subject: str, now: int, since: int) -> None:
    """Count a failed login of a subject; the count begins anew where the last one was before `since`."""
    connection.execute(
        "INSERT INTO login_attempt (subject, failures, last) VALUES (?, 1, ?) ON CONFLICT (subject) DO UPDATE SET"
        " failures = CASE WHEN login_attempt.last < ? THEN 1 ELSE login_attempt.failures + 1 END, last = excluded.last",
        (subject, now, since),
    )


def read_failures(connection: Connection, subject: str, since: int) -> tuple[int, int]:
    """Return how often a subject has failed to log in, and when last; (0, 0): never, or not since."""
    row = connection.execute(
        "SELECT failures, last FROM login_attempt WHERE subject = ? AND last >= ?", (subject, since)
    ).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def take_back(connection: Connection, subject: str) -> None:
    """Take back the last count of a subject: it was none."""
    connection.execute("UPDATE login_attempt SET failures = failures - 1 WHERE subject = ?", (subject,))


def forget(connection: Connection, subject: str) -> None:
    """Begin to count anew."""
    connection.execute("DELETE FROM login_attempt WHERE subject = ?", (subject,))


def delete_old_attempts(connection: Connection, before: int) -> int:
    """Delete counts that are of no use any longer; return how many."""
    return connection.execute("DELETE FROM login_attempt WHERE last < ?", (before,)).rowcount
