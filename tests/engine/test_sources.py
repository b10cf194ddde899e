"""What identifies functions: the same after what does not matter was edited, another after what does."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dalsegno._engine.sources import code_hash, file_hash, source_hash, task_key


def load(path: Path, text: str, name: str = "pipeline") -> ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BASE = """
def clean(orders, limit=3):
    "Clean them."
    text = '''
  kept
'''
    return [order for order in orders if order > limit], text
"""


@pytest.mark.parametrize(
    "edited",
    [
        "# a comment\n\n\n" + BASE,
        BASE.replace("    return", "\n    # why\n    return"),
        BASE.replace(
            "[order for order in orders if order > limit], text",
            "(\n   [order for order in orders\n    if order > limit],\n   text)",
        ),
        "def mark(fn): return fn\n@mark\n@mark" + BASE,
    ],
)
def test_comments_layout_and_decorators_do_not_count(tmp_path: Path, edited: str) -> None:
    assert source_hash(load(tmp_path / "a.py", BASE).clean) == source_hash(load(tmp_path / "b.py", edited).clean)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limit=3", "limit=4"),
        ("> limit", ">= limit"),
        ("  kept", "   kept"),
        ("(orders,", "(order_list,"),
        ("def", "async def"),
    ],
)
def test_signature_and_body_count(tmp_path: Path, old: str, new: str) -> None:
    assert source_hash(load(tmp_path / "a.py", BASE).clean) != source_hash(
        load(tmp_path / "b.py", BASE.replace(old, new)).clean
    )


def test_indentation_does_not_count(tmp_path: Path) -> None:
    plain = "def f(x):\n    return [x,\n 1]\n"
    inside = "if True:\n        def f(x):\n                return [x,\n 1]\n"
    assert source_hash(load(tmp_path / "a.py", plain).f) == source_hash(load(tmp_path / "b.py", inside).f)


def test_methods_partials_wrappers_and_callable_objects_lead_to_the_function() -> None:
    class Job:
        def run(self) -> int:
            return 1

        def __call__(self) -> int:
            return 1

    def work(x: int) -> int:
        return x

    @functools.wraps(work)
    def wrapper(*args: Any) -> Any:
        return work(*args)

    assert source_hash(Job().run) == source_hash(Job.run)
    assert source_hash(Job()) == source_hash(Job.__call__)
    assert source_hash(functools.partial(work, 1)) == source_hash(wrapper) == source_hash(work)
    assert task_key(Job().run) == task_key(Job.run)


def test_code_without_source_is_hashed_as_compiled() -> None:
    def made(text: str) -> Any:
        space: dict[str, Any] = {}
        exec(text, space)
        return space["f"]

    first = source_hash(made("def f(x):\n    return x in {'a', 'b'}"))
    assert first == source_hash(made("\n\n# moved\ndef f(x):\n\n    return x in {'a', 'b'}"))
    assert first != source_hash(made("def f(x):\n    return x in {'a', 'c'}"))


def test_built_in_functions_have_a_key_and_no_source() -> None:
    assert source_hash(len) is None
    assert task_key(len) == "builtins.len"


def test_lambdas_and_local_functions_are_told_apart_by_their_code() -> None:
    one, same, other = [lambda x: x + 1, lambda x: x + 1, lambda x: x + 2]
    assert task_key(one) == task_key(same)
    assert task_key(one) != task_key(other)
    assert "<lambda>:" in task_key(one)


def test_a_key_is_module_and_qualified_name() -> None:
    assert task_key(load) == f"{__name__}.load"
    assert task_key(Path.exists) == "pathlib.Path.exists"


def test_a_script_has_the_keys_of_a_module_of_its_name(tmp_path: Path) -> None:
    script = tmp_path / "nightly.py"
    script.write_text(
        "from dalsegno._engine.sources import *\n"
        "def step(): return 1\n"
        "print(task_key(step), source_hash(step), task_key(lambda: 2))\n"
    )
    ways = [[str(script)], ["-m", "nightly"], ["-c", "import nightly"]]
    shown = [
        subprocess.run([sys.executable, *way], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for way in ways
    ]
    assert shown[0].startswith("nightly.step ")
    assert len(set(shown)) == 1


def test_importing_it_loads_neither_inspect_nor_ast() -> None:
    program = "import sys; import dalsegno._engine.sources; print({'inspect', 'ast'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_the_hash_of_sets_in_code_is_the_same_in_every_process() -> None:
    program = (
        "from dalsegno._engine.sources import code_hash\n"
        "print(code_hash(compile(\"x in {'a', 'b', 'c', 'd'}\", 'x', 'eval')))"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert shown == {code_hash(compile("x in {'a', 'b', 'c', 'd'}", "x", "eval"))}


def test_the_hash_of_a_file_follows_its_content(tmp_path: Path) -> None:
    path = tmp_path / "flow.py"
    assert file_hash(path) is None
    path.write_text("a = 1")
    first = file_hash(path)
    assert first == file_hash(str(path))
    path.write_text("a = 22")
    assert file_hash(path) != first
