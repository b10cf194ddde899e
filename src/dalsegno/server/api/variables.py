"""`/api/variables`: named JSON values, changed by people under the eyes of others: with ETags."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.params import HeaderParameter, JSONBody, PathParameter

from dalsegno._store import variables
from dalsegno._store.connection import Connection
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.resources.variables import (
    LONGEST_VALUE,
    NAME_PATTERN,
    Variable,
    VariableChange,
    VariablePage,
    to_variable,
)
from dalsegno.model.views import VariableView
from dalsegno.server.asking import read, write
from dalsegno.server.clock import now
from dalsegno.server.cursors import read_cursor, write_cursor
from dalsegno.server.etags import check_if_match, check_if_none_match
from dalsegno.server.parameters import CursorParameter, LimitParameter, Name
from dalsegno.server.problems import InvalidValue, PreconditionFailed

_KIND = "variables"
_TAGS = ["Variables"]
_MEANWHILE = "It was changed, or deleted, in this moment: read it again and decide anew."

ValidName = Annotated[str, PathParameter(description="The variable's name.", pattern=NAME_PATTERN)]
IfMatch = Annotated[
    str | None, HeaderParameter(name="if-match", description="Only if its ETag is still this one.", max_length=1000)
]
IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="if-none-match", description="`*`: only if there is none yet.", max_length=1000)
]


@get("/api/variables", operation_id="list_variables", tags=_TAGS)
async def list_variables(
    request: Request[Any, Any, Any], limit: LimitParameter = 50, cursor: CursorParameter = None
) -> VariablePage:
    """Return a page of variables, by name."""
    found = await read(request, variables.list_variables, read_cursor(_KIND, cursor, str), limit + 1)
    return VariablePage(
        items=[to_variable(each) for each in found[:limit]],
        next_cursor=write_cursor(_KIND, found[limit - 1].name) if len(found) > limit else None,
    )


@get("/api/variables/{name:str}", operation_id="read_variable", tags=_TAGS)
async def read_variable(request: Request[Any, Any, Any], name: Name) -> Response[Variable]:
    """Return a variable; its ETag says which version of it that is."""
    found = await read(request, variables.get_variable, name)
    if found is None:
        raise _missing(name)
    return _answer(found, 200)


@put("/api/variables/{name:str}", operation_id="set_variable", tags=_TAGS, status_code=200)
async def set_variable(
    request: Request[Any, Any, Any],
    name: ValidName,
    data: JSONBody[VariableChange],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[Variable]:
    """Make a variable, or give it another value and other tags."""
    length = len(msgspec.json.encode(data.value))
    if length > LONGEST_VALUE:
        raise InvalidValue("value", f"It has {length} bytes of JSON; a variable's may have {LONGEST_VALUE}.")
    variable, is_new = await write(request, _set, name, data, if_match, if_none_match)
    return _answer(variable, 201 if is_new else 200)


@delete("/api/variables/{name:str}", operation_id="delete_variable", tags=_TAGS)
async def delete_variable(request: Request[Any, Any, Any], name: Name, if_match: IfMatch = None) -> None:
    """Delete a variable."""
    await write(request, _delete, name, if_match)


def _set(
    connection: Connection, name: str, data: VariableChange, if_match: str | None, if_none_match: str | None
) -> tuple[VariableView, bool]:
    found = variables.get_variable(connection, name)
    version = None if found is None else found.updated
    check_if_match(if_match, version)
    check_if_none_match(if_none_match, version)
    moment = now() if found is None else max(now(), found.updated + 1)
    created = moment if found is None else found.created
    wanted = VariableView(name=name, value=data.value, tags=tuple(data.tags), created=created, updated=moment)
    done = (
        variables.set_variable(connection, wanted, overwrite=False)
        if found is None
        else variables.replace_variable(connection, wanted, found.updated)
    )
    if not done:
        raise PreconditionFailed(_MEANWHILE)
    return wanted, found is None


def _delete(connection: Connection, name: str, if_match: str | None) -> None:
    found = variables.get_variable(connection, name)
    if found is None:
        raise _missing(name)
    check_if_match(if_match, found.updated)
    if not variables.remove_variable(connection, name, found.updated):
        raise PreconditionFailed(_MEANWHILE)


def _answer(variable: VariableView, status: int) -> Response[Variable]:
    found = to_variable(variable)
    return Response(found, status_code=status, headers={"etag": found.etag})


def _missing(name: str) -> ObjectNotFound:
    return ObjectNotFound(f"There is no variable {name!r}.")


routes = [list_variables, read_variable, set_variable, delete_variable]
