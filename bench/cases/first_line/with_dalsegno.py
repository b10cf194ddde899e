"""How long after a run was asked for its code begins, executed by one warm worker."""

from __future__ import annotations

import dalsegno_requests
import probe
import requested
from dalsegno_flows import first_line

if __name__ == "__main__":
    with dalsegno_requests.worker(limit=2):
        requested.report_first_lines(
            lambda: dalsegno_requests.request(first_line, home=str(probe.home())), lambda: True
        )
