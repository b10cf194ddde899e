"""A flow is found by its entry point, and knows its own; what cannot be found is told in words that help."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dalsegno._engine.entrypoints import Target, describe_entry, load_flow, parse_entrypoint, select
from dalsegno._engine.scripts import load_script
from dalsegno.exceptions import EntrypointError, MissingFlowError, ScriptError


class Flow:
    """Stands for `dalsegno.Flow`: what is needed to find one."""

    def __init__(self, fn: Callable[..., Any], name: str | None = None) -> None:
        self.fn = fn
        self.name = name or fn.__name__.replace("_", "-")


PRELUDE = "from tests.engine.test_entrypoints import Flow as flow\n"


@pytest.fixture(autouse=True)
def interpreter_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the interpreter its modules and path back: scripts are loaded for good."""
    modules, path = dict(sys.modules), list(sys.path)
    monkeypatch.setitem(sys.modules, "tests.engine.test_entrypoints", sys.modules[__name__])
    monkeypatch.chdir(tmp_path)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.modules["__main__"] = modules["__main__"]


def write(path: str, text: str) -> Path:
    file = Path(path).absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PRELUDE + textwrap.dedent(text))
    return file


NIGHTLY = """
    import os

    class Order: ...

    @flow
    def nightly(): return __name__

    if __name__ == "__main__":
        raise AssertionError("the main block ran")
"""


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("flows/a.py:nightly", Target("flows/a.py", True, "nightly")),
        ("flows/a.py", Target("flows/a.py", True, None)),
        ("/abs/a.py:Shop.nightly", Target("/abs/a.py", True, "Shop.nightly")),
        ("C:\\flows\\a.py:nightly", Target("C:\\flows\\a.py", True, "nightly")),
        ("package.module:nightly", Target("package.module", False, "nightly")),
        ("package", Target("package", False, None)),
    ],
)
def test_an_entry_point_is_a_place_and_perhaps_a_name(text: str, target: Target) -> None:
    assert parse_entrypoint(text) == target


@pytest.mark.parametrize("text", ["", ":", "not an entry point", "a-b", "pack age:flow"])
def test_what_is_no_entry_point_is_told_what_one_is(text: str) -> None:
    with pytest.raises(EntrypointError, match=r"no entry point. Write path/to/file.py:flow"):
        parse_entrypoint(text)


def test_a_flow_in_a_file_is_loaded_without_running_its_main_block() -> None:
    path = write("flows/nightly_a.py", NIGHTLY)
    found = load_flow("flows/nightly_a.py:nightly", Flow)
    assert found.fn() == "nightly_a"
    assert found.fn.__module__ == "nightly_a"
    assert sys.path[0] == str(path.parent)


def test_the_only_flow_need_not_be_named() -> None:
    write("only.py", NIGHTLY)
    assert load_flow("only.py", Flow).name == "nightly"


def test_several_flows_are_listed() -> None:
    write("both.py", "@flow\ndef one(): ...\n@flow\ndef two(): ...\n")
    with pytest.raises(MissingFlowError, match=r"There are 2 flows in file 'both.py': 'one', 'two'. Name one"):
        load_flow("both.py", Flow)
    write("none.py", "x = 1")
    with pytest.raises(MissingFlowError, match=r"There is no flow in file 'none.py'. Put @flow"):
        load_flow("none.py", Flow)


def test_a_flow_that_is_only_imported_does_not_count_beside_an_own_one() -> None:
    write("parts.py", "@flow\ndef part(): ...")
    write("whole.py", "from parts import part\n@flow\ndef whole(): part()")
    write("again.py", "from parts import part")
    assert load_flow("whole.py", Flow).name == "whole"
    assert load_flow("again.py", Flow).name == "part"


def test_a_flow_is_chosen_by_its_name() -> None:
    flows = [Flow(lambda: None, "a"), Flow(lambda: None, "b")]
    assert select(flows, "b") is flows[1]
    assert select([flows[0], flows[0]]) is flows[0]
    with pytest.raises(MissingFlowError, match="no flow called 'c' here. There are: 'a', 'b'"):
        select(flows, "c", "here")


def test_a_flow_may_be_a_method_or_go_by_the_name_of_its_function() -> None:
    write(
        "shop.py",
        "class Shop:\n    @flow\n    def nightly(self): ...\ndef plain(): ...\nvariable = flow(plain)",
    )
    assert load_flow("shop.py:Shop.nightly", Flow).name == "nightly"
    assert load_flow("shop.py:plain", Flow) is load_flow("shop.py:variable", Flow)


def test_a_flow_in_a_package_is_imported() -> None:
    write("bakery/__init__.py", "")
    write("bakery/shared.py", "DAY = 'monday'")
    write("bakery/bread.py", "from .shared import DAY\n@flow\ndef bake(): return DAY")
    assert load_flow("bakery.bread:bake", Flow).fn() == "monday"
    assert load_flow("bakery.bread", Flow).name == "bake"


def test_a_missing_file_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(EntrypointError) as caught:
        load_flow("gone.py:nightly", Flow)
    assert str(caught.value).startswith(f"There is no file 'gone.py' in {tmp_path}.")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(EntrypointError, match=r"'folder.py' cannot be read: Is a directory"):
        load_flow("folder.py", Flow)


def test_a_missing_module_is_told() -> None:
    with pytest.raises(EntrypointError, match=r"no module 'nowhere.at_all' \(Python finds no 'nowhere'\)"):
        load_flow("nowhere.at_all:nightly", Flow)


def test_a_missing_name_is_told_with_a_near_one() -> None:
    write("near.py", NIGHTLY)
    with pytest.raises(EntrypointError) as caught:
        load_flow("near.py:nigthly", Flow)
    assert str(caught.value) == (
        "There is no 'nigthly' in the file 'near.py'. Did you mean 'nightly'? Its flows: 'nightly'."
    )


def test_what_is_no_flow_is_told() -> None:
    write("helpers.py", "def helper(): ...")
    with pytest.raises(EntrypointError, match=r"'helper' in the file 'helpers.py' is no flow but a function"):
        load_flow("helpers.py:helper", Flow)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import not_installed_anywhere", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_an_error_of_the_script_is_wrapped_with_its_traceback(text: str, error: str) -> None:
    path = write("broken.py", text)
    main, before = sys.modules["__main__"], set(sys.modules)
    with pytest.raises(ScriptError, match=error) as caught:
        load_script(path, as_main=True)
    assert str(path) in str(caught.value)
    assert caught.value.__cause__ is caught.value.user_exc
    assert sys.modules["__main__"] is main
    assert "broken" not in set(sys.modules) - before


def test_an_error_in_a_module_is_wrapped_too() -> None:
    write("cracked.py", "import not_installed_anywhere")
    with pytest.raises(ScriptError, match="not_installed_anywhere"):
        load_flow("cracked:nightly", Flow)


def test_a_script_is_one_module_under_both_names() -> None:
    path = write("orders_script.py", NIGHTLY)
    module = load_script(path, as_main=True)
    assert sys.modules["__main__"] is sys.modules["orders_script"] is module
    assert pickle.loads(b"c__main__\nOrder\n.") is module.Order
    assert load_script(path) is module


def test_a_script_of_the_user_stays_main() -> None:
    main = sys.modules["__main__"]
    load_script(write("beside.py", NIGHTLY))
    assert sys.modules["__main__"] is main


def test_an_edited_script_is_loaded_again_however_quickly() -> None:
    path = write("edited.py", "@flow\ndef nightly(): return 1")
    assert load_flow("edited.py", Flow).fn() == 1
    stamp = path.stat()
    write("edited.py", "@flow\ndef nightly(): return 2")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert load_flow("edited.py", Flow).fn() == 2


def test_a_script_does_not_push_aside_a_module_of_its_name() -> None:
    import json

    module = load_script(write("json.py", NIGHTLY))
    assert module.nightly.fn() == "json"
    assert sys.modules["json"] is json
    assert describe_entry(module.nightly.fn).entrypoint == f"{Path('json.py').absolute()}:nightly"


# --- the way back


def module_level() -> None: ...


def run_python(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run([sys.executable, *arguments], input=given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


DESCRIBE = """
from dalsegno._engine.entrypoints import describe_entry
def nightly(): ...
entry = describe_entry(nightly)
print(entry.entrypoint or entry.reason)
"""


def test_a_function_of_a_script_is_described_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "direct.py").write_text(DESCRIBE)
    assert run_python("direct.py") == f"{tmp_path / 'direct.py'}:nightly"


def test_a_function_of_a_package_is_described_by_its_module(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/night.py").write_text(DESCRIBE)
    assert run_python("-m", "shop.night") == "shop.night:nightly"
    assert run_python("-c", "import shop.night") == "shop.night:nightly"


def test_without_a_file_the_reason_is_told() -> None:
    assert "python -c" in run_python("-c", DESCRIBE)
    assert "standard input" in run_python("-", given=DESCRIBE)


def test_an_entry_holds_folder_and_interpreter(tmp_path: Path) -> None:
    entry = describe_entry(load_flow(str(write("held.py", NIGHTLY)), Flow).fn)
    assert entry.entrypoint == f"{tmp_path / 'held.py'}:nightly"
    assert (entry.working_directory, entry.interpreter, entry.reason) == (str(tmp_path), sys.executable, None)
    assert load_flow(entry.entrypoint, Flow).name == "nightly"


def test_what_cannot_be_found_again_has_a_reason() -> None:
    def local() -> None: ...

    assert "inside another one" in str(describe_entry(local).reason)
    assert "lambda" in str(describe_entry(lambda: None).reason)
    assert "object of type partial" in str(describe_entry(functools.partial(module_level)).reason)
    assert describe_entry(local).entrypoint is None
