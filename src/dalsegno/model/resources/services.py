"""The loops that a server runs, as the API shows them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class ServiceView(msgspec.Struct, kw_only=True):
    """How a loop of a server does; times are microseconds since 1970."""

    name: Annotated[str, Meta(description="What it is called.")]
    what: Annotated[str, Meta(description="What it does.")]
    interval: Annotated[float, Meta(description="Seconds between two ticks.")]
    last_tick: Annotated[int | None, Meta(description="When it last ticked, in microseconds since 1970.")] = None
    next_tick: Annotated[int | None, Meta(description="When it ticks again, in microseconds since 1970.")] = None
    ticks: Annotated[int, Meta(description="Ticks that went well.")] = 0
    errors: Annotated[int, Meta(description="Ticks that failed.")] = 0
    last_error: Annotated[str | None, Meta(description="What the last one that failed said.")] = None
    last_error_at: Annotated[int | None, Meta(description="When that was, in microseconds since 1970.")] = None
