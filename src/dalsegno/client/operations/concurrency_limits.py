"""Concurrency limits, and who holds their slots."""

from __future__ import annotations

from typing import Literal

from dalsegno.client.calls import Call, Id, Pages, change, get, segment
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.commands import MOST_ITEMS
from dalsegno.model.resources.concurrency_limits import (
    ConcurrencyLimit,
    ConcurrencyLimitChange,
    ConcurrencyLimitNew,
    ConcurrencyLimitPage,
    ConcurrencyLimitReset,
    SlotHolderPage,
)


class ConcurrencyLimitOperations:
    """Operations on limits that code names (``global``), and on those of task runs by tag."""

    @operation
    def read_concurrency_limit(self, id: Id) -> Call[ConcurrencyLimit]:
        """Return a limit. Raises ObjectNotFound."""
        return get(_path(id), ConcurrencyLimit)

    @operation
    def read_concurrency_limits(
        self, *, kind: Literal["global", "tag"] = "global", limit: int = 50, cursor: str | None = None
    ) -> Call[ConcurrencyLimitPage]:
        """Return a page of limits, by name."""
        return get("concurrency-limits", ConcurrencyLimitPage, {"kind": kind, "limit": limit, "cursor": cursor})

    @listing
    def iterate_concurrency_limits(self, *, kind: Literal["global", "tag"] = "global") -> Pages[ConcurrencyLimit]:
        """Iterate over all limits of a kind, by name."""
        return Pages(
            lambda at: get(
                "concurrency-limits", ConcurrencyLimitPage, {"kind": kind, "limit": MOST_ITEMS, "cursor": at}
            )
        )

    @operation
    def create_concurrency_limit(
        self,
        name: str,
        limit: int,
        *,
        kind: Literal["global", "tag"] = "global",
        active: bool = True,
        slot_decay_per_second: float = 0.0,
    ) -> Call[ConcurrencyLimit]:
        """Make a limit. Raises ObjectAlreadyExists."""
        new = ConcurrencyLimitNew(
            name=name, limit=limit, kind=kind, active=active, slot_decay_per_second=slot_decay_per_second
        )
        return change("POST", "concurrency-limits", ConcurrencyLimit, new)

    @operation
    def update_concurrency_limit(
        self,
        id: Id,
        *,
        name: str | None = None,
        limit: int | None = None,
        active: bool | None = None,
        slot_decay_per_second: float | None = None,
    ) -> Call[ConcurrencyLimit]:
        """Change what is given of a limit; who holds more slots than it has keeps them."""
        changed = ConcurrencyLimitChange(
            name=name, limit=limit, active=active, slot_decay_per_second=slot_decay_per_second
        )
        return change("PATCH", _path(id), ConcurrencyLimit, changed)

    @operation
    def delete_concurrency_limit(self, id: Id) -> Call[None]:
        """Delete a limit: what held its slots goes on unlimited. Raises ObjectNotFound."""
        return change("DELETE", _path(id), type(None))

    @operation
    def reset_concurrency_limit(self, id: Id) -> Call[ConcurrencyLimitReset]:
        """Take all slots from those who hold them."""
        return change("POST", f"{_path(id)}/reset", ConcurrencyLimitReset)

    @operation
    def read_slot_holders(self, id: Id, *, limit: int = 50, cursor: str | None = None) -> Call[SlotHolderPage]:
        """Return a page of those who hold slots of a limit, the first that came first."""
        return get(f"{_path(id)}/holders", SlotHolderPage, {"limit": limit, "cursor": cursor})


def _path(id: Id) -> str:
    return f"concurrency-limits/{segment(id)}"
