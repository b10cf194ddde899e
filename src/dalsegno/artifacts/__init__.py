"""Artifacts: what a run leaves for people to look at: links, Markdown, tables, progress, images.

Creating one does no I/O inside a run, so it is as good in a coroutine as elsewhere; the id that it gives can
be awaited, and need not be. An artifact's id is made from the place of the call in its run: a body that runs
again writes the same artifacts anew and doubles none.
"""

from __future__ import annotations

from dalsegno.artifacts.functions import (
    acreate_image_artifact,
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from dalsegno.artifacts.kinds import (
    Artifact,
    ImageArtifact,
    LinkArtifact,
    MarkdownArtifact,
    ProgressArtifact,
    TableArtifact,
)
from dalsegno.artifacts.saved import ArtifactId, SavedArtifact

__all__ = [
    "Artifact",
    "ArtifactId",
    "ImageArtifact",
    "LinkArtifact",
    "MarkdownArtifact",
    "ProgressArtifact",
    "SavedArtifact",
    "TableArtifact",
    "acreate_image_artifact",
    "acreate_link_artifact",
    "acreate_markdown_artifact",
    "acreate_progress_artifact",
    "acreate_table_artifact",
    "aupdate_progress_artifact",
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "update_progress_artifact",
]
