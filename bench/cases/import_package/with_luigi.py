"""The package alone."""

from __future__ import annotations

import luigi  # noqa: F401
