"""`dalsegno variable`: named JSON values that flows read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.as_json import show_json
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit
from dalsegno.cli.listing import Table, show_list, with_one_more
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, Limit, Output, group
from dalsegno.cli.screen import Screen
from dalsegno.cli.tables import Column
from dalsegno.cli.values import json_or_text
from dalsegno.model.views import VariableView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

NONE = "No variables yet: set one with `dalsegno variable set NAME VALUE`."
PAGE = 500

app = group("variable", "Get, set and list variables.")


@app.command
def get(name: str, /, *, output: Output = "table") -> None:
    """Print the value of a variable: a text as it is, anything else as JSON."""
    found = open_backend(runs=False).get_variable(name)
    if found is None:
        raise missing(name)
    if output == "json":
        show_json(found)
    else:
        print(found.value if isinstance(found.value, str) else json.dumps(found.value, ensure_ascii=False))


@app.command
def set(
    name: str,
    value: Annotated[str, Parameter(help="JSON; what is no JSON is a text.", allow_leading_hyphen=True)],
    /,
    *,
    tag: Annotated[list[str] | None, Parameter(help="A tag; may be repeated.")] = None,
    text: Annotated[bool, Parameter(help="The value is a text, even if it looks like JSON.")] = False,
    overwrite: Annotated[bool, Parameter(help="Replace the value that it has.")] = False,
) -> None:
    """Set a variable."""
    from dalsegno.variables import Variable

    try:
        Variable.set(name, value if text else json_or_text(value), tags=tag, overwrite=overwrite)
    except (ValueError, TypeError) as error:
        if not overwrite and open_backend(runs=False).get_variable(name) is not None:
            raise CommandError(f"Variable {name!r} has a value; give --overwrite to replace it.") from None
        raise CommandError(str(error)) from error
    print(f"Variable {name!r} is set.")


@app.command
def unset(name: str, /) -> None:
    """Delete a variable."""
    if not open_backend(runs=False).unset_variable(name):
        raise missing(name)
    print(f"Variable {name!r} is deleted.")


@app.command
def ls(*, limit: Limit = 50, all: All = False, output: Output = "table") -> None:
    """List variables by name."""
    shown, asked = with_one_more(check_limit(limit), all)
    show_list(variables(open_backend(runs=False), asked), shown, output, variable_rows, empty=NONE)


def variables(backend: Backend, limit: int | None) -> Iterator[VariableView]:
    """Yield variables by name, `limit` at most (None: all)."""
    after: str | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        found = backend.list_variables(after, size)
        yield from found
        if len(found) < size:
            return
        after = found[-1].name
        left = None if left is None else left - size


def variable_rows(variables: Sequence[VariableView], screen: Screen) -> Table:
    """Return variables as rows."""
    at = times.now()
    heads = (
        Column("NAME", shrinks=True),
        Column("VALUE", shrinks=True),
        Column("TAGS", shrinks=True),
        Column("UPDATED"),
    )
    rows = [
        [
            variable.name,
            json.dumps(variable.value, ensure_ascii=False),
            ", ".join(variable.tags),
            times.ago(variable.updated, at),
        ]
        for variable in variables
    ]
    return Table(heads, rows)


def missing(name: str) -> CommandError:
    """Return the error for a variable that is not there."""
    return CommandError(f"There is no variable {name!r}; `dalsegno variable ls` lists them.", ExitCode.NOT_FOUND)
