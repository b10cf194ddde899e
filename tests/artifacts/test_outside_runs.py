"""Artifacts made where no run is: written at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from dalsegno.artifacts import (
    Artifact,
    ImageArtifact,
    LinkArtifact,
    MarkdownArtifact,
    ProgressArtifact,
    SavedArtifact,
    TableArtifact,
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
from dalsegno.exceptions import InvalidNameError, ObjectNotFound


def read(key: str = "thing") -> SavedArtifact:
    found = Artifact.get(key)
    assert found is not None
    return found


def test_each_kind_is_recorded_with_its_data() -> None:
    seen: list[tuple[str, Any]] = []
    for make in (
        lambda: create_link_artifact("https://example.org", "here", key="thing"),
        lambda: create_link_artifact("https://example.org", key="thing"),
        lambda: create_markdown_artifact("# Title", key="thing"),
        lambda: create_table_artifact([{"a": 1}], key="thing"),
        lambda: create_progress_artifact(12.5, key="thing"),
        lambda: create_image_artifact("https://example.org/a.png", key="thing"),
    ):
        made = make()
        found = read()
        assert found.id == made
        seen.append((found.type, found.data))
    assert seen == [
        ("link", "[here](https://example.org)"),
        ("link", "[https://example.org](https://example.org)"),
        ("markdown", "# Title"),
        ("table", [{"a": 1}]),
        ("progress", 12.5),
        ("image", "https://example.org/a.png"),
    ]


def test_an_artifact_knows_what_was_said_about_it() -> None:
    create_markdown_artifact("text", key="thing", description="why")
    found = read()
    assert (found.key, found.description, found.flow_run_id, found.task_run_id) == (
        "thing",
        "why",
        None,
        None,
    )
    assert found.created == found.updated
    assert found.created.tzinfo is not None


@pytest.mark.parametrize(
    ("table", "data"),
    [
        ({"a": [1, 2], "b": [3, 4]}, {"a": [1, 2], "b": [3, 4]}),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([{"day": dt.date(2026, 1, 31), "sum": Decimal("1.50")}], [{"day": "2026-01-31", "sum": "1.50"}]),
        ([{"x": float("nan")}], [{"x": None}]),
        ([{"id": uuid.UUID(int=1)}], [{"id": str(uuid.UUID(int=1))}]),
    ],
)
def test_tables_of_every_shape(table: Any, data: Any) -> None:
    create_table_artifact(table, key="thing")
    assert read().data == data


def test_a_data_frame_is_a_table() -> None:
    class Frame:
        def to_dict(self, orient: str) -> list[dict[str, int]]:
            assert orient == "records"
            return [{"a": 1}]

    class Polars:
        def to_dicts(self) -> list[dict[str, int]]:
            return [{"a": 2}]

    create_table_artifact(Frame(), key="thing")
    assert read().data == [{"a": 1}]
    create_table_artifact(Polars(), key="thing")
    assert read().data == [{"a": 2}]


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(TypeError, match="a list of rows"):
        create_table_artifact("a,b\n1,2")


@pytest.mark.parametrize("key", ["Upper", "under_score", "", "a b", "é"])
def test_keys_are_checked(key: str) -> None:
    with pytest.raises(InvalidNameError, match="lowercase letters, digits and dashes"):
        create_markdown_artifact("x", key=key)
    with pytest.raises(InvalidNameError):
        Artifact.get(key)


def test_progress_can_be_changed_in_place() -> None:
    made = create_progress_artifact(0, key="thing", description="files")
    assert update_progress_artifact(made, 50) == made
    found = read()
    assert (found.id, found.data, found.description) == (made, 50.0, "files")
    assert found.updated > found.created
    update_progress_artifact(str(made), 100, description="done")
    assert (read().data, read().description) == (100.0, "done")


@pytest.mark.parametrize("progress", [-1, 100.1, float("nan")])
def test_progress_is_between_0_and_100(progress: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        create_progress_artifact(progress)
    with pytest.raises(ValueError, match="from 0 to 100"):
        update_progress_artifact(uuid.uuid4(), progress)


def test_the_progress_of_nothing_cannot_be_changed() -> None:
    missing = uuid.uuid4()
    with pytest.raises(ObjectNotFound, match=str(missing)):
        update_progress_artifact(missing, 5)


def test_without_a_key_each_is_its_own() -> None:
    assert create_markdown_artifact("a") != create_markdown_artifact("a")


def test_classes_create_and_find_artifacts() -> None:
    made = MarkdownArtifact(key="thing", markdown="# One").create()
    assert (made.type, made.data) == ("markdown", "# One")
    assert MarkdownArtifact.get("thing") == made
    assert Artifact.get("missing") is None
    assert LinkArtifact.get_or_create("thing", link="https://example.org") == (made, False)
    other, was_made = LinkArtifact.get_or_create("other", description="d", link="https://example.org")
    assert was_made
    assert (other.type, other.description) == ("link", "d")


def test_classes_format_their_data() -> None:
    assert LinkArtifact(link="a", link_text="b").format() == "[b](a)"
    assert TableArtifact(table=[]).format() == []
    assert ProgressArtifact(progress=3).format() == 3.0
    assert ImageArtifact(image_url="u").format() == "u"
    assert Artifact(type="custom", data={"a": 1}).format() == {"a": 1}


def test_an_artifact_of_a_type_of_your_own() -> None:
    Artifact(type="chart", key="thing", data={"bars": [1, 2]}).create()
    assert (read().type, read().data) == ("chart", {"bars": [1, 2]})
    with pytest.raises(ValueError, match="needs a type"):
        Artifact(data=1).create()


async def make_in_a_coroutine() -> list[Any]:
    made = await create_markdown_artifact("awaited", key="awaited")
    not_awaited = create_markdown_artifact("not awaited", key="not-awaited")
    progress = await acreate_progress_artifact(1)
    assert await aupdate_progress_artifact(progress, 2) == await update_progress_artifact(progress, 3)
    for twin in (
        acreate_link_artifact("l"),
        acreate_table_artifact([]),
        acreate_image_artifact("u"),
        acreate_markdown_artifact("m"),
    ):
        assert isinstance(await twin, uuid.UUID)
    found = await Artifact.get("awaited")
    assert (await Artifact.aget("not-awaited")).id == not_awaited  # pyright: ignore[reportOptionalMemberAccess]
    created = await MarkdownArtifact(markdown="c", key="c").create()
    assert await MarkdownArtifact.get_or_create("c", markdown="d") == (created, False)
    assert (await MarkdownArtifact.aget_or_create("e", markdown="e"))[1]
    assert (await MarkdownArtifact(markdown="f").acreate()).data == "f"
    return [made == found.id, found.data]


def test_in_a_coroutine_artifacts_can_be_awaited() -> None:
    assert asyncio.run(make_in_a_coroutine()) == [True, "awaited"]
