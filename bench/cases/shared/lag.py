"""What the cases of lag measure: from the return of a task until the server's API says that it is Completed."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
from typing import Any
from urllib.parse import urlsplit

import probe

ASK_EVERY_SECONDS = 0.003
LIMIT_SECONDS = 60.0


class Watcher:
    """Asks the API of a server for task runs, on one connection, and remembers how long each took to be Completed."""

    def __init__(self, api_url: str, path: str) -> None:
        url = urlsplit(api_url)
        self._connection = http.client.HTTPConnection(url.netloc, timeout=LIMIT_SECONDS)
        self._path = f"{url.path}{path}"
        self._lags: list[float] = []

    def wait_for(self, id: str) -> None:
        """Ask until a task run is Completed, which it became just now."""
        returned = time.perf_counter()
        while not self._is_completed(id):
            probe.require(time.perf_counter() - returned < LIMIT_SECONDS, f"task run {id} was never seen Completed")
            time.sleep(ASK_EVERY_SECONDS)
        self._lags.append((time.perf_counter() - returned) * 1e3)

    def report(self) -> None:
        """Hand the figures over, without the first: it waited for the connection too."""
        lags = self._lags[1:]
        probe.report(lag_median_ms=statistics.median(lags), lag_worst_ms=max(lags))

    def _is_completed(self, id: str) -> bool:
        self._connection.request("GET", self._path.format(id=id))
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status == 404:
            return False
        probe.require(answer.status == 200, f"the API answered {answer.status}: {body[:500]!r}")
        run: dict[str, Any] = json.loads(body)
        # There may be a run before it has a state.
        return run["state"] is not None and run["state"]["type"] == "COMPLETED"


def watcher(peer: str, path: str) -> Watcher:
    """A watcher of the server that this process's peer speaks to."""
    return Watcher(os.environ[f"{peer.upper()}_API_URL"], path)
