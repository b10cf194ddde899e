"""`skip`: ends the task in whose body it is called."""

from __future__ import annotations

from typing import NoReturn

from dalsegno.exceptions import Skip


def skip(message: str = "") -> NoReturn:
    """End the task as Skipped: dependents are skipped too unless their trigger allows it.

    Example:
        >>> if not files:
        ...     skip("No new files today.")
    """
    raise Skip(message)
