"""`dalsegno flow-run execute`: claims a run that waits in the queue, and executes it in this process."""

from __future__ import annotations

from dalsegno.cli.failures import CommandError
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget
from dalsegno.cli.places import folder_of, go_on_with_interpreter
from dalsegno.cli.running import execute as follow
from dalsegno.model.ids import id_text
from dalsegno.model.states import StateType


def execute(run: FlowRunTarget, /) -> int:
    """Claim a flow run that waits in the queue, due or not, and execute it here."""
    backend = open_backend()
    found = find_flow_run(backend, run)
    if found.state.type is not StateType.SCHEDULED:
        if found.state.type is StateType.PAUSED:
            raise CommandError(
                f"Flow run {found.name!r} is {found.state.name}: `dalsegno flow-run resume {id_text(found.id)}` has it "
                "go on."
            )
        raise CommandError(
            f"Flow run {found.name!r} does not wait in the queue: it is {found.state.name}. "
            f"`dalsegno flow-run retry {id_text(found.id)}` executes one again that has ended."
        )
    go_on_with_interpreter(found.entry, ["flow-run", "execute", id_text(found.id)])

    def begun() -> bytes | None:
        seen = backend.read_flow_run(found.id)
        return None if seen is None or seen.state.type is StateType.SCHEDULED else found.id

    def call() -> object:
        from dalsegno.flow_runs import execute_flow_run

        return execute_flow_run(found.id)

    with folder_of(found.entry):
        return follow(backend, call, begun)
