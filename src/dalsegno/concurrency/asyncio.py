"""`concurrency` and `rate_limit` for coroutines: ``async with concurrency(...)``, ``await rate_limit(...)``."""

from __future__ import annotations

from dalsegno._backend.connect import connect
from dalsegno._engine.concurrency import use_rate
from dalsegno._engine.drivers import drive_async
from dalsegno.concurrency import sync
from dalsegno.concurrency.sync import concurrency
from dalsegno.exceptions import AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]


async def rate_limit(
    names: str | list[str], occupy: int = 1, timeout_seconds: float | None = None, strict: bool = False
) -> None:
    """Do what `dalsegno.concurrency.sync.rate_limit` does; always awaited."""
    chosen, count = sync.checked(names, occupy)
    await drive_async(use_rate(connect, chosen, count, timeout_seconds, strict))
