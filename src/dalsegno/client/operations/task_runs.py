"""Task runs: one, lists, counts, and completing one by hand."""

from __future__ import annotations

from typing import Any

from dalsegno.client.calls import Call, Id, Pages, ask, change, get, id_of
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.commands import MOST_ITEMS, Order, SetTaskRunResult, TaskRunSearch
from dalsegno.model.resources.filters import TaskRunFilter
from dalsegno.model.resources.flow_runs import StateCounts
from dalsegno.model.resources.task_runs import TaskRun, TaskRunPage


class TaskRunOperations:
    """Operations on task runs."""

    @operation
    def read_task_run(self, id: Id) -> Call[TaskRun]:
        """Return a task run with all that is known of it. Raises ObjectNotFound."""
        return get(f"task-runs/{id_of(id)}", TaskRun)

    @operation
    def read_task_runs(
        self,
        filter: TaskRunFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = Order.NEWEST,
    ) -> Call[TaskRunPage]:
        """Return a page of task runs; its `next_cursor` as `cursor` gives the next page."""
        return ask("task-runs/filter", TaskRunPage, _search(filter, limit, cursor, order))

    @listing
    def iterate_task_runs(self, filter: TaskRunFilter | None = None, *, order: Order = Order.NEWEST) -> Pages[TaskRun]:
        """Iterate over all task runs that fit, page after page."""
        return Pages(lambda at: ask("task-runs/filter", TaskRunPage, _search(filter, MOST_ITEMS, at, order)))

    @operation
    def count_task_runs(self, filter: TaskRunFilter | None = None) -> Call[StateCounts]:
        """Return how many task runs there are by state, up to a bound."""
        return ask("task-runs/count", StateCounts, filter or TaskRunFilter())

    @operation
    def set_task_run_result(self, id: Id, value: Any, *, message: str | None = None) -> Call[TaskRun]:
        """Complete a task run by hand: a retry of its flow run goes on with this result."""
        body = SetTaskRunResult(value=value, message=message)
        return change("POST", f"task-runs/{id_of(id)}/set-result", TaskRun, body)


def _search(filter: TaskRunFilter | None, limit: int, cursor: str | None, order: Order) -> TaskRunSearch:
    return TaskRunSearch(filter=filter or TaskRunFilter(), limit=limit, cursor=cursor, order=order)
