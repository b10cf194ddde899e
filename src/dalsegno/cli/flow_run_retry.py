"""`dalsegno flow-run retry`: executes a run again in this process, from where it broke or where one says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from msgspec.structs import replace

from dalsegno.cli import times
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.lookup import ambiguous, find_flow_run, named_or_begun
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget
from dalsegno.cli.parameters import Pairs, Whole, read_parameters
from dalsegno.cli.places import folder_of, go_on_with_interpreter
from dalsegno.cli.running import execute, run_of_this_process
from dalsegno.model.ids import id_text
from dalsegno.model.views import FlowRunView, Page, RunFilter

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
    changed: Annotated[bool, Parameter(help="Also what completed, where the code of the task has changed.")] = False,
    scratch: Annotated[bool, Parameter(help="Everything, also what completed.")] = False,
    param: Pairs = None,
    params: Whole = None,
    here: Annotated[bool, Parameter(help="Execute a run of a deployment in this process.")] = False,
) -> int:
    """Run a flow run again: what completed is not run again unless one asks for it.

    It is executed here, but for a run of a deployment without options, which is queued for its workers. With other
    parameters it is a new run that starts from this one.
    """
    if scratch and (from_ or changed):
        raise CommandError("--scratch runs everything again: it does not go with --from or --changed.")
    backend = open_backend()
    found = find_flow_run(backend, run)
    if found.deployment_name and not (here or from_ or changed or scratch or param or params is not None):
        return queue(backend, found)
    options = [
        *(["--here"] if here else []),
        *(["--from", from_] if from_ else []),
        *(["--changed"] if changed else []),
        *(["--scratch"] if scratch else []),
        *(word for pair in param or () for word in ("--param", pair)),
        *(["--params", params] if params is not None else []),
    ]
    go_on_with_interpreter(found.entry, ["flow-run", "retry", id_text(found.id), *options])
    with folder_of(found.entry):
        parameters = changed_parameters(found, param, params)
        start = None if from_ is None else task_named(backend, found, from_)

        def call() -> object:
            from dalsegno.flow_runs import retry_flow_run

            return retry_flow_run(found.id, start, changed, scratch, parameters)

        if parameters is None:
            return execute(backend, call, next_attempt(backend, found.root_run_id))
        return execute(backend, call, run_of_this_process(backend, times.now()))


def queue(backend: Backend, run: FlowRunView) -> int:
    """Have whoever executes the runs of its deployment pick a run up."""
    from dalsegno._backend.retrying import queue_again

    root = run if run.root_run_id == run.id else backend.read_flow_run(run.root_run_id) or run
    what = "waits to be picked up" if queue_again(backend, root) else "waits in the queue already"
    print(f"Flow run {root.name!r} {what}; --here executes it in this process.")
    for reason in backend.explain_wait(root.id).reasons:
        print(f"  {reason}")
    return ExitCode.OK


def task_named(backend: Backend, run: FlowRunView, text: str) -> str:
    """Return what `--from` means: a task's name, or else the id of the task run that it fits."""
    mine = RunFilter(root_run_ids=[run.root_run_id])
    if backend.list_task_runs(replace(mine, task_names=[text]), Page(limit=1)):
        return text
    found = named_or_begun(backend.list_task_runs, text, mine)
    if len(found) > 1:
        raise ambiguous(text, "task run", found)
    return id_text(found[0].id) if found else text


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


def next_attempt(backend: Backend, root_run_id: bytes) -> Callable[[], bytes | None]:
    """Return a function that gives the id of a root run once a further attempt of it has begun."""

    def attempt() -> int:
        run = backend.read_flow_run(root_run_id)
        return 0 if run is None else run.attempt

    before = attempt()
    return lambda: root_run_id if attempt() > before else None
