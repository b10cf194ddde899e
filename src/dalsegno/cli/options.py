"""Options that several commands share, and how every group of commands is set up."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from dalsegno.cli.help import exit_codes_page

OutputFormat = Literal["table", "json"]
Output = Annotated[OutputFormat, Parameter(name=["--output", "-o"], help="A table for people, or JSON for programs.")]
Limit = Annotated[int, Parameter(name=["--limit", "-n"], help="How many at most.")]
All = Annotated[bool, Parameter(name="--all", help="All there are, however many.")]
FlowRunTarget = Annotated[str, Parameter(help="Id, beginning of an id, exact name, or `last`.")]
TaskRunTarget = FlowRunTarget
DeploymentTarget = Annotated[
    str, Parameter(help="`flow/deployment`, the deployment's name where only one has it, or its id.")
]


def group(name: str, summary: str) -> App:
    """Return an empty group of commands, whose help ends with the exit codes."""
    return App(
        name=name,
        help=summary,
        help_format="plaintext",
        help_epilogue=exit_codes_page(),
        help_flags=["--help", "-h"],
        version_flags=[],
        default_parameter=Parameter(negative=()),
    )
