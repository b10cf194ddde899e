"""Which end of a list comes first."""

from __future__ import annotations

from dalsegno.model.resources.commands import Order

__all__ = ["Order"]
