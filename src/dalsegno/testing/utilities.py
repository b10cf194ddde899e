"""Helpers for tests, under the names that tests of this field know."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from dalsegno._backend.connect import connect
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.testing.harness import Harness, harness

__all__ = ["dalsegno_test_harness", "exceptions_equal", "get_most_recent_flow_run"]


@contextlib.contextmanager
def dalsegno_test_harness(server_startup_timeout: int | None = 30) -> Generator[Harness]:
    """Give runs an empty database for the time of a test; see `dalsegno.testing.harness`.

    `server_startup_timeout` is taken for the sake of code that gives it: there is no server to wait for.
    """
    with harness() as runs:
        yield runs


def exceptions_equal(a: BaseException, b: BaseException) -> bool:
    """Tell whether two exceptions are of one type and have the same arguments."""
    return type(a) is type(b) and a.args == b.args


def get_most_recent_flow_run(client: Any = None, flow_name: str | None = None) -> FlowRunView:
    """Return the newest flow run, of one flow or of all. Raises RuntimeError if there is none.

    `client` is taken for the sake of code that gives it.
    """
    filter_ = RunFilter(flow_names=[] if flow_name is None else [flow_name])
    runs = connect().list_flow_runs(filter_, Page(limit=1))
    if not runs:
        raise RuntimeError("There is no flow run yet.")
    return runs[0]
