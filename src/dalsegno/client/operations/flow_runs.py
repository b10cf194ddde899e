"""Reading flow runs: one, lists, counts, runs over time, the graph of what ran in one."""

from __future__ import annotations

from datetime import datetime

from dalsegno.client.calls import Call, Id, Pages, ask, get, id_of, query_of_filter
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.commands import MOST_ITEMS, FlowRunSearch, Order
from dalsegno.model.resources.filters import FlowRunFilter
from dalsegno.model.resources.flow_runs import FlowRun, FlowRunPage, StateCounts
from dalsegno.model.resources.graphs import Graph, History

_MOST_NODES = 10_000


class FlowRunOperations:
    """Operations that read flow runs."""

    @operation
    def read_flow_run(self, id: Id) -> Call[FlowRun]:
        """Return a flow run with all that is known of it. Raises ObjectNotFound."""
        return get(f"flow-runs/{id_of(id)}", FlowRun)

    @operation
    def read_flow_runs(
        self,
        filter: FlowRunFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = Order.NEWEST,
    ) -> Call[FlowRunPage]:
        """Return a page of flow runs; its `next_cursor` as `cursor` gives the next page."""
        return ask("flow-runs/filter", FlowRunPage, _search(filter, limit, cursor, order))

    @listing
    def iterate_flow_runs(self, filter: FlowRunFilter | None = None, *, order: Order = Order.NEWEST) -> Pages[FlowRun]:
        """Iterate over all flow runs that fit, page after page."""
        return Pages(lambda at: ask("flow-runs/filter", FlowRunPage, _search(filter, MOST_ITEMS, at, order)))

    @operation
    def count_flow_runs(self, filter: FlowRunFilter | None = None) -> Call[StateCounts]:
        """Return how many flow runs there are by state, up to a bound."""
        return ask("flow-runs/count", StateCounts, filter or FlowRunFilter())

    @operation
    def read_flow_run_history(
        self, start: datetime, end: datetime, *, spans: int = 50, filter: FlowRunFilter | None = None
    ) -> Call[History]:
        """Return how many flow runs were made in each of some equal spans of time, by type of state."""
        times = {"start": start, "end": end, "spans": spans}
        return get("flow-runs/history", History, times | query_of_filter(filter))

    @operation
    def read_flow_run_graph(self, id: Id, *, limit: int = _MOST_NODES, cursor: str | None = None) -> Call[Graph]:
        """Return a page of the task runs of a flow run with what each needed, oldest first, in columns."""
        return get(f"flow-runs/{id_of(id)}/graph", Graph, {"limit": limit, "cursor": cursor})


def _search(filter: FlowRunFilter | None, limit: int, cursor: str | None, order: Order) -> FlowRunSearch:
    return FlowRunSearch(filter=filter or FlowRunFilter(), limit=limit, cursor=cursor, order=order)
