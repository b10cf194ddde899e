"""`dalsegno flow-run`: the commands on flow runs."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli import (
    flow_run_deliver,
    flow_run_execute,
    flow_run_export,
    flow_run_import,
    flow_run_logs,
    flow_run_pause,
    flow_run_retry,
    flow_run_watch,
)
from dalsegno.cli.as_json import show_json
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit, since_filter, state_filter
from dalsegno.cli.flow_run_page import flow_run_page
from dalsegno.cli.listing import pages, show_list, with_one_more
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, FlowRunTarget, Limit, Output, group
from dalsegno.cli.run_tables import flow_run_rows
from dalsegno.cli.screen import standard_output
from dalsegno.model.ids import id_text
from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import RunFilter

NO_RUNS = "No flow runs yet: run one with `python your_flow.py` or `dalsegno run FILE.py`."
NO_MATCH = "No flow run matches; `dalsegno flow-run ls --all` lists every one."

app = group("flow-run", "List, inspect, follow, pause, resume, retry, cancel and delete flow runs.")
app.command(flow_run_deliver.deliver)
app.command(flow_run_export.export)
app.command(flow_run_import.import_, name="import")
app.command(flow_run_logs.logs)
app.command(flow_run_pause.pause)
app.command(flow_run_pause.suspend)
app.command(flow_run_pause.resume)
app.command(flow_run_retry.retry)
app.command(flow_run_execute.execute)
app.command(flow_run_watch.watch)


@app.command
def ls(
    *,
    state: Annotated[list[str] | None, Parameter(help="Type or name of state; may be repeated.")] = None,
    flow: Annotated[list[str] | None, Parameter(help="Name of the flow; may be repeated.")] = None,
    tag: Annotated[list[str] | None, Parameter(help="A tag that the run has; all of them, if repeated.")] = None,
    name: Annotated[str | None, Parameter(help="Exact name of the run.")] = None,
    since: Annotated[str | None, Parameter(help="Begun since: 90s, 30m, 2h, 7d, or a date or time.")] = None,
    nested: Annotated[bool, Parameter(help="Also runs of flows that other flows called.")] = False,
    limit: Limit = 20,
    all: All = False,
    output: Output = "table",
) -> None:
    """List flow runs, newest first."""
    types, names = state_filter(state or [])
    filter = RunFilter(
        state_types=types,
        state_names=names,
        flow_names=flow or [],
        tags=tag or [],
        name=name,
        after=since_filter(since),
        top_level=not nested,
    )
    shown, asked = with_one_more(check_limit(limit), all)
    backend = open_backend()
    found = pages(lambda page: backend.list_flow_runs(filter, page), asked)
    is_restricted = bool(state or flow or tag or name or since)
    show_list(found, shown, output, flow_run_rows, empty=NO_MATCH if is_restricted else NO_RUNS)


@app.command
def inspect(run: FlowRunTarget, /, *, output: Output = "table") -> None:
    """Show one flow run: its state, what failed in it, its parameters, and how to go on."""
    backend = open_backend()
    found = find_flow_run(backend, run)
    if output == "json":
        show_json(found)
    else:
        print(flow_run_page(backend, found, standard_output()))


@app.command
def cancel(run: FlowRunTarget, /) -> int:
    """Ask for a flow run to be cancelled; the process that executes it ends it."""
    backend = open_backend()
    found = find_flow_run(backend, run)
    if not backend.request_cancel(found.id):
        print(f"Flow run {found.name!r} had already ended: {found.state.name}.")
        return ExitCode.OK
    print(f"Flow run {found.name!r} is being cancelled; `dalsegno flow-run watch {id_text(found.id)}` waits for it.")
    return ExitCode.OK


@app.command
def delete(
    *runs: FlowRunTarget,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], help="Do not ask on a terminal.")] = False,
) -> int:
    """Delete flow runs that have ended, with their task runs, logs, artifacts and results."""
    if not runs:
        raise CommandError("Which flow run? Give its id, the beginning of its id, its name, or `last`.")
    backend = open_backend()
    for found in [find_flow_run(backend, run) for run in runs]:
        if found.id != found.root_run_id:
            raise CommandError(
                f"Flow run {found.name!r} belongs to flow run {id_text(found.root_run_id)}: delete that one."
            )
        if found.state.type not in TERMINAL_TYPES:
            raise CommandError(
                f"Flow run {found.name!r} is {found.state.name}: cancel it with "
                f"`dalsegno flow-run cancel {id_text(found.id)}` before you delete it."
            )
        if not (yes or confirmed(f"Delete flow run {found.name!r} of {found.flow_name!r}, {found.state.name}?")):
            print("Nothing deleted.")
            return ExitCode.OK
        backend.delete_flow_run(found.id)
        print(f"Deleted flow run {found.name!r} ({id_text(found.id)}).")
    return ExitCode.OK


def confirmed(question: str) -> bool:
    """Ask on a terminal; where nobody can answer, what was asked for is done."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
