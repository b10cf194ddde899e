"""How long after a run was asked for its code begins, executed by one process of the kind that is the argument."""

from __future__ import annotations

import sys

import prefect_requests
import probe
import requested

FLOW = "first-line"

if __name__ == "__main__":
    if sys.argv[2] == "worker":
        prefect_requests.deploy(FLOW)
        executing = prefect_requests.worker(limit=2)
    else:
        executing = prefect_requests.serving(FLOW, limit=2)
    with executing:
        requested.report_first_lines(
            lambda: prefect_requests.request(FLOW, home=str(probe.home())),
            lambda: prefect_requests.is_deployed(FLOW),
        )
