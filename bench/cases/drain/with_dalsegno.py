"""How fast one worker that executes two at once works off a queue of runs of an empty flow."""

from __future__ import annotations

import dalsegno_requests
import requested
from dalsegno_flows import empty

if __name__ == "__main__":
    requested.report_drain(
        lambda: dalsegno_requests.request(empty),
        lambda: dalsegno_requests.worker(limit=2),
        dalsegno_requests.count,
    )
