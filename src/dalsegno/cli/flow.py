"""`dalsegno flow`: the flows that have run; how one is served is in `flow_serve`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dalsegno.cli import times
from dalsegno.cli.filters import check_limit
from dalsegno.cli.flow_serve import serve
from dalsegno.cli.listing import Table, show_list, with_one_more
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, Limit, Output, group
from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Column
from dalsegno.model.views import FlowView, Page

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

NONE = "No flows yet: run one with `python your_flow.py` or `dalsegno run FILE.py`."
PAGE = 500

app = group("flow", "List flows; serve one.")
app.command(serve)


@app.command
def ls(*, limit: Limit = 50, all: All = False, output: Output = "table") -> None:
    """List the flows that have run."""
    shown, asked = with_one_more(check_limit(limit), all)
    show_list(flows(open_backend(), asked), shown, output, flow_rows, empty=NONE)


def flows(backend: Backend, limit: int | None) -> Iterator[FlowView]:
    """Yield flows by name, `limit` at most (None: all)."""
    after: bytes | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        found = backend.list_flows(Page(limit=size, after=after))
        yield from found
        if len(found) < size:
            return
        # Flows have no ids: their pages are keyed by name.
        after = found[-1].name.encode()
        left = None if left is None else left - size


def flow_rows(flows: Sequence[FlowView], screen: Screen) -> Table:
    """Return flows as rows."""
    at = times.now()
    heads = (
        Column("FLOW", shrinks=True),
        Column("VERSION", shrinks=True),
        Column("RUNS", right=True),
        Column("LAST RUN"),
        Column("LAST STATE"),
        Column("DESCRIPTION", shrinks=True),
    )
    rows = [
        [
            flow.name,
            flow.version or "",
            str(flow.run_count),
            "" if flow.last_run is None else times.ago(flow.last_run, at),
            flow.last_state or "",
            (flow.description or "").partition("\n")[0],
        ]
        for flow in flows
    ]
    return Table(heads, rows)
