"""Fills databases with a million task runs, through the store's own door: in one flow run, or over many.

Few of them are of the kinds that the lists are asked for: failed, cached, of a rare task, of a rare flow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import id_time, new_id
from dalsegno.model.records import (
    Batch,
    FlowDefinition,
    FlowRunSnapshot,
    LogRecord,
    TaskDefinition,
    TaskRunSnapshot,
    pack_extra,
    pack_upstream,
)
from dalsegno.model.results import pack_plain
from dalsegno.model.states import STATE_CODES, StateType, pack_states

CLEAN = TaskDefinition(1, "shop.clean", "clean", None, "aa" * 16, ("nightly",))
LOAD = TaskDefinition(2, "shop.load", "load", "2", "bb" * 16, ())
RARE = TaskDefinition(3, "shop.rare", "rare", None, "cc" * 16, ("seldom",))
NIGHTLY = FlowDefinition(1, "nightly", "1", "dd" * 16, "Loads the day's orders.")
MONTHLY = FlowDefinition(2, "monthly", "1", "ee" * 16, None)
FEW = 10_000
"""One in so many is of a kind that there is little of."""
PENDING = STATE_CODES[StateType.PENDING]
RUNNING = STATE_CODES[StateType.RUNNING]
COMPLETED = STATE_CODES[StateType.COMPLETED]
FAILED = STATE_CODES[StateType.FAILED]
_BATCH = 4_000
_SPREAD_SECONDS = 20.0


def fill(backend: StoreBackend, task_runs: int, flow_runs: int, spread_seconds: float = _SPREAD_SECONDS) -> list[bytes]:
    """Record flow runs that began so long one after the other, the last just now; return their ids, oldest first."""
    each = task_runs // flow_runs
    spread = round(spread_seconds * 1e9)
    began = time.time_ns() - spread * (flow_runs + 1)
    roots = [new_id(began + spread * number) for number in range(flow_runs)]
    for number, root in enumerate(roots):
        is_rare = flow_runs > 1 and number % max(1, flow_runs // 10) == 5
        for batch in _batches(root, each, number * each, is_rare=is_rare):
            backend.deliver(batch)
    return roots


def _batches(root: bytes, count: int, first: int, *, is_rare: bool) -> Iterator[Batch]:
    definitions: dict[str, Any] = {"tasks": [CLEAN, LOAD, RARE], "flows": [NIGHTLY, MONTHLY], "attempts": {root: 1}}
    yield Batch(flow_runs=[_flow_run(root, RUNNING, 1, is_rare=is_rare)], **definitions)
    upstream = root
    for start in range(0, count, _BATCH):
        runs: list[TaskRunSnapshot] = []
        lines: list[LogRecord] = []
        for number in range(start, min(count, start + _BATCH)):
            run = _task_run(root, upstream, first + number, number)
            upstream = run.id
            runs.append(run)
            if number % 2 == 0:
                lines.append(_line(root, run, first + number))
        yield Batch(task_runs=runs, logs=lines, **definitions)
    end = FAILED if is_rare else COMPLETED
    yield Batch(flow_runs=[_flow_run(root, end, 2, is_rare=is_rare)], **definitions)


def _flow_run(root: bytes, code: int, version: int, *, is_rare: bool) -> FlowRunSnapshot:
    moment = id_time(root)
    return FlowRunSnapshot(
        id=root,
        root_run_id=root,
        flow_id=MONTHLY.id if is_rare else NIGHTLY.id,
        name="rare-newt" if is_rare else "brave-otter",
        attempt=1,
        version=version,
        run_count=1,
        state_type=code,
        state_name="TimedOut" if is_rare and code == FAILED else None,
        states=pack_states(1, version - 1, moment, [(code, moment + version)]),
        start_time=moment,
        end_time=moment + 5_000_000 if code >= COMPLETED else None,
        parameters_text='{"day": "2026-11-25", "shops": [1, 2, 3]}',
        tags=("seldom",) if is_rare else ("nightly",),
    )


def _task_run(root: bytes, upstream: bytes, number: int, within: int) -> TaskRunSnapshot:
    id = new_id(id_time(root) * 1000 + within * 20_000)
    origin = id_time(id)
    is_rare = number % FEW == 7
    code = FAILED if is_rare else COMPLETED
    task = RARE if is_rare else (CLEAN, LOAD)[number % 2]
    states = [(PENDING, origin), (RUNNING, origin + 12), (code, origin + 17)]
    return TaskRunSnapshot(
        id=id,
        root_run_id=root,
        flow_run_id=root,
        parent_task_run_id=None,
        task_id=task.id,
        attempt=1,
        version=1,
        run_count=1,
        name="an odd one" if is_rare else None,
        fingerprint=id,
        state_type=code,
        state_name="TimedOut" if is_rare else None,
        states=pack_states(1, 0, origin, states),
        start_time=origin + 12,
        end_time=origin + 17,
        result=None if is_rare else pack_plain(b"\xcd\x03\xe8"),
        upstream=pack_upstream([("orders", upstream)]),
        child_flow_run_id=None,
        extra=pack_extra({"tags": ["odd"]}) if is_rare else None,
    )


def _line(root: bytes, run: TaskRunSnapshot, number: int) -> LogRecord:
    is_rare = number % FEW == 6
    return LogRecord(
        root_run_id=root,
        timestamp=(run.start_time or 0) + 1,
        nonce=number,
        flow_run_id=root,
        task_run_id=run.id,
        level=40 if is_rare else 20,
        logger="dalsegno.task_runs",
        message="An order without a customer." if is_rare else "Looked at the orders of the day, and all is well.",
    )
