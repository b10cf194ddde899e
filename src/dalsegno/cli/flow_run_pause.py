"""`dalsegno flow-run pause`, `suspend` and `resume`: have a run wait, and have it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.flow_run_retry import next_attempt
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget
from dalsegno.cli.parameters import read_file
from dalsegno.cli.places import folder_of, go_on_with_interpreter
from dalsegno.cli.running import execute
from dalsegno.cli.values import json_or_text, read_json
from dalsegno.model.ids import id_text
from dalsegno.model.pauses import PauseView, ResumeRun
from dalsegno.model.views import FlowRunView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dalsegno._backend.protocol import Backend


def pause(run: FlowRunTarget, /) -> int:
    """Have a flow run wait before its next task, in its process, until it is resumed."""
    return _ask(run, suspend=False)


def suspend(run: FlowRunTarget, /) -> int:
    """Have a flow run give its process back before its next task, until it is resumed."""
    return _ask(run, suspend=True)


def resume(
    run: FlowRunTarget,
    /,
    *,
    input: Annotated[
        list[str] | None,
        Parameter(
            name="--input",
            help="A field of the input as NAME=VALUE; may be repeated. The value is JSON, or else text.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    input_json: Annotated[
        str | None, Parameter(help="The input as a JSON object, or @FILE that holds one (@-: standard input).")
    ] = None,
    key: Annotated[
        str | None, Parameter(help="Which of its pauses is meant, where it waits in several places.")
    ] = None,
) -> int:
    """Have a flow run that waits go on, with the input that it asks for.

    A suspended run that was called in a script is executed here.
    """
    backend = open_backend()
    found = find_flow_run(backend, run)
    given = read_input(found, input, input_json, key)
    text = None if given is None else msgspec.json.encode(given).decode()
    resumed = backend.resume_run(ResumeRun(flow_run_id=found.id, input=text, key=key))
    if resumed.how == "goes_on":
        print(f"Flow run {found.name!r} goes on; `dalsegno flow-run watch {id_text(found.id)}` follows it.")
        return ExitCode.OK
    if resumed.how == "queued":
        print(f"Flow run {found.name!r} is in the queue again, and goes on when it is claimed.")
        return ExitCode.OK
    return _execute(backend, resumed.root_run_id)


def read_input(
    run: FlowRunView, pairs: Sequence[str] | None, whole: str | None, key: str | None
) -> dict[str, Any] | None:
    """Return the input that was given; None: none. A field whose schema says string is the text as it stands."""
    if pairs is None and whole is None:
        return None
    values = {} if whole is None else _read_object(whole)
    texts = _text_fields([pause for pause in run.pauses or () if key in (None, pause.key)])
    for pair in pairs or ():
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise CommandError(
                f"{pair!r} is no field of an input; write --input NAME=VALUE, as in --input approved=true."
            )
        values[name] = text if name in texts else json_or_text(text)
    return values


def _read_object(text: str) -> dict[str, Any]:
    try:
        value = read_json(read_file(text[1:]) if text.startswith("@") else text)
    except ValueError as error:
        raise CommandError(f'--input-json holds no JSON ({error}); write it as \'{{"name": "value"}}\'.') from None
    if not isinstance(value, dict):
        raise CommandError(f"--input-json must hold a JSON object, not {text.strip()[:40]!r}.")
    return dict(value)  # pyright: ignore[reportUnknownArgumentType]


def _text_fields(pauses: Sequence[PauseView]) -> set[str]:
    """Return the fields that are texts, where it is known what is asked for."""
    if len(pauses) != 1 or pauses[0].schema is None:
        return set()
    properties: dict[str, dict[str, Any]] = msgspec.json.decode(pauses[0].schema).get("properties", {})
    return {name for name, schema in properties.items() if schema.get("type") == "string"}


def _ask(run: str, *, suspend: bool) -> int:
    backend = open_backend()
    found = find_flow_run(backend, run)
    if not backend.request_pause(found.id, suspend):
        print(f"Flow run {found.name!r} waits already: it is {found.state.name}.")
        return ExitCode.OK
    resume = f"`dalsegno flow-run resume {id_text(found.id)}`"
    if suspend:
        print(f"Flow run {found.name!r} is suspended before its next task; {resume} has it go on.")
    else:
        print(f"Flow run {found.name!r} pauses before its next task; {resume} has it go on.")
    return ExitCode.OK


def _execute(backend: Backend, root_run_id: bytes) -> int:
    root = find_flow_run(backend, id_text(root_run_id))
    # What it was given is recorded: another interpreter is told no more than to go on.
    go_on_with_interpreter(root.entry, ["flow-run", "resume", id_text(root.id)])

    def call() -> object:
        from dalsegno.flow_runs import retry_flow_run

        return retry_flow_run(root.id)

    with folder_of(root.entry):
        return execute(backend, call, next_attempt(backend, root.id))
