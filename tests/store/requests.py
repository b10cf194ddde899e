"""Runs that are asked for, as a deployment will ask for them."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.store.make import NIGHTLY, Run, now

from dalsegno import _processes
from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_time, new_id
from dalsegno.model.queue import ClaimedRun, ClaimRuns, RequestRun
from dalsegno.model.records import ProcessRecord
from dalsegno.model.states import STATE_CODES, StateType, pack_states

SCHEDULED = STATE_CODES[StateType.SCHEDULED]


def elsewhere() -> ProcessRecord:
    """A process of another machine, which cannot be looked at from here."""
    return msgspec.structs.replace(_processes.current_process(), id=new_id(), host="elsewhere")


def ask(backend: StoreBackend, *, run: Run | None = None, **policy: Any) -> Run:
    """Ask for a new run; gives what makes the snapshots of its attempts."""
    run = run or Run()
    snapshot = run.flow_run(
        SCHEDULED,
        version=0,
        run_count=0,
        start_time=None,
        process_id=None,
        states=pack_states(1, 0, id_time(run.id), [(SCHEDULED, now())]),
    )
    assert backend.request_run(RequestRun(flow_run_id=run.id, snapshot=snapshot, flow=NIGHTLY, **policy))
    return run


def claim(backend: StoreBackend, process: ProcessRecord, limit: int = 1, **fields: Any) -> list[ClaimedRun]:
    """Claim runs that wait."""
    return backend.claim_runs(ClaimRuns(process=process, holder="worker-1", limit=limit, **fields))


def state_of(backend: StoreBackend, run: Run) -> str:
    """Return the name of the state that a run is in."""
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    return seen.state.name
