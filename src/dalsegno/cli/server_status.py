"""Asks a server whether it is ready, and of which version it is."""

from __future__ import annotations

import httpcore
import msgspec

from dalsegno.exceptions import ConfigurationError

_TIMEOUT = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}


class Status(msgspec.Struct):
    """What a server said of itself."""

    url: str
    ready: bool
    version: str | None = None
    detail: str | None = None
    """Why it is not ready."""

    @property
    def sentence(self) -> str:
        """For people."""
        if self.ready:
            return f"The server at {self.url} is ready (Dalsegno {self.version})."
        if self.version is None:
            return f"No server answers at {self.url}: {self.detail} Start one with `dalsegno server start`."
        return f"The server at {self.url} (Dalsegno {self.version}) is not ready: {self.detail}"


class _Version(msgspec.Struct):
    version: str


class _Problem(msgspec.Struct):
    detail: str = ""


def ask(url: str) -> Status:
    """Ask the server at a URL. Raises ConfigurationError if the URL is none."""
    try:
        version = _get(f"{url}/api/version")
        ready = _get(f"{url}/api/ready")
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        return Status(url, ready=False, detail=f"{str(error) or type(error).__name__}.")
    except httpcore.UnsupportedProtocol:
        raise ConfigurationError(f"{url!r} is no URL of a server: it must be like 'http://127.0.0.1:4200'.") from None
    try:
        found = msgspec.json.decode(version.content, type=_Version).version
        detail = None if ready.status == 200 else msgspec.json.decode(ready.content, type=_Problem).detail
    except msgspec.DecodeError:
        return Status(url, ready=False, detail=f"what answers there is no Dalsegno (HTTP {version.status}).")
    return Status(url, ready=detail is None, version=found, detail=detail)


def _get(url: str) -> httpcore.Response:
    return httpcore.request("GET", url, extensions={"timeout": _TIMEOUT})
