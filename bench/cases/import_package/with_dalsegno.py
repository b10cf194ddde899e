"""The package alone."""

from __future__ import annotations

import dalsegno  # noqa: F401
