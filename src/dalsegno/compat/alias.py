"""The alias: while it is installed, `import prefect` and all that lies below it lead to this package.

The modules under the other name are views: they hold nothing themselves, so that every class, function and
context variable is the one of ours.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

from dalsegno.compat.counterparts import (
    MOVED,
    Kind,
    counterpart,
    find_module,
    has_public,
    holds_moved,
    join,
    kind_of,
    last_of,
    missing,
    parent_of,
)
from dalsegno.exceptions import ConfigurationError

ROOT = "prefect"
# What the import system sets on a view belongs to the view; these few are asked of the module behind it.
_HANDED_ON = {"__version__"}
_NOTHING = object()
# What was in a module of ours before it was set through a view. Patches of tests undo themselves by deleting
# what an object's own dictionary did not have, and a view's has nothing: deleting brings back what was there.
_replaced: dict[tuple[str, str], list[object]] = {}


class View(ModuleType):
    """A module under a name of Prefect's, which hands on what the module of ours has."""

    def __getattr__(self, name: str) -> Any:
        path = _path_of(self)
        if name == "__all__":
            return names_of(path)
        asked = join(path, name)
        if (name.startswith("_") and name not in _HANDED_ON) or kind_of(asked) is Kind.MISSING:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}. {missing(asked)}")
        return _look_up(asked)

    def __setattr__(self, name: str, value: object) -> None:
        home = _home_of(self, name)
        if home is None or isinstance(value, View):
            super().__setattr__(name, value)
        else:
            _replaced.setdefault((self.__name__, name), []).append(getattr(*home, _NOTHING))
            setattr(*home, value)

    def __delattr__(self, name: str) -> None:
        home = _home_of(self, name)
        before = _replaced.get((self.__name__, name))
        if home is None or name in vars(self):
            super().__delattr__(name)
        elif before and (value := before.pop()) is not _NOTHING:
            setattr(*home, value)
        else:
            delattr(*home)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *names_of(_path_of(self))})

    def __repr__(self) -> str:
        return f"<module {self.__name__!r}, which is {join('dalsegno', counterpart(_path_of(self)))!r}>"

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        return restore_view, (self.__name__,)


def restore_view(name: str) -> ModuleType:
    """Return the view of a name; in a process that has no alias yet, install it there."""
    install_prefect_alias()
    return importlib.import_module(name)


def names_of(path: str) -> list[str]:
    """Return the names that a module of Prefect's has here, as Prefect calls them."""
    moved = {last_of(old) for old in MOVED if parent_of(old) == path and kind_of(old) is not Kind.MISSING}
    ours = find_module(counterpart(path))
    if ours is None:
        return sorted(moved)
    offered: Sequence[str] | None = getattr(ours, "__all__", None)
    return sorted({*moved, *(name for name in offered or dir(ours) if has_public(ours, name))})


def _path_of(view: View) -> str:
    return view.__name__.partition(".")[2]


def _look_up(path: str) -> Any:
    """Return what a path of Prefect's stands for; a module of ours as a view of it."""
    ours = counterpart(path)
    if kind_of(path) is Kind.NAME:
        return getattr(cast("ModuleType", find_module(parent_of(ours))), last_of(ours))
    return importlib.import_module(join(ROOT, path))


def _home_of(view: View, name: str) -> tuple[ModuleType, str] | None:
    """Return the module of ours and the name in it that an attribute of a view stands for; None: the view itself."""
    if name.startswith("__"):
        return None
    ours = counterpart(join(_path_of(view), name))
    module = find_module(parent_of(ours))
    return None if module is None else (module, last_of(ours))


class _ViewLoader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return View(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is: a view is complete when it is made."""


class _Finder(MetaPathFinder):
    """Finds views; what is not there is refused here, so that no other finder can bring in the real package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != ROOT:
            return None
        asked = fullname.partition(".")[2]
        if find_module(counterpart(asked)) is None and not holds_moved(asked):
            # Under another name than was asked for: the import system swallows the error otherwise.
            raise ModuleNotFoundError(missing(asked), name=join("dalsegno", counterpart(asked)))
        # Each is a package, so that `from prefect.futures import name` asks here for a name that is not there.
        return ModuleSpec(fullname, _ViewLoader(), is_package=True)


_finder = _Finder()


def install_prefect_alias() -> None:
    """Make `import prefect` resolve to this package, so that unmodified code can be tried.

    Call it before anything imports Prefect; a second call changes nothing. Names are those of Prefect 3: with
    `from prefect.futures import PrefectFuture` one gets `dalsegno.futures.Future`. A name that this version
    does not have is an ImportError that says so. Variables named ``PREFECT_...`` are not read.

    Raises ConfigurationError if the real package was already imported in this process.

    Example:
        >>> from dalsegno.compat import install_prefect_alias
        >>> install_prefect_alias()
        >>> from prefect import flow, task
    """
    real = sys.modules.get(ROOT)
    if real is not None and not isinstance(real, View):
        where = getattr(real, "__file__", None) or "an unknown place"
        raise ConfigurationError(
            f"prefect was already imported in this process (from {where}), so its name cannot lead to Dalsegno. "
            "Call install_prefect_alias() first, before anything that imports prefect."
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def remove_prefect_alias() -> None:
    """Undo `install_prefect_alias`: later imports find the real package, or none. Without an alias it does nothing.

    What was imported in the meantime stays as it is.
    """
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [name for name, module in sys.modules.items() if isinstance(module, View)]:
        del sys.modules[name]
