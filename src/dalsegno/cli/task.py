"""`dalsegno task`: execute task runs in the background."""

from __future__ import annotations

import logging
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import group

app = group("task", "Execute task runs that were asked for with `delay`.")


@app.command
def serve(
    entrypoints: Annotated[
        tuple[str, ...],
        Parameter(
            name="ENTRYPOINT", help="`path/file.py:task` or `package.module:task`; without a name all tasks in it."
        ),
    ] = (),
    /,
    *,
    module: Annotated[
        tuple[str, ...], Parameter(name=["--module", "-m"], help="A module, all tasks of which are served.")
    ] = (),
    limit: Annotated[int, Parameter(name=["--limit", "-l"], help="Most runs at a time.")] = 10,
) -> None:
    """Claim runs of tasks and execute them here; SIGTERM and Ctrl-C end it, a second one at once."""
    from dalsegno.task_worker import TaskWorker, load_tasks

    tasks = [task for entrypoint in (*entrypoints, *module) for task in load_tasks(entrypoint)]
    if not tasks:
        raise CommandError("Say what is to be served: `dalsegno task serve file.py:task`, or `--module NAME`.")
    if limit < 1:
        raise CommandError(f"--limit is {limit}, but at least one run is executed at a time.")
    logging.basicConfig(format="%(asctime)s | %(levelname)-7s | Tasks - %(message)s", datefmt="%H:%M:%S")
    worker = TaskWorker(*tasks, limit=limit)
    names = ", ".join(sorted(repr(task.name) for task in worker.tasks.values()))
    print(f"Serving {names}, {limit} at a time. Ctrl-C ends it.", flush=True)
    worker.start()
