"""How Prefect is asked for runs, and who executes them; used by its case scripts only."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from typing import Any

import httpx
from prefect.deployments import run_deployment

import prefect_flows
import requested

API = httpx.Client(base_url=requested.server_url("prefect"), timeout=60)


def request(flow: str, **parameters: Any) -> None:
    """Ask for a run, and wait for nothing."""
    run_deployment(f"{flow}/bench", parameters=parameters, timeout=0, as_subflow=False)


def is_deployed(flow: str) -> bool:
    return API.get(f"/deployments/name/{flow}/bench").status_code == 200


def count(*types: str) -> int:
    wanted = {"flow_runs": {"state": {"type": {"any_": types}}}}
    return int(API.post("/flow_runs/count", json=wanted).raise_for_status().text)


def deploy(flow: str) -> None:
    """Make a deployment in the pool of the worker."""
    pool = ("prefect", "work-pool", "create", prefect_flows.POOL, "--type", "process", "--overwrite")
    subprocess.run(requested.executable(*pool), check=True, stdin=subprocess.DEVNULL)
    subprocess.run(requested.command(prefect_flows.__file__, "deploy", flow), check=True)


def worker(limit: int) -> AbstractContextManager[object]:
    """A process worker that executes so many runs at once."""
    command = ("prefect", "worker", "start", "--pool", prefect_flows.POOL, "--limit", str(limit))
    return requested.executing(requested.executable(*command))


def serving(flow: str, limit: int) -> AbstractContextManager[object]:
    """A process that serves one flow, so many runs at once."""
    return requested.executing(requested.command(prefect_flows.__file__, "serve", flow, str(limit)))
