"""Limits on how much is done at one time, or in some time, by all processes together.

`concurrency` is the same in both; `rate_limit` is called in plain code and awaited in coroutines.
"""

from __future__ import annotations

from dalsegno.concurrency.sync import concurrency, rate_limit
from dalsegno.exceptions import AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]
