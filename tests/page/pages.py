"""The address of each page, for tests and pictures of them."""

from __future__ import annotations

import httpx


def addresses(client: httpx.Client) -> dict[str, str]:
    """Return the address of each page with something on it, where `nightly` ran well and badly."""

    def first(path: str) -> str:
        return client.get(path).json()["items"][0]["id"]

    failed = first("/flow-runs?flow-name=nightly&state-type=FAILED")
    well = first("/flow-runs?flow-name=nightly&state-type=COMPLETED")
    task = first("/task-runs?state-type=FAILED&task-name=fetch_rates")
    report = first("/artifacts?key=revenue-report")
    return {
        "home": "/",
        "runs": "/runs",
        "runs-filtered": "/runs?state=FAILED,CRASHED",
        "task-runs": "/task-runs",
        "run-failed": f"/runs/{failed}",
        "run-well": f"/runs/{well}",
        "run-selected": f"/runs/{failed}?task={task}",
        "run-logs": f"/runs/{failed}?tab=logs",
        "run-task-runs": f"/runs/{well}?tab=task-runs",
        "run-artifacts": f"/runs/{well}?tab=artifacts",
        "run-parameters": f"/runs/{well}?tab=parameters",
        "run-details": f"/runs/{well}?tab=details",
        "task-run": f"/task-runs/{task}",
        "task-run-details": f"/task-runs/{task}?tab=details",
        "flows": "/flows",
        "flow": "/flows/nightly",
        "artifacts": "/artifacts",
        "artifact": f"/artifacts/{report}",
        "variables": "/variables",
        "concurrency": "/concurrency",
        "users": "/users",
        "api-keys": "/api-keys",
        "audit-log": "/audit-log",
        "login": "/login",
    }
