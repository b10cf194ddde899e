"""Errors as the API answers them: RFC 9457 problem details, one shape for all."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from dalsegno import exceptions

MEDIA_TYPE = "application/problem+json"

# The first class that fits decides.
_STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (exceptions.ObjectNotFound, 404),
    (exceptions.RunIsAlive, 409),
    (exceptions.AttemptConflict, 409),
    (exceptions.ObjectAlreadyExists, 409),
    (exceptions.NotAllowed, 403),
    (exceptions.MissingResult, 404),
    (exceptions.StorageError, 503),
    (exceptions.BackendUnavailable, 503),
    (exceptions.DatabaseError, 503),
    (exceptions.BackendError, 400),
    (msgspec.DecodeError, 400),
)
_TITLES = {
    400: "The request cannot be understood",
    401: "Login is needed",
    403: "This is not allowed",
    404: "There is no such thing",
    405: "This cannot be done here",
    409: "This does not fit the state that it is in",
    412: "Somebody else has changed it meanwhile",
    413: "The request is too large",
    415: "The request has a type that is not accepted",
    422: "A value is not valid",
    429: "Too many requests",
    500: "The server met an error that it does not know",
    503: "The server cannot do this now",
}


class ProblemDetails(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    status: int
    title: str
    type: str = "about:blank"
    detail: str = ""
    """What happened, to what, and what to do."""
    instance: str | None = None
    """The id of the request, as it stands in the server's log."""
    error: str | None = None
    """The name of the class in `dalsegno.exceptions`, where it is one of ours."""
    errors: list[dict[str, Any]] | None = None
    """What is wrong with single fields: ``{"field": ..., "message": ...}``."""


def request_id(request: Request[Any, Any, Any]) -> str:
    """Return the id of a request, which stands in the log and in the answer."""
    found: str | None = request.scope.get("dalsegno_request_id")  # type: ignore[assignment]
    if found is None:
        found = uuid.uuid4().hex
        request.scope["dalsegno_request_id"] = found  # type: ignore[typeddict-unknown-key]
    return found


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Return the answer for an error: the one exception handler of the application."""
    problem = problem_of(error)
    problem.instance = f"urn:dalsegno:request:{request_id(request)}"
    headers = dict(getattr(error, "headers", None) or {})
    if problem.status >= 500:
        request.app.state.log.exception(
            "%s %s (request %s) failed", request.method, request.url.path, request_id(request), exc_info=error
        )
    if problem.status == 503:
        headers["retry-after"] = "1"
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def problem_of(error: Exception) -> ProblemDetails:
    """Return an error as problem details; of one that is none of ours nothing is told but that it happened."""
    if isinstance(error, HTTPException):
        status = error.status_code
        errors = list(error.extra) if isinstance(error, ValidationException) and isinstance(error.extra, list) else None
        return ProblemDetails(status=status, title=_title(status), detail=error.detail, errors=errors)
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            ours = isinstance(error, exceptions.DalsegnoException)
            name = type(error).__name__ if ours else None
            return ProblemDetails(status=status, title=_title(status), detail=str(error), error=name)
    return ProblemDetails(
        status=500, title=_title(500), detail="It is in the server's log, under the id of this request."
    )


def _title(status: int) -> str:
    return _TITLES.get(status, f"HTTP {status}")
