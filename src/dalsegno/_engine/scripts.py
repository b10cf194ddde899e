"""Loading a script as one module that is both `__main__` and its own name, without running its main block."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import msgspec

from dalsegno.exceptions import ScriptError


class _Loaded(msgspec.Struct, frozen=True):
    module: ModuleType
    source: bytes


_loaded: dict[Path, _Loaded] = {}


def load_script(path: Path, *, as_main: bool | None = None) -> ModuleType:
    """Return the module of a script; loaded again only if the file was changed since.

    The module is called by the file's stem, is in `sys.modules` under that name unless another module has
    it, and its folder is first on `sys.path`, as when Python runs it. The script that this process runs, or
    has imported, is not loaded a second time.

    Args:
        path: An absolute path.
        as_main: Whether the module also becomes `__main__`, so that what was pickled while the script was
            run directly is found. By default it does if the program is Dalsegno's own: a script of the
            user's stays `__main__`.

    Raises:
        ScriptError: The script raised an error, which is its cause.
        OSError: The file cannot be read.
    """
    main = sys.modules.get("__main__")
    if main is not None and _file_of(main) == path:
        if path.stem not in sys.modules:  # what was pickled where it was loaded under its own name is found
            sys.modules[path.stem] = main
        return main
    as_main = _is_our_program() if as_main is None else as_main
    imported = sys.modules.get(path.stem)
    if not as_main and imported is not None and not _was_loaded(imported) and _file_of(imported) == path:
        return imported  # by the program that runs here: its classes are those that it knows
    source = path.read_bytes()
    known = _loaded.get(path)
    if known is not None and known.source == source:
        module = known.module
        if as_main:
            sys.modules["__main__"] = module
        return module
    return _load(path, source, as_main)


def _load(path: Path, source: bytes, as_main: bool) -> ModuleType:
    name = path.stem
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None  # with a loader there always is one
    module = importlib.util.module_from_spec(spec)
    replaced: dict[str, ModuleType | None] = {}
    for alias in [*([name] if _is_free(name) else []), *(["__main__"] if as_main else [])]:
        replaced[alias] = sys.modules.get(alias)
        sys.modules[alias] = module
    if sys.path[:1] != [str(path.parent)]:
        sys.path.insert(0, str(path.parent))
    linecache.checkcache(str(path))
    try:
        # Not by the loader: its cache of compiled code does not see an edit within a second.
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        _restore(replaced)
        raise ScriptError(str(path), error) from error
    except BaseException:
        _restore(replaced)
        raise
    _loaded[path] = _Loaded(module, source)
    return module


def _is_free(name: str) -> bool:
    """Tell whether a script may have this name in `sys.modules`: nobody has it, or an earlier script."""
    present = sys.modules.get(name)
    return present is None or _was_loaded(present)


def _was_loaded(module: ModuleType) -> bool:
    return any(loaded.module is module for loaded in _loaded.values())


def _restore(replaced: dict[str, ModuleType | None]) -> None:
    for name, module in replaced.items():
        if module is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).absolute() if file else None


def _is_our_program() -> bool:
    """Tell whether `__main__` is Dalsegno's command line, or a script that it has put there."""
    main = sys.modules.get("__main__")
    if main is None or _was_loaded(main):
        return True
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name.partition(".")[0] == "dalsegno"
    file = _file_of(main)
    return file is not None and file.stem == "dalsegno"
