"""What a server says when it does not do what it was asked, as our exceptions."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno import exceptions
from dalsegno.exceptions import (
    BackendError,
    BackendUnavailable,
    ChangedMeanwhile,
    DatabaseError,
    InvalidRequest,
    NotAllowed,
    ServerFault,
)

_NOT_VALID = frozenset({413, 415, 422})


class Problem(msgspec.Struct):
    """What is read of an error of a server (RFC 9457)."""

    title: str = ""
    detail: str = ""
    error: str | None = None
    """The name of the class in `dalsegno.exceptions`."""
    errors: list[dict[str, Any]] | None = None
    """The values that are wrong, each with its `field` and a `message`."""

    @property
    def text(self) -> str:
        """What is wrong, in words."""
        if self.errors:
            return "; ".join(f"{each.get('field', '')}: {each.get('message', '')}" for each in self.errors)
        return self.detail


def error_of(url: str, status: int, body: bytes) -> BackendError:
    """Return the error that the server at a URL names in its answer."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        problem = Problem(title=f"HTTP {status}", detail=f"It answered {body[:200]!r}.")
    if status in (401, 403):
        return NotAllowed(f"The server at {url} refuses: {problem.text}")
    if status == 500 or (status == 503 and problem.error == DatabaseError.__name__):
        return ServerFault(f"The server at {url} met an error ({problem.text or problem.title})")
    if status >= 500 or status in (408, 425, 429):
        return BackendUnavailable(f"The server at {url} cannot do it now ({problem.text or problem.title})")
    kind = getattr(exceptions, problem.error or "", None)
    if isinstance(kind, type) and issubclass(kind, BackendError) and kind is not BackendError:
        return kind(problem.detail)
    if status == 412:
        return ChangedMeanwhile(problem.detail)
    kind = InvalidRequest if status in _NOT_VALID else BackendError
    return kind(f"The server at {url} refuses. {problem.title}: {problem.text}")


def unreached(url: str, error: Exception) -> BackendUnavailable:
    """Return the error for a server that gave no answer."""
    reason = str(error) or type(error).__name__
    return BackendUnavailable(
        f"The server at {url} cannot be reached ({reason}). See that it runs (`dalsegno server status`) and that "
        "DALSEGNO_API_URL is right."
    )
