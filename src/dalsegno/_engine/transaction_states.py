"""What can be said of a transaction: when it commits, how it is isolated, where it stands."""

from __future__ import annotations

from enum import Enum


class CommitMode(Enum):
    """When a transaction commits."""

    EAGER = "EAGER"
    """At its own end, whatever becomes of those around it. The default of an outermost one."""
    LAZY = "LAZY"
    """With the one around it. The default inside of another."""
    OFF = "OFF"
    """Only when `commit` is called: at its end it rolls back."""


class IsolationLevel(Enum):
    """Whether others may work on the same key meanwhile."""

    READ_COMMITTED = "READ_COMMITTED"
    """They may, and see only what was committed."""
    SERIALIZABLE = "SERIALIZABLE"
    """They wait: the key is locked. Needs a store with a lock manager."""


class TransactionState(Enum):
    """Where a transaction stands."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"


DECIDED = frozenset({TransactionState.COMMITTED, TransactionState.ROLLED_BACK})
