"""`dalsegno worker`: execute runs that were asked for, until it is told to stop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from dalsegno.cli import worker_ls
from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import group
from dalsegno.settings import get_current_settings

if TYPE_CHECKING:
    from dalsegno.workers import BaseWorker

app = group("worker", "Execute runs that were asked for.")
app.command(worker_ls.ls)


@app.command
def start(
    *,
    pool: Annotated[
        str | None, Parameter(name=["--pool", "-p"], help="The work pool; without one, runs that belong to none.")
    ] = None,
    queue: Annotated[
        tuple[str, ...],
        Parameter(name=["--queue", "-q"], help="A queue of the pool; can be given again. All by default."),
    ] = (),
    type: Annotated[
        Literal["process"], Parameter(name=["--type", "-t"], help="What runs get: a process on this machine.")
    ] = "process",
    name: Annotated[str | None, Parameter(name=["--name", "-n"], help="The worker's name, for people.")] = None,
    limit: Annotated[int | None, Parameter(name=["--limit", "-l"], help="Most runs at a time.")] = None,
    run_once: Annotated[bool, Parameter(help="End when nothing that is due waits any more.")] = False,
    with_healthcheck: Annotated[bool, Parameter(help="Answer GET /health over HTTP.")] = False,
    create_pool: Annotated[
        bool,
        Parameter(
            negative="--no-create-pool-if-not-found",
            name="--create-pool-if-not-found",
            help="Make the pool if it is not there.",
        ),
    ] = True,
) -> None:
    """Claim runs and execute each in a process of its own; SIGTERM and Ctrl-C end it, a second one at once."""
    from dalsegno.workers import ProcessWorker

    if limit is not None and limit < 1:
        raise CommandError(f"--limit is {limit}, but a worker executes at least one run at a time.")
    if queue and pool is None:
        raise CommandError("--queue names a queue of a pool: say which, with --pool.")
    logging.basicConfig(format="%(asctime)s | %(levelname)-7s | Worker - %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("dalsegno.workers").setLevel(logging.INFO)
    worker = ProcessWorker(pool, queue, name, limit=limit, create_pool_if_not_found=create_pool)
    with _health(worker) if with_healthcheck else contextlib.nullcontext():
        where = "without a pool" if pool is None else f"for pool {pool!r}"
        print(f"Worker {worker.name!r} takes runs {where}, {worker.limit} at a time. Ctrl-C ends it.", flush=True)
        worker.start(run_once)


@contextlib.contextmanager
def _health(worker: BaseWorker) -> Generator[None]:
    from dalsegno.workers.health import HealthServer

    settings = get_current_settings().worker
    try:
        server = HealthServer(worker, settings.healthcheck_host, settings.healthcheck_port)
    except OSError as error:
        raise CommandError(
            f"The port {settings.healthcheck_port} for /health cannot be had: {error.strerror}. Set "
            "DALSEGNO_WORKER_HEALTHCHECK_PORT to another, or 0 for any that is free."
        ) from error
    print(f"It answers {server.url}.", flush=True)
    try:
        yield
    finally:
        server.close()
