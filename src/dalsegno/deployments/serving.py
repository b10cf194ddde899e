"""`serve`: deployments whose runs this program executes, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging

from dalsegno._backend.connect import connect
from dalsegno._engine.awaiting import in_thread
from dalsegno._engine.dispatch import in_async_context
from dalsegno._engine.options import NotSet, not_set
from dalsegno.deployments.runner import Runner, stopped_by_signals
from dalsegno.deployments.runner_deployment import RunnerDeployment
from dalsegno.schedules import Schedule


def serve(
    *deployments: RunnerDeployment,
    pause_on_shutdown: bool = True,
    print_starting_message: bool = True,
    limit: int | NotSet | None = not_set,
    webserver: bool = False,
    name: str | None = None,
) -> None:
    """Deploy, and execute the runs that are asked for, by hand or by schedules, until the program is told to stop.

    Each run has a process of its own; edited code is seen by the next run. With no server the embedded database is
    enough. SIGTERM and Ctrl-C end it, after the runs that it has begun; a second one at once, and what is broken off
    so is picked up when it is served again.

    Args:
        deployments: Made by `flow.to_deployment`.
        pause_on_shutdown: Whether the schedules are paused when it ends, until it is served again.
        print_starting_message: Whether it says what it serves.
        limit: Most runs at a time; by default the setting `runner.process_limit`.
        webserver: Whether it says over HTTP how it does.
        name: Of the runner, for people.

    Raises:
        RuntimeError: It is called in a coroutine; await `aserve` there.

    Example:
        >>> serve(extract.to_deployment("hourly", cron="@hourly"), load.to_deployment("nightly", cron="@daily"))
    """
    if in_async_context():
        raise RuntimeError("serve blocks, and would stop the loop: in a coroutine write `await aserve(...)`.")
    _prepared(deployments, pause_on_shutdown, print_starting_message, limit, webserver, name).start()


async def aserve(
    *deployments: RunnerDeployment,
    pause_on_shutdown: bool = True,
    print_starting_message: bool = True,
    limit: int | NotSet | None = not_set,
    webserver: bool = False,
    name: str | None = None,
) -> None:
    """Do what `serve` does, beside the loop. Cancelling it stops it as SIGTERM does."""
    runner = await in_thread(_prepared, deployments, pause_on_shutdown, print_starting_message, limit, webserver, name)
    serving = asyncio.ensure_future(in_thread(runner.start))
    with stopped_by_signals(asyncio.get_running_loop(), runner.stop):
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            runner.stop()
            await serving
            raise


def _prepared(
    deployments: tuple[RunnerDeployment, ...],
    pause_on_shutdown: bool,
    told: bool,
    limit: int | NotSet | None,
    webserver: bool,
    name: str | None,
) -> Runner:
    for each in deployments:
        if not isinstance(each, RunnerDeployment):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{each!r} is no deployment; flow.to_deployment(name) makes one.")
    _show_log()
    runner = Runner(name, limit=limit, pause_on_shutdown=pause_on_shutdown, webserver=webserver)
    for each in deployments:
        runner.add_deployment(each)
    if told:
        print(starting_message(runner), flush=True)
    return runner


def starting_message(runner: Runner) -> str:
    """Return what a program says that begins to serve: what, when it runs, and how it is run by hand."""
    lines = [f"Serving {_counted(len(runner.deployments))}, recorded in {connect().url}:"]
    for each in runner.deployments:
        schedules = each.spec.schedules or []
        when = "; ".join(str(Schedule.from_spec(spec)) for spec in schedules) or "when it is asked for"
        lines.append(f"  {each.full_name}: {when}")
    first = runner.deployments[0].full_name
    lines.append(f"Run one now:  run_deployment({first!r}), of dalsegno.deployments")
    lines.append("Ctrl-C ends it.")
    return "\n".join(lines)


def _counted(number: int) -> str:
    return "1 deployment" if number == 1 else f"{number} deployments"


def _show_log() -> None:
    """Show what the worker has to say, unless the program has arranged that itself."""
    logger = logging.getLogger("dalsegno.workers")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s | %(levelname)-7s | Runner - %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
