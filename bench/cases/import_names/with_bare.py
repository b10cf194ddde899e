"""Nothing: what an interpreter costs by itself."""

from __future__ import annotations
