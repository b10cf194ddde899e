"""Artifacts, as the API shows them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dalsegno.model.resources.values import etag_of, read_json, to_id, to_optional_id, to_time
from dalsegno.model.views import ArtifactView

Description = Annotated[str, Meta(max_length=65_536)]


class Artifact(msgspec.Struct, kw_only=True):
    """Something that a run left for people to look at."""

    id: Annotated[uuid.UUID, Meta(description="Its id.")]
    type: Annotated[str, Meta(description="`markdown`, `table`, `link`, `progress` or `image`.")]
    key: Annotated[str | None, Meta(description="What it is known by from run to run; null: it stands alone.")]
    data: Annotated[Any, Meta(description="What it holds, as its type says.")]
    description: Annotated[str | None, Meta(description="What it is, in Markdown.")]
    flow_run_id: Annotated[uuid.UUID | None, Meta(description="The flow run that left it.")]
    task_run_id: Annotated[uuid.UUID | None, Meta(description="The task run that left it.")]
    created: Annotated[datetime, Meta(description="When it was made.")]
    updated: Annotated[datetime, Meta(description="When it was last changed.")]
    etag: Annotated[str, Meta(description="Which version this is: send it as `If-Match` with a change.")]


class ArtifactPage(msgspec.Struct, kw_only=True):
    """A page of artifacts."""

    items: Annotated[
        list[Artifact], Meta(description="The artifacts, newest first, or by key where each has its newest.")
    ]
    next_cursor: Annotated[str | None, Meta(description="Ask with it for what follows; null: there is nothing more.")]
    complete: Annotated[
        bool,
        Meta(description="False: looking stopped at a bound before the page was full; go on with `next_cursor`."),
    ] = True


class ArtifactChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What people may change of an artifact."""

    description: Annotated[Description | None, Meta(description="What it is, in Markdown.")]


def to_artifact(view: ArtifactView) -> Artifact:
    """Return an artifact of the store as the API shows it."""
    return Artifact(
        id=to_id(view.id),
        type=view.type,
        key=view.key,
        data=read_json(view.data),
        description=view.description,
        flow_run_id=to_optional_id(view.flow_run_id),
        task_run_id=to_optional_id(view.task_run_id),
        created=to_time(view.created),
        updated=to_time(view.updated),
        etag=etag_of(view.updated),
    )
