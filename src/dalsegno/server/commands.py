"""What can be done to a flow run from outside, for one as for many: check it, do it, say why not."""

from __future__ import annotations

import uuid
from typing import NamedTuple, Protocol

from dalsegno._backend import retrying
from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import attempts, forcing, processes
from dalsegno._store.connection import Connection
from dalsegno._store.forcing import SetState
from dalsegno.exceptions import BackendError, ObjectNotFound, RunIsAlive
from dalsegno.model.ids import id_text
from dalsegno.model.resources.commands import SetFlowRunState
from dalsegno.model.views import FlowRunView
from dalsegno.server.clock import now


class Command(Protocol):
    """Something that is done to a flow run. Both raise a BackendError that says why it cannot be.

    Checks run where writes do, for finding a run locks it.
    """

    def check(self, backend: StoreBackend, id: bytes) -> bool:
        """Tell whether it would change anything."""
        ...

    def perform(self, backend: StoreBackend, id: bytes) -> bool:
        """Do it. False: there was nothing to be done."""
        ...


class Cancel(NamedTuple):
    """Ends a run: at once where nobody executes it, else it is asked to stop."""

    def check(self, backend: StoreBackend, id: bytes) -> bool:
        return not backend.database.write(lambda connection: attempts.find_root(connection, id)).ended

    def perform(self, backend: StoreBackend, id: bytes) -> bool:
        return backend.request_cancel(id)


class Delete(NamedTuple):
    """Deletes a run that has ended, with all that belongs to it."""

    def check(self, backend: StoreBackend, id: bytes) -> bool:
        backend.database.write(lambda connection: _check_not_alive(connection, id, "deleting it"))
        return True

    def perform(self, backend: StoreBackend, id: bytes) -> bool:
        if not backend.delete_flow_run(id):
            raise ObjectNotFound(f"There is no flow run {id_text(id)}.")
        return True


class SetFlowState(NamedTuple):
    """Puts a run into another state."""

    wanted: SetState

    def check(self, backend: StoreBackend, id: bytes) -> bool:
        def look(connection: Connection) -> None:
            forcing.check_state(connection, id, self.wanted)
            if not self.wanted.force:
                _check_not_alive(connection, id, "setting its state, or force it")

        backend.database.write(look)
        return True

    def perform(self, backend: StoreBackend, id: bytes) -> bool:
        backend.database.write(lambda connection: forcing.set_state(connection, id, self.wanted, now()))
        return True


class Retry(NamedTuple):
    """Has a run of a deployment picked up where it stopped; what was called in somebody's script only that somebody
    can."""

    def check(self, backend: StoreBackend, id: bytes) -> bool:
        run = _root_of(backend, id)
        retrying.deployment_of(backend, run)
        backend.database.write(lambda connection: _check_not_alive(connection, run.id, "retrying it"))
        return True

    def perform(self, backend: StoreBackend, id: bytes) -> bool:
        return retrying.queue_again(backend, _root_of(backend, id))


def to_command(wanted: SetFlowRunState) -> SetFlowState:
    """Return the command that a request asks for."""
    return SetFlowState(SetState(type=wanted.type, name=wanted.name, message=wanted.message, force=wanted.force))


def missing(id: uuid.UUID) -> str:
    """Say that there is no such run."""
    return f"There is no flow run {id}."


def _root_of(backend: StoreBackend, id: bytes) -> FlowRunView:
    run = backend.read_flow_run(id)
    root = run if run is None or run.root_run_id == id else backend.read_flow_run(run.root_run_id)
    # A flow called in a task outside flows has that task run as its root, and answers for itself.
    found = root or run
    if found is None:
        raise ObjectNotFound(f"There is no flow run {id_text(id)}.")
    return found


def _check_not_alive(connection: Connection, id: bytes, doing: str) -> None:
    root = attempts.find_root(connection, id)
    if root.id != id:
        raise BackendError(f"Flow run {id_text(id)} is nested in {root}: do it to that one.")
    if not root.ended and processes.lives(connection, root.process_id, now()):
        raise RunIsAlive(f"{root} is executed at this moment. Cancel it, or wait for its end, before {doing}.")
