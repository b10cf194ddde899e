"""`dalsegno flow-run retry`: executes a run again in this process, from where it broke or where one says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget
from dalsegno.cli.parameters import Pairs, Whole, read_parameters
from dalsegno.cli.running import execute, run_of_this_process
from dalsegno.model.ids import id_text
from dalsegno.model.views import FlowRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend


def retry(
    run: FlowRunTarget,
    /,
    *,
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="Task (name or id of a task run) from which on everything runs again."),
    ] = None,
    changed: Annotated[
        bool, Parameter(help="Also what completed, where the code of the task has changed.")
    ] = False,
    scratch: Annotated[bool, Parameter(help="Everything, also what completed.")] = False,
    param: Pairs = None,
    params: Whole = None,
) -> int:
    """Run a flow run again, here: what completed is not run again unless one asks for it.

    With other parameters it is a new run that starts from this one.
    """
    if scratch and (from_ or changed):
        raise CommandError("--scratch runs everything again: it does not go with --from or --changed.")
    from dalsegno.flow_runs import retry_flow_run

    backend = open_backend()
    found = find_flow_run(backend, run)
    parameters = changed_parameters(found, param, params)
    find = opened_attempt(backend, found) if parameters is None else run_of_this_process(backend, times.now())

    def call() -> object:
        return retry_flow_run(
            id_text(found.id), from_=from_, changed=changed, scratch=scratch, parameters=parameters
        )

    return execute(backend, call, find)


def changed_parameters(run: FlowRunView, pairs: list[str] | None, whole: str | None) -> dict[str, Any] | None:
    """Return the parameters that are to be others than before; None if there are none."""
    if not pairs and whole is None:
        return None
    from dalsegno.flows import load_flow_from_entrypoint

    if run.entry is None or run.entry.entrypoint is None:
        return read_parameters(_unknown, pairs, whole)
    return read_parameters(load_flow_from_entrypoint(run.entry.entrypoint).fn, pairs, whole)


def _unknown() -> None:
    """Stands for a function whose annotations are not known."""


def opened_attempt(backend: Backend, before: FlowRunView) -> Callable[[], bytes | None]:
    """Return a function that gives the id of a run once a new attempt of it has begun."""

    def find() -> bytes | None:
        run = backend.read_flow_run(before.id)
        return before.id if run is not None and run.attempt > before.attempt else None

    return find
