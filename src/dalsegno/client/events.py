"""Reading a stream of server-sent events, and going on where an earlier one stopped. Knows no sockets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import msgspec

from dalsegno._backend.patience import Patience
from dalsegno._backend.refusals import error_of, unreached
from dalsegno.client.calls import Id, id_of, query_of
from dalsegno.client.exchanges import Server
from dalsegno.model.resources.live import Change

_LONGEST_SILENCE = 45.0  # seconds; the server says something every 15


class Listening:
    """One subscription to changes, over as many streams as it takes."""

    def __init__(self, server: Server, kinds: Iterable[str], root_run_ids: Iterable[Id]) -> None:
        self._server = server
        self._query = query_of({"kind": list(kinds), "root-run-id": [id_of(id) for id in root_run_ids]})
        self._patience = Patience(server.wait)
        self._last_id: str | None = None
        self._rest = b""

    @property
    def request(self) -> dict[str, Any]:
        """What is sent to open the next stream."""
        self._rest = b""
        api = self._server.settings.api
        return {
            "method": "GET",
            "url": "live",
            "params": self._query,
            "headers": {} if self._last_id is None else {"last-event-id": self._last_id},
            "timeout": httpx.Timeout(max(api.timeout, _LONGEST_SILENCE), connect=api.connect_timeout),
        }

    def pause_without_answer(self, error: Exception) -> float:
        """Return after how long to open the next stream. Raises BackendUnavailable: it was tried for long enough."""
        pause = self._patience.next_pause()
        if pause is None:
            raise unreached(self._server.url, error) from error
        return pause

    def pause_after(self, response: httpx.Response) -> float | None:
        """Return after how long to open another stream in place of this one; None: this one counts.

        Raises the BackendError that the server names.
        """
        if response.is_success:
            return None
        pause = self._patience.next_pause() if response.status_code in (502, 503, 504) else None
        if pause is None:
            raise error_of(self._server.url, response.status_code, response.content)
        return pause

    def feed(self, chunk: bytes) -> Iterator[Change]:
        """Yield the changes that a piece of the stream completes."""
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        for block in blocks:
            # What every stream begins with tells nothing of a server that ends each at once.
            if block[:1] == b":" or b"data: " in block:
                self._patience.renew()
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and line[:1] != b":")
            if b"data" in fields:
                yield msgspec.json.decode(fields[b"data"], type=Change)
            # Only now has it been dealt with.
            if b"id" in fields:
                self._last_id = fields[b"id"].decode()
