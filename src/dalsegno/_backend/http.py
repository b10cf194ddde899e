"""The backend over HTTP: each operation of the protocol is one request to a server."""

from __future__ import annotations

import functools
import random
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpcore
import msgspec

import dalsegno
from dalsegno import exceptions
from dalsegno._backend.operations import COMPRESSED, MEDIA_TYPE, PATH, RESULTS_PATH, Operation, operations
from dalsegno.exceptions import (
    BackendError,
    BackendUnavailable,
    ConfigurationError,
    MissingResult,
    NotAllowed,
    StorageError,
)
from dalsegno.settings import Settings

T = TypeVar("T")

_COMPRESS_FROM = 16 * 1024
_LOOPBACK = frozenset({b"localhost", b"127.0.0.1", b"::1"})
_NOT_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout)
_FIRST_PAUSE = 0.05  # seconds
_LONGEST_PAUSE = 2.0
# The journal, which calls these, has its own way of waiting.
_NEVER_WAITS = frozenset({"deliver", "heartbeat", "end_process"})


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
        target = _read_url(self.url)
        self._target, self._scheme = target, target.scheme
        self._wait = api.wait
        self._timeouts = {
            "connect": api.connect_timeout,
            "read": api.timeout,
            "write": api.timeout,
            "pool": api.timeout,
        }
        self._headers = _headers(target, api.key)
        self._compresses = target.host not in _LOOPBACK
        self._pool = httpcore.ConnectionPool(
            ssl_context=_ssl_context(settings) if target.scheme == b"https" else None,
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

    def wait_for_wish(self, process_id: bytes, timeout: float) -> bool:
        """Wait for so many seconds: what is wanted of runs is heard of with their heartbeats."""
        if self._closed.wait(timeout):
            raise BackendError(f"The connection to {self.url} was closed in this process.")
        return False

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
        give_up = time.monotonic() + self._wait
        pause = _FIRST_PAUSE
        while True:
            try:
                return ask()
            except BackendUnavailable as error:
                may_repeat = repeatable or isinstance(error.__cause__, _NOT_SENT)
                if not may_repeat or time.monotonic() + pause > give_up:
                    raise
            if self._closed.wait(pause * (0.5 + random.random() / 2)):
                raise BackendUnavailable(f"The connection to {self.url} was closed in this process.")
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _or_a_miss(self, operation: Operation) -> Callable[[str], Any]:
        def find(key: str) -> Any:
            body = operation.pack_arguments((key,), {})
            try:
                return self._read(operation, self._request(operation, body))
            except BackendUnavailable:
                return None

        return find

    def _in_time(self, operation: Operation, longest: float) -> Callable[[Any, float], Any]:
        """Return a wait of which the server answers before this side takes it for gone."""
        return lambda token, timeout: self._call(operation, token, min(timeout, longest))

    def _request(self, operation: Operation, body: bytes) -> bytes:
        headers = self._headers
        if self._compresses and len(body) > _COMPRESS_FROM:
            body = zlib.compress(body, 1)
            headers = [*headers, (b"content-encoding", COMPRESSED.encode())]
        response = self._send("POST", PATH + operation.name, body, headers)
        if response.status == 200:
            return response.content
        raise self._error(response.status, response.content)

    def _send(self, method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> httpcore.Response:
        """Send one request. Raises BackendUnavailable if there is no answer."""
        url = httpcore.URL(
            scheme=self._target.scheme,
            host=self._target.host,
            port=self._target.port,
            target=self._target.target.rstrip(b"/").removesuffix(b"/api") + path.encode(),
        )
        try:
            return self._pool.request(
                method, url, headers=headers, content=body, extensions={"timeout": self._timeouts}
            )
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise BackendUnavailable(
                f"The server at {self.url} cannot be reached ({_reason(error)}). See that it runs "
                "(`dalsegno server status`) and that DALSEGNO_API_URL is right."
            ) from error

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
            response = self._until_answered(lambda: self._send(method, path, data, headers))
            if response.status == 404 and method != "PUT":
                return None
            if response.status >= 300:
                raise self._error(response.status, response.content)
        except BackendError as error:
            raise StorageError(
                f"The result file {name} cannot be had from, or given to, the server: {error}"
            ) from error
        return response.content

    def _error(self, status: int, body: bytes) -> BackendError:
        """Return the error that the server names in its answer."""
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            problem = Problem(title=f"HTTP {status}", detail=f"It answered {body[:200]!r}.")
        if status in (401, 403):
            return NotAllowed(f"The server at {self.url} refuses: {problem.detail}")
        if status >= 500 or status in (408, 425, 429):
            return BackendUnavailable(f"The server at {self.url} cannot do it now ({problem.detail or problem.title})")
        kind = getattr(exceptions, problem.error or "", None)
        if isinstance(kind, type) and issubclass(kind, BackendError):
            return kind(problem.detail)
        return BackendError(f"The server at {self.url} refused {problem.title}: {problem.detail}")


class Problem(msgspec.Struct):
    """What this side reads of an error of the server (RFC 9457)."""

    title: str = ""
    detail: str = ""
    error: str | None = None
    """The name of the class in `dalsegno.exceptions`."""


def _read_url(url: str) -> httpcore.URL:
    try:
        split = urlsplit(url)
        has_user = split.username is not None
        target = None if has_user or split.query or split.fragment else httpcore.URL(url)
    except (ValueError, TypeError):  # no port, no address in its brackets, or not ASCII
        has_user, target = "@" in url, None
    if has_user:
        raise ConfigurationError(
            "DALSEGNO_API_URL has a user or password in it, which the server does not know: show an API key "
            "(DALSEGNO_API_KEY) instead."
        )
    if target is None or target.scheme not in (b"http", b"https") or not target.host:
        raise ConfigurationError(f"DALSEGNO_API_URL is {url!r}: it must be like 'http://127.0.0.1:4200/api'.")
    return target


def _headers(target: httpcore.URL, key: str | None) -> list[tuple[bytes, bytes]]:
    port = b"" if target.port is None else b":%d" % target.port
    host = b"[%b]" % target.host if b":" in target.host else target.host
    headers = [
        (b"host", host + port),
        (b"content-type", MEDIA_TYPE.encode()),
        (b"accept", MEDIA_TYPE.encode()),
        (b"user-agent", f"dalsegno/{dalsegno.__version__}".encode()),
        (b"dalsegno-version", dalsegno.__version__.encode()),
    ]
    if key:
        headers.append((b"authorization", b"Bearer " + _sendable(key)))
    return headers


def _sendable(key: str) -> bytes:
    """Return an API key as a header takes it: whoever reads it from a file has the end of the line too."""
    stripped = key.strip()
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        # Here, for a request that cannot be made would have it in its error.
        raise ConfigurationError("DALSEGNO_API_KEY is no API key: it has spaces, ends of lines or odd letters in it.")
    return stripped.encode()


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    api = settings.api
    if not api.tls_verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if api.tls_ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(api.tls_ca_file.expanduser()))
    except OSError as error:
        raise ConfigurationError(
            f"DALSEGNO_API_TLS_CA_FILE is {str(api.tls_ca_file)!r}, which cannot be used ({error.strerror or error})."
        ) from None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
