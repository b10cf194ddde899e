"""The package alone."""

from __future__ import annotations

import prefect  # noqa: F401
