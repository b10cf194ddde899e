"""The package alone."""

from __future__ import annotations

import dbos  # noqa: F401
