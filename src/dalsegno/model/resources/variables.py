"""Variables, as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import etag_of, to_time
from dalsegno.model.views import VariableView

NAME_PATTERN = "^[a-z0-9_-]{1,255}$"
LONGEST_VALUE = 5_000
"""Bytes of JSON."""


class Variable(msgspec.Struct, kw_only=True):
    """A named JSON value that flows share and people can change without touching code."""

    name: Annotated[str, Meta(description="Its name: lowercase letters, digits, dashes and underscores.")]
    value: Annotated[Any, Meta(description="Its value: any JSON.")]
    tags: Annotated[list[str], Meta(description="Its tags.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]
    etag: Annotated[str, Meta(description="Which version this is: send it as `If-Match` with a change.")]


class VariablePage(msgspec.Struct, kw_only=True):
    """A page of variables."""

    items: Annotated[list[Variable], Meta(description="The variables, by name.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


class VariableChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a variable is to be."""

    value: Annotated[Any, Meta(description="Its value: any JSON.", examples=[{"limit": 50}])]
    tags: Annotated[
        list[Annotated[str, Meta(max_length=200)]], Meta(description="Its tags; those it had are gone.", max_length=100)
    ] = []


def to_variable(view: VariableView) -> Variable:
    """Return a variable of the store as the API shows it."""
    return Variable(
        name=view.name,
        value=view.value,
        tags=list(view.tags),
        created=to_time(view.created),
        updated=to_time(view.updated),
        etag=etag_of(view.updated),
    )
