"""From what a person types to the run that is meant: an id, the beginning of an id, a name, or `last`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec.structs import replace

from dalsegno.cli import times
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.model.ids import id_text
from dalsegno.model.states import StateRecord
from dalsegno.model.views import FlowRunView, Page, RunFilter, TaskRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

LAST = "last"
SHOWN = 10
_PREFIX = re.compile(r"[0-9a-f-]+", re.IGNORECASE)


class RunView(Protocol):
    """What both kinds of run have."""

    id: bytes
    name: str
    state: StateRecord
    created: int


R = TypeVar("R", bound=RunView)
ListRuns = Callable[[RunFilter, Page], Sequence[R]]


def find_flow_run(backend: Backend, text: str) -> FlowRunView:
    """Return the flow run that `text` means, whole. Raises CommandError unless there is exactly one."""
    found = _find(backend.list_flow_runs, text, "flow run", RunFilter(top_level=text == LAST))
    return _still_there(backend.read_flow_run(found.id), text, "flow run")


def find_task_run(backend: Backend, text: str) -> TaskRunView:
    """Return the task run that `text` means, whole. Raises CommandError unless there is exactly one."""
    found = _find(backend.list_task_runs, text, "task run", RunFilter())
    return _still_there(backend.read_task_run(found.id), text, "task run")


def _find(list_runs: ListRuns[R], text: str, kind: str, newest: RunFilter) -> R:
    if text == LAST:
        found = list_runs(newest, Page(limit=1))
    elif id := as_id(text):
        found = list_runs(RunFilter(ids=[id]), Page(limit=1))
    else:
        found = named_or_begun(list_runs, text, RunFilter())
    if not found:
        raise CommandError(_none(text, kind), ExitCode.NOT_FOUND)
    if len(found) > 1:
        raise ambiguous(text, kind, found)
    return found[0]


def named_or_begun(list_runs: ListRuns[R], text: str, among: RunFilter) -> list[R]:
    """Return the runs with that name, and those whose id begins so; a few more than are shown at most."""
    page = Page(limit=SHOWN + 1)
    runs = [*list_runs(replace(among, name=text), page)]
    if _PREFIX.fullmatch(text):
        runs += list_runs(replace(among, id_prefix=text.lower()), page)
    return list({run.id: run for run in runs}.values())


def ambiguous(text: str, kind: str, found: Sequence[RunView]) -> CommandError:
    """Return the error for a text that fits several runs."""
    return CommandError(f"{text!r} fits more than one {kind}; give one of their ids:", details=candidates(found))


def as_id(text: str) -> bytes | None:
    """Return the id that a text is in full, or None."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None


def candidates(runs: Sequence[RunView]) -> list[str]:
    """Return lines that tell runs apart."""
    lines = [f"  {id_text(run.id)}  {run.name}  {run.state.name}  {times.clock(run.created)}" for run in runs[:SHOWN]]
    return [*lines, "  ..."] if len(runs) > SHOWN else lines


def _none(text: str, kind: str) -> str:
    if text == LAST:
        return f"There are no {kind}s yet."
    command = f"dalsegno {kind.replace(' ', '-')} ls"
    return f"There is no {kind} with the name, or an id that begins with, {text!r}; `{command}` lists them."


T = TypeVar("T")


def _still_there(view: T | None, text: str, kind: str) -> T:
    if view is None:
        raise CommandError(f"The {kind} {text!r} has just been deleted.", ExitCode.NOT_FOUND)
    return view
