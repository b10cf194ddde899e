"""`dalsegno variable`."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Dalsegno


@pytest.mark.parametrize(
    ("given", "shown", "held"),
    [
        ("5", "5", 5),
        ('{"a": [1, null]}', '{"a": [1, null]}', {"a": [1, None]}),
        ("plain text", "plain text", "plain text"),
        ('"5"', "5", "5"),
        ("-1.5", "-1.5", -1.5),
        ("NaN", "NaN", "NaN"),
    ],
)
def test_what_is_set_is_what_one_gets(dalsegno: Dalsegno, given: str, shown: str, held: object) -> None:
    done = dalsegno("variable", "set", "limit", given)
    assert (done.code, done.output) == (0, "Variable 'limit' is set.\n")
    assert dalsegno("variable", "get", "limit").output == f"{shown}\n"
    assert dalsegno("variable", "get", "limit", "-o", "json").json["value"] == held


def test_a_text_that_looks_like_json_stays_a_text(dalsegno: Dalsegno) -> None:
    dalsegno("variable", "set", "zip", "01234", "--text")
    dalsegno("variable", "set", "five", "5", "--text")
    assert dalsegno("variable", "get", "five", "-o", "json").json["value"] == "5"


def test_a_value_is_replaced_only_when_asked(dalsegno: Dalsegno) -> None:
    dalsegno("variable", "set", "limit", "1")
    done = dalsegno("variable", "set", "limit", "2")
    assert done.code == 2
    assert "--overwrite" in done.errors
    assert dalsegno("variable", "get", "limit").output == "1\n"
    assert dalsegno("variable", "set", "limit", "2", "--overwrite").code == 0
    assert dalsegno("variable", "get", "limit").output == "2\n"


@pytest.mark.parametrize("name", ["Upper", "with space", "ä"])
def test_a_bad_name_is_refused(dalsegno: Dalsegno, name: str) -> None:
    done = dalsegno("variable", "set", name, "1")
    assert done.code == 2
    assert done.errors.startswith("Error: ")
    assert len(done.errors.splitlines()) == 1


def test_a_variable_that_is_not_there_is_not_found(dalsegno: Dalsegno) -> None:
    for command in ("get", "unset"):
        done = dalsegno("variable", command, "nope")
        assert (done.code, done.errors) == (
            5,
            "Error: There is no variable 'nope'; `dalsegno variable ls` lists them.\n",
        )


def test_unset_takes_it_away(dalsegno: Dalsegno) -> None:
    dalsegno("variable", "set", "limit", "1")
    assert dalsegno("variable", "unset", "limit").output == "Variable 'limit' is deleted.\n"
    assert dalsegno("variable", "get", "limit").code == 5


def test_variables_are_listed_by_name(dalsegno: Dalsegno) -> None:
    assert dalsegno("variable", "ls").output.startswith("No variables yet")
    dalsegno("variable", "set", "b", "[1]", "--tag", "x", "--tag", "y")
    dalsegno("variable", "set", "a", "text")
    lines = dalsegno("variable", "ls").output.splitlines()
    assert lines[1].split() == ["a", '"text"', "just", "now"]
    assert lines[2].split() == ["b", "[1]", "x,", "y", "just", "now"]
    rows = dalsegno("variable", "ls", "--output", "json").json
    assert [(row["name"], row["value"], row["tags"]) for row in rows] == [
        ("a", "text", []),
        ("b", [1], ["x", "y"]),
    ]
    assert "--all shows the rest" in dalsegno("variable", "ls", "--limit", "1").output
