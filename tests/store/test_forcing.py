"""A person may say how a flow run ended; whoever still executes it is fenced then."""

from __future__ import annotations

import pytest
from tests.store.make import COMPLETED, FAILED, RUNNING, Run

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import forcing
from dalsegno._store.forcing import SetState
from dalsegno.exceptions import BackendError, ObjectNotFound, RunIsAlive, StateConflict
from dalsegno.model.ids import new_id
from dalsegno.model.states import StateType
from dalsegno.model.views import FlowRunView


def set_state(backend: StoreBackend, id: bytes, type: StateType, **fields: object) -> FlowRunView:
    wanted = SetState(type=type, **fields)  # type: ignore[arg-type]
    backend.database.write(lambda connection: forcing.set_state(connection, id, wanted, 2_000_000_000_000_000))
    found = backend.read_flow_run(id)
    assert found is not None
    return found


def test_a_failed_run_is_set_to_completed_only_by_force(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)]))
    with pytest.raises(StateConflict, match="is FAILED, which COMPLETED cannot follow"):
        set_state(backend, run.id, StateType.COMPLETED)
    found = set_state(backend, run.id, StateType.COMPLETED, name="Accepted", message="It is fine.", force=True)
    assert (found.state.type, found.state.name, found.state.message) == (
        StateType.COMPLETED,
        "Accepted",
        "It is fine.",
    )
    assert [state.name for state in found.states or []] == ["Failed", "Accepted"]
    assert found.attempt == 2


def test_a_run_that_is_executed_is_left_alone_unless_forced_and_then_fenced(backend: StoreBackend) -> None:
    run = Run()
    nested = Run(root=run.id, parent=run.id)
    inner, task_run = nested.task_run(RUNNING), run.task_run(RUNNING)
    backend.deliver(run.batch(flow_runs=[run.flow_run(), nested.flow_run()], task_runs=[task_run, inner]))
    with pytest.raises(RunIsAlive, match="setting its state"):
        set_state(backend, run.id, StateType.FAILED)
    assert set_state(backend, run.id, StateType.FAILED, force=True).state.name == "Failed"
    for id in (task_run.id, inner.id):
        found = backend.read_task_run(id)
        assert found is not None
        assert (found.state.name, found.state.message) == (
            "Cancelled",
            "It had not ended when its run was set to Failed by hand.",
        )
    child = backend.read_flow_run(nested.id)
    assert child is not None
    assert child.state.name == "Cancelled"
    late = backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED, first=1)]))
    assert late.fenced == [run.id]
    after = backend.read_flow_run(run.id)
    assert after is not None
    assert after.state.type is StateType.FAILED


def test_what_nobody_would_execute_and_what_is_nested_cannot_be_set(backend: StoreBackend) -> None:
    run = Run()
    nested = Run(root=run.id, parent=run.id)
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED), nested.flow_run(FAILED)]))
    with pytest.raises(StateConflict, match="nobody would execute it"):
        set_state(backend, run.id, StateType.RUNNING, force=True)
    with pytest.raises(BackendError, match="is nested in"):
        set_state(backend, nested.id, StateType.COMPLETED, force=True)
    with pytest.raises(ObjectNotFound):
        set_state(backend, new_id(), StateType.COMPLETED)


def test_a_run_can_be_picked_up_after_its_state_was_set(backend: StoreBackend) -> None:
    from dalsegno._processes import current_process
    from dalsegno.model.views import OpenRun

    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(FAILED)]))
    set_state(backend, run.id, StateType.CANCELLED, force=True)
    opened = backend.open_run(OpenRun(flow_run_id=run.id, process=current_process()))
    assert opened.attempt == 3
