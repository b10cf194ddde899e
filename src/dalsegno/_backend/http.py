"""The backend over HTTP: each operation of the protocol is one request to a server."""

from __future__ import annotations

import functools
import threading
import zlib
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import httpcore
import msgspec

from dalsegno._backend.endpoint import headers_of, read_url, ssl_context
from dalsegno._backend.operations import COMPRESSED, MEDIA_TYPE, PATH, RESULTS_PATH, Operation, operations
from dalsegno._backend.patience import Patience
from dalsegno._backend.refusals import error_of, unreached
from dalsegno._spans import open_tracer, trace_headers
from dalsegno.exceptions import (
    BackendError,
    BackendUnavailable,
    MissingResult,
    StorageError,
)
from dalsegno.settings import Settings

T = TypeVar("T")

_COMPRESS_FROM = 16 * 1024
_SLOWEST_STORAGE = 1024 * 1024
"""Bytes a second."""
_LOOPBACK = frozenset({b"localhost", b"127.0.0.1", b"::1"})
_NOT_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
# Whoever calls these (the journal, the keeper of slots) has a way of waiting of their own.
_NEVER_WAITS = frozenset(
    {
        "deliver",
        "heartbeat",
        "end_process",
        "renew_leases",
        "release_slots",
        "renew_slots",
        "limited_tags",
        "wait_for_wish",
    }
)


class HttpBackend:
    """Has all operations of `dalsegno._backend.protocol.Backend`; what they do stands there.

    Operations that need an answer wait for a server that cannot be reached, as long as the setting `api.wait` says;
    those of the journal do not, and a cache look-up counts as a miss. Raises BackendUnavailable when there is no
    answer, and otherwise the BackendError that the server names.
    """

    spools = True

    def __init__(self, settings: Settings) -> None:
        api = settings.api
        assert api.url is not None
        self.url = api.url.rstrip("/")
        target = read_url(self.url)
        self._target, self._scheme = target, target.scheme
        self._wait = api.wait
        self._timeouts = {
            "connect": api.connect_timeout,
            "read": api.timeout,
            "write": api.timeout,
            "pool": api.timeout,
        }
        self._headers = _headers(target, settings)
        self._is_traced = open_tracer(settings) is not None
        self._compresses = target.host not in _LOOPBACK
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context(settings) if target.scheme == b"https" else None,
            max_connections=16,
            max_keepalive_connections=8,
            keepalive_expiry=60.0,
            retries=0,
        )
        self._closed = threading.Event()
        for operation in operations().values():
            setattr(self, operation.name, functools.partial(self._call, operation))
        self.find_cached = self._or_a_miss(operations()["find_cached"])
        self.wait_for_change = self._in_time(operations()["wait_for_change"], api.timeout / 2)
        self.wait_for_work = self._in_time(operations()["wait_for_work"], api.timeout / 2)
        self.wait_for_wish = self._in_time(operations()["wait_for_wish"], api.timeout / 2)

    def tend(self) -> float | None:
        """Do nothing: the server keeps its schedules and leases."""
        return None

    def clean_up(self) -> int:
        """Do nothing: the server keeps its own house."""
        return 0

    def close(self) -> None:
        """Close all connections; nobody waits any longer."""
        self._closed.set()
        self._pool.close()

    def _call(self, operation: Operation, *arguments: Any, **keywords: Any) -> Any:
        body = operation.pack_arguments(arguments, keywords)
        if operation.name in _NEVER_WAITS:
            return self._read(operation, self._request(operation, body))
        found = self._until_answered(lambda: self._request(operation, body), repeatable=operation.repeatable)
        return self._read(operation, found)

    def _read(self, operation: Operation, body: bytes) -> Any:
        try:
            return operation.read_result(body)
        except msgspec.DecodeError as error:
            raise BackendError(
                f"What {self.url} answers to {operation.name!r} is not what a Dalsegno server answers ({error}). See "
                "that DALSEGNO_API_URL is right."
            ) from error

    def _until_answered(self, ask: Callable[[], T], *, repeatable: bool = True) -> T:
        """Ask, again while the server cannot be reached: where asking twice would do harm, only if it was not asked."""
        patience = Patience(self._wait)
        while True:
            try:
                return ask()
            except BackendUnavailable as error:
                may_repeat = repeatable or isinstance(error.__cause__, _NOT_SENT)
                pause = patience.next_pause() if may_repeat else None
                if pause is None:
                    raise
            if self._closed.wait(pause):
                raise BackendUnavailable(f"The connection to {self.url} was closed in this process.")

    def _or_a_miss(self, operation: Operation) -> Callable[[str], Any]:
        def find(key: str) -> Any:
            body = operation.pack_arguments((key,), {})
            try:
                return self._read(operation, self._request(operation, body))
            except BackendUnavailable:
                return None

        return find

    def _in_time(self, operation: Operation, longest: float) -> Callable[..., Any]:
        """Return a wait, its timeout last, which the server answers before this side takes it for gone."""
        return lambda *arguments: self._call(operation, *arguments[:-1], min(arguments[-1], longest))

    def _request(self, operation: Operation, body: bytes) -> bytes:
        headers = self._headers
        if self._compresses and len(body) > _COMPRESS_FROM:
            body = zlib.compress(body, 1)
            headers = [*headers, (b"content-encoding", COMPRESSED.encode())]
        response = self._send("POST", PATH + operation.name, body, headers)
        if response.status == 200:
            return response.content
        raise error_of(self.url, response.status, response.content)

    def _send(
        self, method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]], patience: float = 0.0
    ) -> httpcore.Response:
        """Send one request. Raises BackendUnavailable if there is no answer."""
        if self._closed.is_set():
            raise BackendError(f"The connection to {self.url} was closed in this process.")
        if self._is_traced:
            headers = [*headers, *trace_headers()]
        url = httpcore.URL(
            scheme=self._target.scheme,
            host=self._target.host,
            port=self._target.port,
            target=self._target.target.rstrip(b"/").removesuffix(b"/api") + path.encode(),
        )
        try:
            return self._pool.request(
                method,
                url,
                headers=headers,
                content=body,
                extensions={"timeout": self._timeouts | {"read": self._timeouts["read"] + patience}},
            )
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise unreached(self.url, error) from error

    # --- result files

    def write_result_file(self, name: str, data: bytes) -> None:
        """Have the server keep a file. Raises StorageError."""
        self._file("PUT", name, data)

    def read_result_file(self, name: str) -> bytes:
        """Return a file that the server keeps. Raises MissingResult or StorageError."""
        found = self._file("GET", name)
        if found is None:
            raise MissingResult(
                f"The result file {name} is gone from the server at {self.url}: it was deleted or has expired. "
                "Run the task again."
            )
        return found

    def result_file_exists(self, name: str) -> bool:
        """Say whether the server keeps a file. Raises StorageError."""
        return self._file("HEAD", name) is not None

    def delete_result_file(self, name: str) -> bool:
        """Delete a file that the server keeps; False: there was none. Raises StorageError."""
        return self._file("DELETE", name) is not None

    def _file(self, method: str, name: str, data: bytes = b"") -> bytes | None:
        """Ask for a file, again while the server cannot be reached, as all of this may be done twice."""
        path = RESULTS_PATH + quote(name)
        headers = [(key, value) for key, value in self._headers if key not in (b"content-type", b"accept")]
        headers.append((b"content-type", b"application/octet-stream"))
        try:
            # The server answers when the file is where it belongs, which may be far away.
            patience = len(data) / _SLOWEST_STORAGE
            response = self._until_answered(lambda: self._send(method, path, data, headers, patience))
            if response.status == 404 and method != "PUT":
                return None
            if response.status >= 300:
                raise error_of(self.url, response.status, response.content)
        except BackendError as error:
            raise StorageError(
                f"The result file {name} cannot be had from, or given to, the server: {error}"
            ) from error
        return response.content


def _headers(target: httpcore.URL, settings: Settings) -> list[tuple[bytes, bytes]]:
    port = b"" if target.port is None else b":%d" % target.port
    host = b"[%b]" % target.host if b":" in target.host else target.host
    headers = {"content-type": MEDIA_TYPE, "accept": MEDIA_TYPE} | headers_of(settings)
    return [(b"host", host + port), *((key.encode(), value.encode()) for key, value in headers.items())]
