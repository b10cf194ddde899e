"""What a template does once, so that the processes that are forked from it need not: importing, hashing sources.

It opens nothing and starts nothing: no connection, no thread.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from dalsegno.workers.orders import FileStamp

_ALWAYS = (
    "dalsegno.flow_runs",
    "dalsegno._engine.parameters",
    "dalsegno._engine.deployed",
    "dalsegno._engine.lineage",
    "dalsegno._journal.courier",
    "json",
    "pwd",
)
_EMBEDDED = ("dalsegno._backend.embedded", "dalsegno._store.sqlite.connection")
_POSTGRESQL = ("dalsegno._store.postgresql.database",)
_REMOTE = ("dalsegno._backend.http", "dalsegno._backend.operations", "dalsegno.results.server_files")


def import_what_runs_need() -> None:
    """Import the engine, and the backend that the settings ask for."""
    from dalsegno.settings import get_current_settings

    settings = get_current_settings()
    names = _EMBEDDED if settings.api.url is None else _REMOTE
    if settings.api.url is None and settings.database.url.startswith("postgresql"):
        names += _POSTGRESQL
    for name in (*_ALWAYS, *names):
        importlib.import_module(name)
    if settings.api.url is not None:
        from dalsegno._backend.operations import operations

        operations()


def read_sources(files: Sequence[FileStamp]) -> None:
    """Read the sources of the flows and tasks in the user's own files."""
    from dalsegno._engine.logs import ensure_logging
    from dalsegno.flows import Flow
    from dalsegno.tasks import Task

    ensure_logging()
    paths = {stamp.path for stamp in files}
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) not in paths:
            continue
        for value in list(vars(module).values()):
            if isinstance(value, Flow | Task):
                _ = value.definition
