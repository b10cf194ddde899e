"""`concurrency` and `rate_limit` as flows and tasks use them, sync or not."""

from __future__ import annotations

from typing import Any

from dalsegno._backend.connect import connect
from dalsegno._engine.concurrency import Concurrency, use_rate
from dalsegno._engine.dispatch import in_async_context
from dalsegno._engine.drivers import drive, drive_async
from dalsegno.exceptions import AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]


def concurrency(
    names: str | list[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300,
    strict: bool = False,
    holder: str | None = None,
    raise_on_lease_renewal_failure: bool | None = None,
    *,
    key: str | None = None,
    limit: int | None = None,
) -> Concurrency:
    """Hold slots of global limits while a block runs; who comes first is served first.

    Slots belong to a lease, which is renewed meanwhile: those of a process that dies are free for others.

    Args:
        names: One limit or several, of which the slots are had together. One that does not exist limits nothing.
        occupy: How many slots of each.
        timeout_seconds: How long to wait; None: as long as it takes.
        max_retries: How often to ask again; None: as long as it takes.
        lease_duration: Seconds after which slots are free that are not renewed. Those of a run come back with the
            run's own lease too.
        strict: A limit that does not exist is an error.
        holder: Who holds them, as people see it; by default the run.
        raise_on_lease_renewal_failure: Whether the block is broken off when the slots were lost; by default if
            `strict`. Else a warning is logged.
        key: The limit holds for each key by itself: a customer, a table, a host.
        limit: A limit that does not exist is made with so many slots.

    Raises:
        ConcurrencySlotAcquisitionError: The slots can never be had, or were lost.
        AcquireConcurrencySlotTimeoutError: They were not to be had in time.

    Example:
        >>> with concurrency("database", occupy=2):
        ...     copy(table)
        >>> async with concurrency("api", key=customer, limit=3):
        ...     await fetch(customer)
    """
    chosen, occupy = checked(names, occupy)
    return Concurrency(
        connect,
        chosen,
        occupy=occupy,
        timeout_seconds=timeout_seconds,
        max_retries=max_retries,
        lease_duration=lease_duration,
        strict=strict,
        holder=holder,
        raise_on_lease_renewal_failure=raise_on_lease_renewal_failure,
        key=key,
        limit=limit,
    )


def rate_limit(
    names: str | list[str], occupy: int = 1, timeout_seconds: float | None = None, strict: bool = False
) -> Any:
    """Wait until slots of limits are there whose slots come back by themselves (``slot_decay_per_second``).

    Called in plain code, awaited in coroutines.

    Args:
        names: One limit or several. One that does not exist limits nothing.
        occupy: How many slots are used up of each.
        timeout_seconds: How long to wait; None: as long as it takes.
        strict: A limit that does not exist is an error.

    Raises:
        ConcurrencySlotAcquisitionError: The slots can never be had.
        AcquireConcurrencySlotTimeoutError: They were not to be had in time.

    Example:
        >>> rate_limit("calls")
    """
    chosen, occupy = checked(names, occupy)
    life = use_rate(connect, chosen, occupy, timeout_seconds, strict)
    return drive_async(life) if in_async_context() else drive(life)


def checked(names: str | list[str], occupy: int) -> tuple[list[str], int]:
    """Return each name once, and how many slots. Raises ValueError if those are none."""
    if occupy < 1:
        raise ValueError(f"occupy is {occupy}: one slot is the least that can be asked for.")
    return [names] if isinstance(names, str) else list(dict.fromkeys(names)), occupy
