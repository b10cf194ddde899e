"""How fast one process that executes two at once works off a queue of runs of an empty flow."""

from __future__ import annotations

import prefect_requests
import requested

FLOW = "empty"

if __name__ == "__main__":
    prefect_requests.deploy(FLOW)
    requested.report_drain(
        lambda: prefect_requests.request(FLOW),
        lambda: prefect_requests.worker(limit=2),
        prefect_requests.count,
    )
