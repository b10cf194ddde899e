"""How many task-run snapshots a second the store applies, without the engine: batches of completed task runs,
as a flush delivers them, from one thread; the last with a full fsync. Into a file, or to a server where there is
one. It reaches below the public names."""

from __future__ import annotations

import time

import probe
from dalsegno._backend.connect import connect
from dalsegno.model.ids import id_time, new_id
from dalsegno.model.records import Batch, FlowDefinition, FlowRunSnapshot, TaskDefinition, TaskRunSnapshot
from dalsegno.model.results import pack_plain
from dalsegno.model.states import STATE_CODES, StateType, pack_states
from dalsegno.model.views import RunFilter

BATCH = 1_000
TASK = TaskDefinition(id=1, key="bench.add_one", name="add_one", version=None, source_hash=None, tags=())
FLOW = FlowDefinition(id=1, name="add-up", version=None, source_hash=None, description=None)
RUNNING = STATE_CODES[StateType.RUNNING]
COMPLETED = STATE_CODES[StateType.COMPLETED]


def first_batch(root: bytes) -> Batch:
    now = id_time(root)
    run = FlowRunSnapshot(
        id=root,
        root_run_id=root,
        flow_id=FLOW.id,
        name="a-flow-run",
        attempt=1,
        version=1,
        run_count=1,
        state_type=RUNNING,
        state_name=None,
        states=pack_states(1, 0, now, [(RUNNING, now, None, None, None)]),
        start_time=now,
    )
    return Batch(attempts={root: 1}, tasks=[TASK], flows=[FLOW], flow_runs=[run])


def batch_of(count: int, root: bytes, version: int) -> Batch:
    runs = [completed(root, version, number) for number in range(count)]
    return Batch(attempts={root: 1}, task_runs=runs)


def completed(root: bytes, version: int, number: int) -> TaskRunSnapshot:
    id_ = new_id()
    began = id_time(id_)
    ended = began + 10
    states = [(RUNNING, began, None, None, None), (COMPLETED, ended, None, None, None)]
    return TaskRunSnapshot(
        id=id_,
        root_run_id=root,
        flow_run_id=root,
        parent_task_run_id=None,
        task_id=TASK.id,
        attempt=1,
        version=version,
        run_count=1,
        name=None,
        fingerprint=number.to_bytes(16, "big"),
        state_type=COMPLETED,
        state_name=None,
        states=pack_states(1, 0, began, states),
        start_time=began,
        end_time=ended,
        result=pack_plain(number.to_bytes(8, "big")),
        upstream=None,
        child_flow_run_id=None,
        extra=None,
    )


if __name__ == "__main__":
    root = new_id()
    backend = connect()
    backend.deliver(first_batch(root))
    sizes = [min(BATCH, probe.size() - start) for start in range(0, probe.size(), BATCH)]
    batches = [batch_of(size, root, version) for version, size in enumerate(sizes, 2)]
    batches[-1].durable = True
    cpu_began, began = time.process_time(), time.perf_counter()
    for batch in batches:
        backend.deliver(batch)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    found = backend.count_task_runs(RunFilter(flow_run_ids=[root]))
    backend.close()
    probe.require(sum(found.values()) == probe.size(), f"{found} task runs in the store")
    probe.report(snapshots_per_second=probe.size() / wall, cpu_us=cpu / probe.size() * 1e6, tasks=probe.size())
