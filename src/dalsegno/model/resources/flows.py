"""Flows, as the API shows them: by name, with their newest version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import to_optional_time
from dalsegno.model.views import FlowView


class Flow(msgspec.Struct, kw_only=True):
    """A flow that was run at least once."""

    name: Annotated[str, Meta(description="Its name.")]
    version: Annotated[str | None, Meta(description="Its newest version, where it names one.")]
    description: Annotated[str | None, Meta(description="What it does, in its own words.")]
    run_count: Annotated[int, Meta(description="How many runs of it there are.")]
    run_count_at_least: Annotated[bool, Meta(description="Counting stopped at a bound: there are at least so many.")]
    last_run: Annotated[datetime | None, Meta(description="When its newest run was made.")]
    last_state: Annotated[str | None, Meta(description="The name of the state that its newest run is in.")]


class FlowPage(msgspec.Struct, kw_only=True):
    """A page of flows."""

    items: Annotated[list[Flow], Meta(description="The flows, by name.")]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]


def to_flow(view: FlowView, most: int) -> Flow:
    """Return a flow of the store as the API shows it; its runs were counted up to one more than `most`."""
    return Flow(
        name=view.name,
        version=view.version,
        description=view.description,
        run_count=min(view.run_count, most),
        run_count_at_least=view.run_count > most,
        last_run=to_optional_time(view.last_run),
        last_state=view.last_state,
    )
