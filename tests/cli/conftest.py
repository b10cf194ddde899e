"""Calls the command line in this process, and records runs for it to show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.recorded import Recorder
from tests.cli.scripts import NIGHTLY, WAITING, Folder

from dalsegno.cli import main


class Result(msgspec.Struct, frozen=True):
    """What a command printed and how it ended."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


Dalsegno = Callable[..., Result]


@pytest.fixture
def dalsegno(capsys: pytest.CaptureFixture[str]) -> Dalsegno:
    """Give a function that runs a command: ``dalsegno("flow-run", "ls")``."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Give a folder with scripts, and stand in it."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    folder = Folder(work)
    folder.write("nightly.py", NIGHTLY)
    folder.write("waiting.py", WAITING)
    return folder


@pytest.fixture
def recorder() -> Recorder:
    """Give what records runs in the test's database."""
    return Recorder()
