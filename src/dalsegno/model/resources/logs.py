"""Lines of logs, as the API shows them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import to_optional_id, to_time
from dalsegno.model.views import LogView


class Log(msgspec.Struct, kw_only=True):
    """A line of the log of a run."""

    timestamp: Annotated[datetime, Meta(description="When it was written.")]
    level: Annotated[int, Meta(description="10 debug, 20 info, 30 warning, 40 error, 50 critical.")]
    logger: Annotated[str, Meta(description="The logger that it was written to.")]
    message: Annotated[str, Meta(description="What it says.")]
    flow_run_id: Annotated[uuid.UUID | None, Meta(description="The flow run that it was written in.")]
    task_run_id: Annotated[uuid.UUID | None, Meta(description="The task run that it was written in.")]


class LogPage(msgspec.Struct, kw_only=True):
    """A page of lines."""

    items: Annotated[list[Log], Meta(description="The lines, in the order that was asked for.")]
    next_cursor: Annotated[
        str | None,
        Meta(description="Ask with it for what follows; null: there is nothing more, at this moment."),
    ]
    last_cursor: Annotated[
        str | None,
        Meta(description="Where this page ends, to ask later for what was written since; null: it has no lines."),
    ] = None
    complete: Annotated[
        bool,
        Meta(description="False: looking stopped at a bound before the page was full; go on with `next_cursor`."),
    ] = True


def to_log(view: LogView) -> Log:
    """Return a line of the store as the API shows it."""
    return Log(
        timestamp=to_time(view.timestamp),
        level=view.level,
        logger=view.logger,
        message=view.message,
        flow_run_id=to_optional_id(view.flow_run_id),
        task_run_id=to_optional_id(view.task_run_id),
    )
