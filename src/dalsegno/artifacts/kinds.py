"""The kinds of artifact, and what is checked before one is recorded."""

from __future__ import annotations

import re
from typing import Any, ClassVar, cast

import msgspec

from dalsegno._engine.awaiting import awaited_in_coroutines, in_thread
from dalsegno.artifacts.saved import SavedArtifact, newest, record, saved
from dalsegno.exceptions import InvalidNameError
from dalsegno.model.records import ArtifactRecord

_KEY = re.compile(r"[a-z0-9-]+")


class Artifact(msgspec.Struct, kw_only=True):
    """An artifact to be made, of any type; the subclasses are the types that the page knows how to show.

    Example:
        >>> MarkdownArtifact(key="report", markdown="# 31 January").create()
    """

    kind: ClassVar[str | None] = None

    type: str | None = None
    key: str | None = None
    description: str | None = None
    data: Any = None

    def format(self) -> Any:
        """Return what is recorded as its data."""
        return self.data

    @awaited_in_coroutines
    def create(self, client: Any = None) -> SavedArtifact:
        """Record it and return it. `client` is not needed and not used."""
        return saved(record_artifact(self))

    async def acreate(self, client: Any = None) -> SavedArtifact:
        """Do what `create` does."""
        return saved(record_artifact(self))

    @classmethod
    @awaited_in_coroutines
    def get(cls, key: str, client: Any = None) -> SavedArtifact | None:
        """Return the newest artifact with a key, or None. `client` is not needed and not used."""
        return _newest(key)

    @classmethod
    async def aget(cls, key: str, client: Any = None) -> SavedArtifact | None:
        """Do what `get` does."""
        return await in_thread(_newest, key)

    @classmethod
    @awaited_in_coroutines
    def get_or_create(
        cls, key: str, description: str | None = None, data: Any = None, client: Any = None, **fields: Any
    ) -> tuple[SavedArtifact, bool]:
        """Return the newest artifact with a key, or make one; the second value tells whether it was made.

        `fields` are those of the class: ``LinkArtifact.get_or_create("docs", link="https://...")``.
        """
        return _get_or_create(cls, key, description, data, fields)

    @classmethod
    async def aget_or_create(
        cls, key: str, description: str | None = None, data: Any = None, client: Any = None, **fields: Any
    ) -> tuple[SavedArtifact, bool]:
        """Do what `get_or_create` does."""
        return await in_thread(_get_or_create, cls, key, description, data, fields)


class LinkArtifact(Artifact, kw_only=True):
    """A link, with the text that is shown for it."""

    kind: ClassVar[str | None] = "link"
    link: str
    link_text: str | None = None

    def format(self) -> str:
        return f"[{self.link_text or self.link}]({self.link})"


class MarkdownArtifact(Artifact, kw_only=True):
    """A text in Markdown."""

    kind: ClassVar[str | None] = "markdown"
    markdown: str

    def format(self) -> str:
        return self.markdown


class TableArtifact(Artifact, kw_only=True):
    """A table: a list of rows (dicts or lists), a dict of columns, or a data frame of pandas or polars."""

    kind: ClassVar[str | None] = "table"
    table: Any

    def format(self) -> Any:
        if hasattr(self.table, "to_dicts"):
            return self.table.to_dicts()
        if hasattr(self.table, "to_dict"):
            return self.table.to_dict(orient="records")
        if not isinstance(self.table, list | tuple | dict):
            raise TypeError(
                f"A table artifact is a list of rows, a dict of columns or a data frame, not a "
                f"{type(self.table).__name__}."
            )
        return cast("Any", self.table)


class ProgressArtifact(Artifact, kw_only=True):
    """How far something is, in percent."""

    kind: ClassVar[str | None] = "progress"
    progress: float

    def format(self) -> float:
        return checked_progress(self.progress)


class ImageArtifact(Artifact, kw_only=True):
    """An image, by its URL."""

    kind: ClassVar[str | None] = "image"
    image_url: str

    def format(self) -> str:
        return self.image_url


def record_artifact(artifact: Artifact) -> ArtifactRecord:
    """Check an artifact and record it."""
    type_ = artifact.kind or artifact.type
    if type_ is None:
        raise ValueError("An artifact needs a type: give one, or use a class that has it, as MarkdownArtifact.")
    if artifact.key is not None:
        _check_key(artifact.key)
    return record(type_, artifact.key, as_json(artifact.format(), type_), artifact.description)


def _newest(key: str) -> SavedArtifact | None:
    _check_key(key)
    return newest(key)


def _get_or_create(
    kind: type[Artifact], key: str, description: str | None, data: Any, fields: dict[str, Any]
) -> tuple[SavedArtifact, bool]:
    found = _newest(key)
    if found is not None:
        return found, False
    return saved(record_artifact(kind(key=key, description=description, data=data, **fields))), True


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidNameError(f"{key!r} cannot be the key of an artifact: use lowercase letters, digits and dashes.")


def checked_progress(progress: float) -> float:
    """Return a progress in percent. Raises ValueError if it is none."""
    if not 0 <= progress <= 100:
        raise ValueError(f"The progress of an artifact is {progress!r}, but must be from 0 to 100 (percent).")
    return float(progress)


def as_json(data: Any, type_: str) -> str:
    """Return the data of an artifact as JSON; what JSON does not have is written as text."""
    try:
        return msgspec.json.encode(data, enc_hook=_plain).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"The data of a {type_} artifact cannot be written as JSON: {error}.") from error


def _plain(value: Any) -> Any:
    # Scalars and arrays of numpy know their plain values.
    return value.tolist() if hasattr(value, "tolist") else str(value)
