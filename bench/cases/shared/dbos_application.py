"""Configures and launches DBOS on the SQLite database of this process; used by its case scripts only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbos import DBOS

import probe

DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{probe.home() / 'dbos.sqlite'}"})


@contextmanager
def launched() -> Iterator[None]:
    """DBOS running, its schema made; shut down at the end."""
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy()
