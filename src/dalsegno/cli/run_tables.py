"""Tables of flow runs and task runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dalsegno.cli import times
from dalsegno.cli.listing import Table
from dalsegno.cli.looks import state_cell
from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Cell, Column
from dalsegno.model.ids import id_text
from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView, TaskRunView

WIDE = 110
SHORTEST = 13  # A UUIDv7 to the millisecond.


def flow_run_rows(runs: Sequence[FlowRunView], screen: Screen) -> Table:
    """Return flow runs as rows."""
    heads = (
        Column("ID"),
        Column("FLOW", shrinks=True),
        Column("NAME", shrinks=True),
        Column("STATE"),
        Column("STARTED"),
        Column("TOOK", right=True),
    )
    ids = shown_ids(runs, screen)
    return Table(heads, [[ids[run.id], run.flow_name, *_rest(run, screen)] for run in runs])


def task_run_rows(runs: Sequence[TaskRunView], screen: Screen) -> Table:
    """Return task runs as rows."""
    heads = (
        Column("ID"),
        Column("NAME", shrinks=True),
        Column("STATE"),
        Column("STARTED"),
        Column("TOOK", right=True),
        Column("RUNS", right=True),
    )
    ids = shown_ids(runs, screen)
    return Table(heads, [[ids[run.id], *_rest(run, screen), str(run.run_count)] for run in runs])


def _rest(run: FlowRunView | TaskRunView, screen: Screen) -> list[str | Cell]:
    at = times.now()
    return [
        run.name,
        state_cell(run.state, screen),
        times.ago(run.created if run.start_time is None else run.start_time, at),
        took(run, at),
    ]


def took(run: FlowRunView | TaskRunView, at: int) -> str:
    """Return how long a run took; for one that ended without saying when, until its last state."""
    end = run.end_time
    if end is None and run.state.type in TERMINAL_TYPES:
        end = run.state.timestamp
    return times.elapsed(run.start_time, end, at)


def shown_ids(views: Sequence[Any], screen: Screen) -> dict[bytes, str]:
    """Return ids as text: whole where there is room, else as many characters as tell those shown apart."""
    whole = {view.id: id_text(view.id) for view in views}
    if screen.width is None or screen.width >= WIDE:
        return whole
    length = next(
        length
        for length in range(SHORTEST, 37)
        if length == 36 or len({text[:length] for text in whole.values()}) == len(whole)
    )
    return {id: text[:length] for id, text in whole.items()}
