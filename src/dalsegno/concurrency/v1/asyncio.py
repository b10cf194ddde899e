"""What `dalsegno.concurrency.v1.sync` has, for coroutines."""

from __future__ import annotations

from dalsegno.concurrency.asyncio import rate_limit
from dalsegno.concurrency.v1.sync import concurrency
from dalsegno.exceptions import AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]
