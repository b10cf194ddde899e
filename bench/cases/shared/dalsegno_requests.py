"""How Dalsegno is asked for runs, and who executes them; used by its case scripts only. It reaches below the public
names: the runs belong to no deployment."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import httpx

import requested
from dalsegno import Flow
from dalsegno._backend.connect import connect
from dalsegno._engine.requesting import request_run

API = httpx.Client(base_url=requested.server_url("dalsegno"), timeout=60)


def request(flow: Flow[Any, Any], **parameters: Any) -> None:
    """Ask for a run, and wait for nothing."""
    request_run(connect(), flow, parameters)


def count(*types: str) -> int:
    answer = API.get("/flow-runs/count", params={"state-type": types})
    return int(answer.raise_for_status().json()["total"])


def worker(limit: int) -> AbstractContextManager[object]:
    """A process worker that executes so many runs at once."""
    return requested.executing(requested.executable("dalsegno", "worker", "start", "--limit", str(limit)))
