"""The sources keep the shape that readers were promised: short modules, short functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 600
LONGEST_FUNCTION = 80
MEDIAN_MODULE = 120
MEDIAN_FUNCTION = 8


def modules() -> list[Path]:
    return sorted((ROOT / "src" / "dalsegno").rglob("*.py"))


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def lengths_of_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Give the name and the length of each function's code: its docstring is for readers, and free."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            has_docstring = ast.get_docstring(node) is not None and len(node.body) > 1
            documented = node.body[0].end_lineno if has_docstring else None
            first = node.body[0].lineno - 1 if documented is None else documented
            yield f"{path.relative_to(ROOT)}::{node.name}", node.end_lineno - first


def test_no_module_is_longer_than_a_few_screens() -> None:
    long = {str(path.relative_to(ROOT)): line_count(path) for path in modules()}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_MODULE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    functions = [function for path in modules() for function in lengths_of_functions(path)]
    assert [function for function in functions if function[1] > LONGEST_FUNCTION] == []


def test_the_usual_module_and_the_usual_function_are_short() -> None:
    assert median(line_count(path) for path in modules()) <= MEDIAN_MODULE
    assert median(lines for path in modules() for _, lines in lengths_of_functions(path)) <= MEDIAN_FUNCTION


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []
