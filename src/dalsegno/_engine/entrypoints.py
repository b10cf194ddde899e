"""Entry points: the text that says where a flow's code is, from the flow to the text and back."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from dalsegno._engine.scripts import load_script
from dalsegno.exceptions import EntrypointError, MissingFlowError, ScriptError
from dalsegno.model.records import EntryPoint


class Target(msgspec.Struct, frozen=True):
    """What an entry point names."""

    place: str
    """A path, or the name of a module."""
    is_file: bool
    name: str | None
    """The flow's name in the module, perhaps dotted; None: the only flow there is."""

    def __str__(self) -> str:
        return f"{'file' if self.is_file else 'module'} {self.place!r}"


def parse_entrypoint(entrypoint: str) -> Target:
    """Take an entry point apart.

    Raises:
        EntrypointError: It is none.

    Example:
        >>> parse_entrypoint("flows/nightly.py:nightly")
        Target(place='flows/nightly.py', is_file=True, name='nightly')
    """
    place, colon, name = entrypoint.rpartition(":")
    if not colon or not all(part.isidentifier() for part in name.split(".")):
        place, name = entrypoint, ""
    is_file = place.endswith(".py") or "/" in place or os.sep in place or Path(place).is_file()
    if not is_file and not all(part.isidentifier() for part in place.split(".")):
        raise EntrypointError(
            f"{entrypoint!r} is no entry point. Write path/to/file.py:flow or package.module:flow; without "
            f"the flow it stands for the only one there."
        )
    return Target(place, is_file, name or None)


def load_flow(entrypoint: str, flow_class: type, *, as_main: bool | None = None) -> Any:
    """Return the flow that an entry point names.

    Args:
        entrypoint: ``"path/file.py:flow"``, ``"package.module:flow"``, ``"...:Class.method"``, or a file or
            module alone where there is one flow in it.
        flow_class: Tells flows from other objects.
        as_main: See `load_script`.

    Raises:
        EntrypointError: There is no such file, module or name, or it is no flow.
        MissingFlowError: No flow is named, and there is not exactly one.
        ScriptError: The code raised an error while it was loaded.
    """
    target = parse_entrypoint(entrypoint)
    module = load_module(target, as_main=as_main)
    if target.name is None:
        return select(flows_in(module, flow_class).values(), from_message=f"in {target}")
    return _named(module, target, target.name, flow_class)


def load_module(target: Target, *, as_main: bool | None = None) -> ModuleType:
    """Return the module of a target, loaded if need be."""
    return _file_module(target.place, as_main) if target.is_file else _named_module(target.place)


def script_of(entry: EntryPoint | None) -> Callable[[], ModuleType] | None:
    """Return what gives the module that an entry point names, loaded if need be; None if it names none."""
    if entry is None or entry.entrypoint is None:
        return None
    target = parse_entrypoint(entry.entrypoint)
    return lambda: load_module(target)


def flows_in(module: ModuleType, flow_class: type) -> dict[str, Any]:
    """Return the flows of a module by name: its own ones, or, where it has none, those that it imports."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, flow_class)}
    names = {module.__name__, "__main__"} if sys.modules.get("__main__") is module else {module.__name__}
    own = {name: flow for name, flow in found.items() if getattr(flow.fn, "__module__", None) in names}
    return own or found


def select(flows: Iterable[Any], flow_name: str | None = None, from_message: str | None = None) -> Any:
    """Return the only flow of several, or the one of a name.

    Raises:
        MissingFlowError: There is no such flow, or the choice is open; the names are listed.
    """
    by_id = {id(flow): flow for flow in flows}
    where = f" {from_message}" if from_message else ""
    names = ", ".join(sorted(repr(flow.name) for flow in by_id.values()))
    if not by_id:
        raise MissingFlowError(f"There is no flow{where}. Put @flow above the function that is to be run.")
    chosen = [flow for flow in by_id.values() if flow_name is None or flow.name == flow_name]
    if flow_name is not None and not chosen:
        raise MissingFlowError(f"There is no flow called {flow_name!r}{where}. There are: {names}.")
    if len(chosen) > 1:
        raise MissingFlowError(f"There are {len(chosen)} flows{where}: {names}. Name one after a colon.")
    return chosen[0]


def describe_entry(fn: Callable[..., Any]) -> EntryPoint:
    """Return how the function of a flow can be found again: by its file, or, in a package, by its module.

    Where it cannot be (a notebook, standard input, a local function) the reason says so.
    """
    try:
        directory = str(Path.cwd())
    except OSError:
        directory = os.sep  # the working directory is gone
    place, reason = _describe(inspect.unwrap(fn))
    return EntryPoint(
        entrypoint=place, working_directory=directory, interpreter=sys.executable or "python", reason=reason
    )


def _describe(fn: Any) -> tuple[str | None, str | None]:
    """Return the entry point of a function, or the reason why it has none."""
    name = getattr(fn, "__qualname__", None)
    if name is None:
        return None, f"the flow is an object of type {type(fn).__name__}, not a function with a name"
    if "<lambda>" in name:
        return None, "the flow is a lambda, which has no name to find it by"
    if "<locals>" in name:
        return None, f"the flow is a function inside another one ({name}), and cannot be found from outside"
    module = sys.modules.get(fn.__module__)
    file = getattr(module, "__file__", None)
    source = getattr(getattr(fn, "__code__", None), "co_filename", file)
    if file is None or source is None or source.startswith("<"):
        return None, _why_no_file(source or "")
    if Path(source).is_absolute() and Path(source) != Path(file).absolute():
        return f"{source}:{name}", None  # a script that is called like a module that was there before
    spec = getattr(module, "__spec__", None)
    if spec is not None and "." in spec.name:
        return f"{spec.name}:{name}", None
    path = Path(file).absolute()
    if not path.is_file():
        return None, f"the flow's file {str(path)!r} is not there"
    return f"{path}:{name}", None


def _why_no_file(source: str) -> str:
    if source == "<string>":
        return "the flow was given to Python on the command line (python -c), not in a file"
    if source == "<stdin>" and not hasattr(sys, "ps1"):
        return "the flow came from standard input, not from a file"
    return "the flow was defined in a notebook or an interactive session, not in a file"


def _file_module(place: str, as_main: bool | None) -> ModuleType:
    path = Path(place).absolute()
    try:
        return load_script(path, as_main=as_main)
    except FileNotFoundError:
        folder = "" if Path(place).is_absolute() else f" in {Path.cwd()}"
        raise EntrypointError(f"There is no file {place!r}{folder}. Check the path of the entry point.") from None
    except OSError as error:
        raise EntrypointError(f"The file {place!r} cannot be read: {error.strerror}.") from error


def _named_module(name: str) -> ModuleType:
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ScriptError(name, error) from error
        raise EntrypointError(
            f"There is no module {name!r} (Python finds no {error.name!r}). Check the name, and that the "
            f"command is run where the module can be imported from, now {str(Path.cwd())!r}."
        ) from None
    except Exception as error:
        raise ScriptError(name, error) from error


def _named(module: ModuleType, target: Target, name: str, flow_class: type) -> Any:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    if isinstance(value, flow_class):
        return value
    flows = flows_in(module, flow_class)
    # The variable may be called otherwise than the function: my_flow = flow(function).
    for flow in flows.values():
        if name in (getattr(flow.fn, "__qualname__", None), flow.name):
            return flow
    told = f" Its flows: {', '.join(map(repr, flows))}." if flows else " There are no flows in it."
    if value is not None:
        raise EntrypointError(
            f"{name!r} in the {target} is no flow but a {type(value).__name__}; put @flow above it.{told}"
        )
    raise EntrypointError(f"There is no {name!r} in the {target}.{_near(name, flows, module)}{told}")


def _near(name: str, flows: Iterable[str], module: ModuleType) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, flows) or get_close_matches(name, vars(module))
    return f" Did you mean {near[0]!r}?" if near else ""
