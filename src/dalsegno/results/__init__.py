"""Results: how values of runs are kept, signed, found again and read.

Begin with `encoding`, for what stands in a run's row, or `store`, for values under keys.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dalsegno.results.record import ResultRecord, ResultRecordMetadata
    from dalsegno.results.store import ResultStore, get_result_store
    from dalsegno.serializers import ResultTooLarge

__all__ = ["ResultRecord", "ResultRecordMetadata", "ResultStore", "ResultTooLarge", "get_result_store"]

_MODULES = {
    "ResultRecord": "dalsegno.results.record",
    "ResultRecordMetadata": "dalsegno.results.record",
    "ResultStore": "dalsegno.results.store",
    "ResultTooLarge": "dalsegno.serializers",
    "get_result_store": "dalsegno.results.store",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load public names on first use."""
        if name in _MODULES:
            return getattr(importlib.import_module(_MODULES[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
