"""The page and the tests hold each other: no line without a test, no test of a line that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parents[1] / "docs" / "reference" / "behaviour.md").read_text(encoding="utf-8")


def lines_of_the_page() -> list[int]:
    return [int(number) for number in re.findall(r"^\*\*B(\d+)\.\*\*", PAGE, re.MULTILINE)]


def marked_tests() -> Iterator[tuple[str, set[int]]]:
    """Give the name of each test in this folder and the lines that it says it shows."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and path.name != Path(__file__).name:
                yield f"{path.name}::{node.name}", numbers_of(node)


def numbers_of(test: ast.FunctionDef) -> set[int]:
    calls = [mark for mark in test.decorator_list if isinstance(mark, ast.Call)]
    return {
        argument.value
        for call in calls
        if ast.unparse(call.func) == "pytest.mark.behaviour"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
    }


def test_the_lines_are_numbered_upwards_and_each_once() -> None:
    numbers = lines_of_the_page()
    assert numbers == sorted(set(numbers))
    assert numbers


def test_each_line_has_a_test() -> None:
    shown = set[int]().union(*(numbers for _, numbers in marked_tests()))
    assert sorted(set(lines_of_the_page()) - shown) == []


def test_each_test_shows_a_line_that_is_there() -> None:
    lines = set(lines_of_the_page())
    assert {name: numbers for name, numbers in marked_tests() if not numbers or numbers - lines} == {}
