"""`dalsegno worker ls`: who is there to execute runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli.listing import show_list
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import Output
from dalsegno.cli.pool_tables import find_pool, worker_rows

NONE = "No workers: `dalsegno worker start --pool NAME` starts one."


def ls(
    *,
    pool: Annotated[str | None, Parameter(name=["--pool", "-p"], help="Of this work pool.")] = None,
    output: Output = "table",
) -> None:
    """List workers, and scripts that serve deployments of their own, the newest first."""
    backend = open_backend(runs=False)
    name = None if pool is None else find_pool(backend, pool).name
    show_list(iter(backend.list_workers(name)), None, output, worker_rows, empty=NONE)
