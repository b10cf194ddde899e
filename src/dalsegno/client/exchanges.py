"""A call on its way: what is sent, when it is sent again, and what its answer means. Knows no sockets."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, Generic, TypeVar

import httpx
import msgspec

from dalsegno._backend.endpoint import headers_of, read_url, ssl_context
from dalsegno._backend.patience import Patience
from dalsegno._backend.refusals import error_of, unreached
from dalsegno.client.calls import Call
from dalsegno.exceptions import BackendError, ConfigurationError
from dalsegno.settings import Settings, get_current_settings

T = TypeVar("T")

_AGAIN = frozenset({502, 503, 504})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Server:
    """The server that a client asks, as the settings in force name it. Raises ConfigurationError."""

    def __init__(self, httpx_settings: Mapping[str, Any] | None) -> None:
        self.settings: Settings = get_current_settings()
        api = self.settings.api
        if api.url is None:
            raise ConfigurationError(
                "There is no server to be a client of: DALSEGNO_API_URL is not set, and a database that is used "
                "directly has no REST API. Start a server (`dalsegno server start`) and set DALSEGNO_API_URL to its "
                "URL, such as http://127.0.0.1:4200/api."
            )
        target = read_url(api.url)
        self.url = api.url.rstrip("/")
        ours: dict[str, Any] = {
            "base_url": self.url.removesuffix("/api") + "/api/",
            "timeout": httpx.Timeout(api.timeout, connect=api.connect_timeout),
            "verify": ssl_context(self.settings) if target.scheme == b"https" else True,
        }
        given = dict(httpx_settings or {})
        headers = httpx.Headers(headers_of(self.settings))
        headers.update(given.pop("headers", None))
        self.httpx_settings: dict[str, Any] = ours | given | {"headers": headers}
        self.wait = api.wait

    def exchange(self, call: Call[T]) -> Exchange[T]:
        """Return a call on its way to this server."""
        return Exchange(self, call)


class Exchange(Generic[T]):
    """One call and all attempts to have it answered."""

    def __init__(self, server: Server, call: Call[T]) -> None:
        self._server = server
        self._call = call
        self._patience = Patience(server.wait)
        headers = dict(call.headers)
        content = None
        if call.body is not None:
            content = msgspec.json.encode(call.body)
            headers["content-type"] = "application/json"
        self.request: dict[str, Any] = {
            "method": call.method,
            "url": call.path,
            "params": call.query,
            "content": content,
            "headers": headers,
        }

    def pause_without_answer(self, error: httpx.TransportError) -> float:
        """Return after how long to send it again, as there was no answer. Raises BackendUnavailable: not at all."""
        may_repeat = self._call.repeatable or isinstance(error, _NOT_SENT)
        pause = self._patience.next_pause() if may_repeat else None
        if pause is None:
            raise unreached(self._server.url, error) from error
        return pause

    def pause_after(self, status: int) -> float | None:
        """Return after how long to send it again, after an answer; None: that answer counts."""
        return self._patience.next_pause() if self._call.repeatable and status in _AGAIN else None

    def read(self, response: httpx.Response) -> T:
        """Return what was answered. Raises the BackendError that the server names."""
        if not response.is_success:
            raise error_of(self._server.url, response.status_code, response.content)
        if self._call.result is NoneType:
            return None  # pyright: ignore[reportReturnType]
        try:
            return msgspec.json.decode(response.content, type=self._call.result)
        except msgspec.DecodeError as error:
            raise BackendError(
                f"What the server at {self._server.url} answered to {self._call.method} {self._call.path} cannot be "
                f"read ({error}): see that DALSEGNO_API_URL is the URL of a Dalsegno server, of this version."
            ) from error
