"""`dalsegno task-run`: the commands on task runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli.as_json import show_json
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit, since_filter, state_filter
from dalsegno.cli.flow_run_logs import check, chosen, show_log
from dalsegno.cli.flow_run_page import retry_command
from dalsegno.cli.listing import pages, show_list, with_one_more
from dalsegno.cli.log_lines import read_level
from dalsegno.cli.lookup import find_flow_run, find_task_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, Limit, Output, TaskRunTarget, group
from dalsegno.cli.run_tables import task_run_rows
from dalsegno.cli.screen import standard_output
from dalsegno.cli.task_run_page import task_run_page
from dalsegno.cli.values import read_json
from dalsegno.model.ids import id_text
from dalsegno.model.views import LogView, RunFilter

NONE = "No task run matches; `dalsegno task-run ls --all` lists every one."

app = group("task-run", "List and inspect task runs; supply a result by hand.")


@app.command
def ls(
    *,
    flow_run: Annotated[
        str | None, Parameter(help="Only those of this flow run and of the flows that it called.")
    ] = None,
    state: Annotated[list[str] | None, Parameter(help="Type or name of state; may be repeated.")] = None,
    task: Annotated[list[str] | None, Parameter(help="Name of the task; may be repeated.")] = None,
    tag: Annotated[list[str] | None, Parameter(help="A tag that the run has; all of them, if repeated.")] = None,
    name: Annotated[str | None, Parameter(help="Exact name of the run.")] = None,
    since: Annotated[str | None, Parameter(help="Begun since: 90s, 30m, 2h, 7d, or a date or time.")] = None,
    limit: Limit = 50,
    all: All = False,
    output: Output = "table",
) -> None:
    """List task runs, newest first."""
    types, names = state_filter(state or [])
    filter = RunFilter(
        state_types=types,
        state_names=names,
        task_names=task or [],
        tags=tag or [],
        name=name,
        after=since_filter(since),
    )
    shown, asked = with_one_more(check_limit(limit), all)
    backend = open_backend()
    if flow_run is not None:
        found = find_flow_run(backend, flow_run)
        is_root = found.id == found.root_run_id
        filter.root_run_ids, filter.flow_run_ids = ([found.id], []) if is_root else ([], [found.id])
    runs = pages(lambda page: backend.list_task_runs(filter, page), asked)
    show_list(runs, shown, output, task_run_rows, empty=NONE)


@app.command
def inspect(run: TaskRunTarget, /, *, output: Output = "table") -> None:
    """Show one task run: its state, what it needed, its result."""
    backend = open_backend()
    found = find_task_run(backend, run)
    if output == "json":
        show_json(found)
    else:
        print(task_run_page(backend, found, standard_output()))


@app.command
def logs(
    run: TaskRunTarget,
    /,
    *,
    head: Annotated[int | None, Parameter(help="Only the first N lines.")] = None,
    tail: Annotated[int | None, Parameter(help="Only the last N lines.")] = None,
    reverse: Annotated[bool, Parameter(help="Newest first.")] = False,
    level: Annotated[str, Parameter(help="Lowest level: DEBUG, INFO, WARNING, ERROR, CRITICAL.")] = "DEBUG",
    output: Output = "table",
) -> None:
    """Show the log of a task run."""
    check(head, tail, reverse)
    min_level = read_level(level)
    backend = open_backend()
    found = find_task_run(backend, run)

    def fetch(**options: object) -> Sequence[LogView]:
        return backend.list_logs(task_run_id=found.id, min_level=min_level, **options)  # pyright: ignore[reportArgumentType]

    show_log(backend, chosen(fetch, head, tail, reverse), output)


@app.command
def set_result(
    run: TaskRunTarget,
    value: Annotated[str, Parameter(help="The result, as JSON.", allow_leading_hyphen=True)],
    /,
) -> None:
    """Complete a task run by hand: a retry of its flow run goes on with this result."""
    from dalsegno.flow_runs import set_task_result

    try:
        result = read_json(value)
    except ValueError as error:
        raise CommandError(f"The result is no JSON ({error}); a text is written '\"text\"'.") from None
    backend = open_backend()
    found = find_task_run(backend, run)
    set_task_result(id_text(found.id), result)
    print(f"Task run {found.name!r} ({id_text(found.id)}) is Completed with that result.")
    if found.flow_run_id is not None:
        print(f"Go on from there:\n  {retry_command(found.root_run_id)}")
