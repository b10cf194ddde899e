"""The reference page names every command, option, field and exit code."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclopts import Parameter

from dalsegno.cli import COMMANDS
from dalsegno.cli.exit_codes import EXPLAINED
from dalsegno.model import limits, pauses, records, states, views
from dalsegno.model.resources.services import ServiceView

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
HIDDEN = {"--help", "-h"}


def commands() -> Iterator[tuple[str, Any]]:
    """Give the words and the application of each command that is written with cyclopts."""
    for word, (module, _) in COMMANDS.items():
        if word == "version":
            continue
        yield from commands_of(word, importlib.import_module(f"dalsegno.cli.{module}").app)


def commands_of(words: str, app: Any) -> Iterator[tuple[str, Any]]:
    """Give the commands of a group, and of the groups in it."""
    if app.default_command is not None:
        yield words, app
    for name in app:
        if name not in HIDDEN:
            yield from commands_of(f"{words} {name}", app[name])


def option_names(app: Any) -> list[str]:
    """Give the names of a command's options, as its help has them."""
    arguments = app.assemble_argument_collection(default_parameter=Parameter(negative=()))
    return [name for argument in arguments for name in argument.names if name.startswith("-")]


@pytest.mark.parametrize(("words", "app"), list(commands()))
def test_each_command_and_each_of_its_options_is_named(words: str, app: Any) -> None:
    assert f"`dalsegno {words}" in PAGE
    assert [name for name in option_names(app) if f"`{name}`" not in PAGE] == []


def test_each_exit_code_is_explained_as_help_explains_it() -> None:
    for code, text in EXPLAINED.items():
        assert f"| {code.value} | {text} |" in PAGE


@pytest.mark.parametrize(
    ("name", "struct", "left_out"),
    [
        ("flow run", views.FlowRunView, {"parameters_text"}),
        ("pause", pauses.PauseView, set[str]()),
        ("task run", views.TaskRunView, set[str]()),
        ("state", states.StateRecord, set[str]()),
        ("entry", records.EntryPoint, set[str]()),
        ("process", records.ProcessRecord, set[str]()),
        ("log line", views.LogView, set[str]()),
        ("artifact", views.ArtifactView, set[str]()),
        ("flow", views.FlowView, set[str]()),
        ("variable", views.VariableView, set[str]()),
        ("concurrency limit", limits.LimitView, set[str]()),
        ("slot holder", limits.SlotHolderView, set[str]()),
        ("service", ServiceView, set[str]()),
    ],
)
def test_each_field_is_named(name: str, struct: type[msgspec.Struct], left_out: set[str]) -> None:
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} | `")]
    named = [part.strip("` ") for part in line.split("|")[2].split(",")]
    assert named == [field for field in struct.__struct_fields__ if field not in left_out]
