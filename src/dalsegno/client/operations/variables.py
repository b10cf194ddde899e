"""Variables: read, made, changed under the eyes of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dalsegno.client.calls import Call, Pages, change, get, segment
from dalsegno.client.operation import listing, operation
from dalsegno.model.resources.commands import MOST_ITEMS
from dalsegno.model.resources.variables import Variable, VariableChange, VariablePage


class VariableOperations:
    """Operations on variables. With the `etag` of what was read as `if_match` nothing of anybody else is overwritten.

    They raise ChangedMeanwhile where somebody was faster.
    """

    @operation
    def read_variable(self, name: str) -> Call[Variable]:
        """Return a variable. Raises ObjectNotFound."""
        return get(f"variables/{segment(name)}", Variable)

    @operation
    def read_variables(self, *, limit: int = 50, cursor: str | None = None) -> Call[VariablePage]:
        """Return a page of variables, by name."""
        return get("variables", VariablePage, {"limit": limit, "cursor": cursor})

    @listing
    def iterate_variables(self) -> Pages[Variable]:
        """Iterate over all variables, by name."""
        return Pages(lambda at: get("variables", VariablePage, {"limit": MOST_ITEMS, "cursor": at}))

    @operation
    def set_variable(
        self,
        name: str,
        value: Any,
        *,
        tags: Iterable[str] = (),
        if_match: str | None = None,
        overwrite: bool = True,
    ) -> Call[Variable]:
        """Make a variable, or give it another value and other tags; without `overwrite` only if there is none."""
        return change(
            "PUT",
            f"variables/{segment(name)}",
            Variable,
            VariableChange(value=value, tags=list(tags)),
            if_match=if_match,
            if_none_match=None if overwrite else "*",
        )

    @operation
    def delete_variable(self, name: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a variable. Raises ObjectNotFound."""
        return change("DELETE", f"variables/{segment(name)}", type(None), if_match=if_match)
