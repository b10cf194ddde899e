"""Parameters from the command line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import pytest

from dalsegno.cli.failures import CommandError
from dalsegno.cli.parameters import read_parameters


def flow(
    day: str,
    limit: int = 1,
    name: str | None = None,
    mixed: str | int = 0,
    noted: Annotated[str, "a note"] = "",
    anything: Any = None,
    untyped=None,
) -> None:
    """Has parameters of several kinds."""


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("day=20260131", "day", "20260131"),
        ("day=null", "day", "null"),
        ("day=a=b", "day", "a=b"),
        ("day=", "day", ""),
        ("limit=5", "limit", 5),
        ("limit=-5", "limit", -5),
        ("limit=many", "limit", "many"),
        ("name=null", "name", None),
        ("name=5", "name", "5"),
        ("mixed=5", "mixed", 5),
        ("mixed=five", "mixed", "five"),
        ("noted=5", "noted", "5"),
        ('anything={"a": [1]}', "anything", {"a": [1]}),
        ("untyped=true", "untyped", True),
        ("unknown=1", "unknown", 1),
    ],
)
def test_a_value_is_read_by_the_parameters_annotation(pair: str, name: str, value: object) -> None:
    assert read_parameters(flow, [pair]) == {name: value}


def test_pairs_win_over_the_object() -> None:
    whole = '{"day": "2026-01-30", "limit": 7}'
    assert read_parameters(flow, ["day=2026-01-31"], whole) == {"day": "2026-01-31", "limit": 7}


def test_the_object_may_stand_in_a_file_or_come_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "parameters.json"
    path.write_text('{"limit": 7}')
    assert read_parameters(flow, None, f"@{path}") == {"limit": 7}
    monkeypatch.setattr("sys.stdin", io.StringIO('{"limit": 8}'))
    assert read_parameters(flow, None, "@-") == {"limit": 8}


@pytest.mark.parametrize(
    ("pairs", "whole", "words"),
    [
        (["day"], None, "write -p NAME=VALUE"),
        (["=5"], None, "write -p NAME=VALUE"),
        (None, "{day: 1}", "--params holds no JSON"),
        (None, '{"x": NaN}', "--params holds no JSON"),
        (None, "[1, 2]", "must hold a JSON object"),
        (None, "@/no/such/file.json", "cannot be read from '/no/such/file.json'"),
    ],
)
def test_what_is_no_parameter_is_refused(pairs: list[str] | None, whole: str | None, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        read_parameters(flow, pairs, whole)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="no UTF-8"):
        read_parameters(flow, None, f"@{path}")


def test_annotations_that_cannot_be_resolved_leave_texts_as_texts() -> None:
    def odd(day: str, frame: Missing) -> None:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
        """Has an annotation that only a type checker knows."""

    assert read_parameters(odd, ["day=20260131", "frame=1"]) == {"day": "20260131", "frame": 1}
