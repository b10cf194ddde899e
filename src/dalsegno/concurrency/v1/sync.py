"""Slots of tag limits, which task runs need by themselves, held by a block of code."""

from __future__ import annotations

import uuid

from dalsegno._backend.connect import connect
from dalsegno._engine.concurrency import Concurrency
from dalsegno.concurrency.sync import checked, rate_limit
from dalsegno.exceptions import AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]


def concurrency(
    names: str | list[str], task_run_id: uuid.UUID | str | None = None, timeout_seconds: float | None = None
) -> Concurrency:
    """Hold a slot of each of the tags while a block runs: ``with``, or ``async with`` in coroutines.

    Args:
        names: Tags. One that is not limited limits nothing.
        task_run_id: Who holds them, as people see it; by default the run.
        timeout_seconds: How long to wait; None: as long as it takes.

    Raises:
        AcquireConcurrencySlotTimeoutError: They were not to be had in time.

    Example:
        >>> with concurrency("database"):
        ...     copy(table)
    """
    chosen, _ = checked(names, 1)
    holder = None if task_run_id is None else str(task_run_id)
    return Concurrency(connect, chosen, kind="tag", timeout_seconds=timeout_seconds, holder=holder)
