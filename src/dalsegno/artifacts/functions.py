"""One function for each kind of artifact."""

from __future__ import annotations

import uuid
from typing import Any

from dalsegno.artifacts.kinds import (
    ImageArtifact,
    LinkArtifact,
    MarkdownArtifact,
    ProgressArtifact,
    TableArtifact,
    as_json,
    checked_progress,
    record_artifact,
)
from dalsegno.artifacts.saved import ArtifactId, change
from dalsegno.model.ids import parse_id
from dalsegno.model.records import ArtifactRecord


def create_link_artifact(
    link: str,
    link_text: str | None = None,
    key: str | None = None,
    description: str | None = None,
    client: Any = None,
) -> ArtifactId:
    """Record a link and return the artifact's id.

    With a key (lowercase letters, digits, dashes; else InvalidNameError) artifacts of many runs make a
    history; without one it belongs to its run alone. `description` is Markdown. `client` is not needed and
    not used.

    Example:
        >>> create_link_artifact("https://example.org/report.html", "The report", key="report")
    """
    return _id(record_artifact(LinkArtifact(link=link, link_text=link_text, key=key, description=description)))


def create_markdown_artifact(markdown: str, key: str | None = None, description: str | None = None) -> ArtifactId:
    """Record a text in Markdown and return the artifact's id; for the rest see `create_link_artifact`."""
    return _id(record_artifact(MarkdownArtifact(markdown=markdown, key=key, description=description)))


def create_table_artifact(table: Any, key: str | None = None, description: str | None = None) -> ArtifactId:
    """Record a table and return the artifact's id; for the rest see `create_link_artifact`.

    A table is a list of rows (dicts or lists), a dict of columns, or a data frame. Values that JSON does not
    have are written as texts.

    Example:
        >>> create_table_artifact([{"country": "no", "orders": 12}], key="orders")
    """
    return _id(record_artifact(TableArtifact(table=table, key=key, description=description)))


def create_progress_artifact(progress: float, key: str | None = None, description: str | None = None) -> ArtifactId:
    """Record how far something is, in percent (0 to 100, else ValueError), and return the artifact's id.

    Example:
        >>> progress = create_progress_artifact(0, description="Files")
        >>> update_progress_artifact(progress, 50)
    """
    return _id(record_artifact(ProgressArtifact(progress=progress, key=key, description=description)))


def create_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> ArtifactId:
    """Record the URL of an image and return the artifact's id; for the rest see `create_link_artifact`."""
    return _id(record_artifact(ImageArtifact(image_url=image_url, key=key, description=description)))


def update_progress_artifact(
    artifact_id: uuid.UUID | str, progress: float, description: str | None = None, client: Any = None
) -> ArtifactId:
    """Change a progress artifact in place. Raises ObjectNotFound if there is none of that id.

    The description stays as it is unless a new one is given. `client` is not needed and not used.
    """
    if not isinstance(artifact_id, uuid.UUID | str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{artifact_id!r} is no id of an artifact; of a future use its result().")
    id_ = parse_id(artifact_id)
    change(id_, as_json(checked_progress(progress), "progress"), description)
    return ArtifactId(bytes=id_)


async def acreate_link_artifact(
    link: str,
    link_text: str | None = None,
    key: str | None = None,
    description: str | None = None,
    client: Any = None,
) -> ArtifactId:
    """Do what `create_link_artifact` does."""
    return create_link_artifact(link, link_text, key, description)


async def acreate_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Do what `create_markdown_artifact` does."""
    return create_markdown_artifact(markdown, key, description)


async def acreate_table_artifact(table: Any, key: str | None = None, description: str | None = None) -> ArtifactId:
    """Do what `create_table_artifact` does."""
    return create_table_artifact(table, key, description)


async def acreate_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Do what `create_progress_artifact` does."""
    return create_progress_artifact(progress, key, description)


async def acreate_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> ArtifactId:
    """Do what `create_image_artifact` does."""
    return create_image_artifact(image_url, key, description)


async def aupdate_progress_artifact(
    artifact_id: uuid.UUID | str, progress: float, description: str | None = None, client: Any = None
) -> ArtifactId:
    """Do what `update_progress_artifact` does."""
    return update_progress_artifact(artifact_id, progress, description)


def _id(record: ArtifactRecord) -> ArtifactId:
    return ArtifactId(bytes=record.id)
