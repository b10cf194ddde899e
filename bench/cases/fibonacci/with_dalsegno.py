"""A flow run of forty short tasks, and one of ten long ones, from the request until it is Completed, on one worker."""

from __future__ import annotations

import dalsegno_requests
import requested
from dalsegno_flows import many_fibonacci

if __name__ == "__main__":
    with dalsegno_requests.worker(limit=2):
        requested.report_fibonacci(
            lambda number, times: dalsegno_requests.request(many_fibonacci, number=number, times=times),
            dalsegno_requests.count,
        )
