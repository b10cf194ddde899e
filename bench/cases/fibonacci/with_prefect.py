"""A flow run of forty short tasks, and one of ten long ones, from the request until it is Completed, on one worker."""

from __future__ import annotations

import prefect_requests
import requested

FLOW = "many-fibonacci"

if __name__ == "__main__":
    prefect_requests.deploy(FLOW)
    with prefect_requests.worker(limit=2):
        requested.report_fibonacci(
            lambda number, times: prefect_requests.request(FLOW, number=number, times=times),
            prefect_requests.count,
        )
