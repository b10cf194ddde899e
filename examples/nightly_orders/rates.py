"""A service of exchange rates on this machine, which the demo can take down and bring back.

While it is down every request is answered 503, as a service does that is being repaired at night.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

# One euro in each currency: the European Central Bank's reference rates of 29 December 2017.
RATES = {"EUR": 1.0, "USD": 1.1993, "GBP": 0.88723, "CHF": 1.1702, "CAD": 1.5039, "AUD": 1.5346}


class RatesService:
    """Serves RATES at `url` from a thread of its own, between `with` and the end of the block."""

    def __init__(self) -> None:
        self.is_up = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(RATES if service.is_up else {"error": "down for repair"}).encode()
                self.send_response(200 if service.is_up else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent: the demo prints its own story."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/rates"

    def __enter__(self) -> RatesService:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
