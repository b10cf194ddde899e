"""Errors as the API answers them: RFC 9457 problem details, one shape for all."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, cast
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, ValidationException
from msgspec import Meta

from dalsegno import exceptions
from dalsegno._backend.operations import NoArguments

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "dalsegno_request_id"
"""The key of a request's id in its scope."""

# The first class that fits decides.
_STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (exceptions.ObjectNotFound, 404),
    (exceptions.RunIsAlive, 409),
    (exceptions.AttemptConflict, 409),
    (exceptions.ObjectAlreadyExists, 409),
    (exceptions.StateConflict, 409),
    (exceptions.OnlyAdmin, 409),
    (exceptions.InvalidInput, 422),
    (exceptions.InvalidParameters, 422),
    (exceptions.NotAllowed, 403),
    (exceptions.MissingResult, 404),
    (exceptions.StorageError, 503),
    (exceptions.BackendUnavailable, 503),
    (exceptions.DatabaseError, 503),
    (exceptions.BackendError, 400),
    (NoArguments, 400),
)
TITLES = {
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


class InvalidValue(HTTPException):
    """A value that somebody sent is not valid."""

    status_code = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(detail=message, extra=[{"field": field, "message": message}])


class PreconditionFailed(HTTPException):
    """Somebody else has changed it meanwhile."""

    status_code = 412


class TooLarge(HTTPException):
    """What was sent is larger than is taken."""

    status_code = 413


class VersionMismatch(HTTPException):
    """The client is of a version that this server does not work with."""

    status_code = 400


class FieldProblem(msgspec.Struct, kw_only=True):
    """What is wrong with one field."""

    field: Annotated[str, Meta(description="The field or parameter; `body` for the whole.")]
    message: Annotated[str, Meta(description="What is wrong with it.")]


class ProblemDetails(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    status: Annotated[int, Meta(description="The status of the answer.")]
    title: Annotated[str, Meta(description="What kind of problem it is.")]
    type: Annotated[str, Meta(description="A URI for the kind of problem.")] = "about:blank"
    detail: Annotated[str, Meta(description="What happened, to what, and what to do.")] = ""
    instance: Annotated[str | None, Meta(description="The id of the request, as it stands in the server's log.")] = None
    error: Annotated[
        str | None, Meta(description="The name of the class in `dalsegno.exceptions`, where it is one of ours.")
    ] = None
    errors: Annotated[list[FieldProblem] | None, Meta(description="What is wrong with single fields.")] = None


def request_id(request: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the id of a request, which stands in the log and in the answer."""
    return request_id_of(request.scope)


def request_id_of(scope: Any) -> str:
    """Return the id of the request that an ASGI scope is of."""
    found: str | None = scope.get(REQUEST_ID)
    if found is None:
        found = scope[REQUEST_ID] = uuid.uuid4().hex
    return found


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Return the answer for an error: the one exception handler of the application."""
    problem = problem_of(error)
    headers = dict(getattr(error, "headers", None) or {})
    if problem.status >= 500:
        request.app.state.log.exception(
            "%s %s (request %s) failed",
            request.method,
            quote(request.scope["path"]),
            request_id(request),
            exc_info=error,
        )
    if problem.status == 503:
        headers["retry-after"] = "1"
    body = encode_problem(problem, request_id(request))
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def problem_of(error: Exception) -> ProblemDetails:
    """Return an error as problem details; of one that is none of ours nothing is told but that it happened."""
    if isinstance(error, HTTPException):
        errors = _field_problems(error)
        # What cannot be read at all is a bad request; what reads but is not valid is said field by field.
        status = 422 if isinstance(error, ValidationException) else error.status_code
        detail = error.detail
        if isinstance(error, ValidationException) and errors:
            detail = "; ".join(f"{each.field}: {each.message}" for each in errors)
        return ProblemDetails(status=status, title=_title(status), detail=detail, errors=errors or None)
    if isinstance(error, RecursionError) and "deserializing" in str(error):
        # Only a decoder says so, of what was sent.
        return ProblemDetails(status=400, title=_title(400), detail="The body is nested too deeply.")
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            ours = isinstance(error, exceptions.DalsegnoException)
            name = type(error).__name__ if ours else None
            fields = error.fields if isinstance(error, exceptions.InvalidInput) else []
            errors = [FieldProblem(field=field, message=message) for field, message in fields] or None
            return ProblemDetails(status=status, title=_title(status), detail=str(error), error=name, errors=errors)
    return ProblemDetails(
        status=500, title=_title(500), detail="It is in the server's log, under the id of this request."
    )


def encode_problem(problem: ProblemDetails, request_id: str) -> bytes:
    """Return a problem as JSON, with the id of the request that met it."""
    problem.instance = f"urn:dalsegno:request:{request_id}"
    return msgspec.json.encode(problem)


def _field_problems(error: HTTPException) -> list[FieldProblem]:
    """Return what is wrong with single fields, from how Litestar and we say it."""
    if not isinstance(error.extra, list):
        return []
    return [_field_problem(cast("dict[str, Any]", each)) for each in error.extra if isinstance(each, dict)]


def _field_problem(told: dict[str, Any]) -> FieldProblem:
    field = str(told.get("field") or told.get("key") or "body")
    if told.get("source") == "query":
        # Handlers name parameters as Python can, queries as the API does.
        field = field.replace("_", "-")
    return FieldProblem(field=field, message=str(told.get("message", "")))


def _title(status: int) -> str:
    return TITLES.get(status, f"HTTP {status}")


def body_of(status: int, detail: str, request: str) -> bytes:
    """Return the body of an answer that is made outside of the application."""
    return encode_problem(ProblemDetails(status=status, title=_title(status), detail=detail), request)
