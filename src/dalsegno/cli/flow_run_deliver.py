"""`dalsegno flow-run deliver`: hands over to the server what waits for it on this machine, and shows what is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.screen import Screen, standard_output
from dalsegno.cli.tables import Column, table
from dalsegno.exceptions import BackendUnavailable
from dalsegno.model.ids import id_text
from dalsegno.model.records import Batch, FlowRunSnapshot, TaskRunSnapshot, default_task_run_name
from dalsegno.model.states import DEFAULT_NAMES, STATE_TYPES

if TYPE_CHECKING:
    from dalsegno._journal.folder import SpoolFolder

TABLE = (
    Column("KIND"),
    Column("ID"),
    Column("NAME", shrinks=True),
    Column("STATE"),
    Column("ATTEMPT", right=True),
)


def deliver(
    *,
    all: Annotated[bool, Parameter(name="--all", help="Also what the server has refused before.")] = False,
    show: Annotated[Path | None, Parameter(help="Deliver nothing; list the runs in such a file.")] = None,
) -> int:
    """Deliver to the server what runs recorded while it was away and their processes left on this machine."""
    if show is not None:
        print(contents(show, standard_output()))
        return ExitCode.OK
    from dalsegno._backend.connect import connect
    from dalsegno._journal.folder import SpoolFolder
    from dalsegno._journal.leftovers import deliver_left, take_up_refused
    from dalsegno.settings import get_current_settings

    backend = connect()
    folder = SpoolFolder(get_current_settings().home, backend.url)
    if all:
        take_up_refused(folder, print)
    try:
        delivered = deliver_left(backend, folder, print)
    except BackendUnavailable as error:
        raise CommandError(str(error), ExitCode.BACKEND, details=_still_waiting(folder)) from error
    if not delivered:
        print(f"Nothing was left to deliver to {backend.url}.")
    for line in _still_waiting(folder):
        print(line)
    return ExitCode.FAILED if any(file.refused for file in delivered) else ExitCode.OK


def contents(path: Path, screen: Screen) -> str:
    """Return the runs in a file of batches as a table, each as it was last."""
    from dalsegno._journal.folder import read_batches

    if not path.is_file():
        raise CommandError(f"There is no file {path}.", ExitCode.NOT_FOUND)
    runs = _Runs()
    for batch in read_batches(path):
        runs.add(batch)
    rows = [_row("flow run", run, run.name) for run in runs.flow_runs.values()]
    rows += [_row("task run", run, runs.name_of(run)) for run in runs.task_runs.values()]
    counts = Counter(_state(run) for run in runs.task_runs.values())
    summary = f"{len(runs.flow_runs)} flow runs; {len(runs.task_runs)} task runs"
    summary += f": {', '.join(f'{count} {name}' for name, count in counts.items())}." if counts else "."
    return "\n".join([table(TABLE, rows, screen), summary])


class _Runs:
    def __init__(self) -> None:
        self.flow_runs: dict[bytes, FlowRunSnapshot] = {}
        self.task_runs: dict[bytes, TaskRunSnapshot] = {}
        self._tasks: dict[int, str] = {}

    def add(self, batch: Batch) -> None:
        self._tasks.update((task.id, task.name) for task in batch.tasks)
        self.flow_runs.update((run.id, run) for run in batch.flow_runs)
        self.task_runs.update((run.id, run) for run in batch.task_runs)

    def name_of(self, run: TaskRunSnapshot) -> str:
        return run.name or default_task_run_name(self._tasks.get(run.task_id, "?"), run.id)


def _row(kind: str, run: FlowRunSnapshot | TaskRunSnapshot, name: str) -> tuple[str, ...]:
    return kind, id_text(run.id), name, _state(run), str(run.attempt)


def _state(run: FlowRunSnapshot | TaskRunSnapshot) -> str:
    return run.state_name or DEFAULT_NAMES[STATE_TYPES[run.state_type]]


def _still_waiting(folder: SpoolFolder) -> list[str]:
    """Say what there still is on this machine, and where."""
    lines: list[str] = []
    if left := folder.left():
        lines.append(f"{len(left)} files still wait in {folder.path}, those of processes that run now among them.")
    if refused := folder.refused():
        lines.append(f"{len(refused)} files hold what {folder.url} refused; --all tries again: {_listed(refused)}")
    for url, count in folder.of_others().items():
        lines.append(f"{count} files wait for another server, {url}: set DALSEGNO_API_URL to it.")
    return lines


def _listed(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in paths)
