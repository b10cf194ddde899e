"""Records for the tests of the store: a run and its task runs as an engine would send them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from dalsegno._processes import current_process
from dalsegno.model.ids import id_time, new_id
from dalsegno.model.records import (
    Batch,
    FlowDefinition,
    FlowRunSnapshot,
    LogRecord,
    ProcessRecord,
    TaskDefinition,
    TaskRunSnapshot,
    pack_upstream,
)
from dalsegno.model.results import pack_plain
from dalsegno.model.states import STATE_CODES, StateType, pack_states

PENDING = STATE_CODES[StateType.PENDING]
RUNNING = STATE_CODES[StateType.RUNNING]
COMPLETED = STATE_CODES[StateType.COMPLETED]
FAILED = STATE_CODES[StateType.FAILED]
CRASHED = STATE_CODES[StateType.CRASHED]
CANCELLED = STATE_CODES[StateType.CANCELLED]

CLEAN = TaskDefinition(11, "shop.clean", "clean", None, "aa" * 16, ("nightly",))
LOAD = TaskDefinition(12, "shop.load", "load", "2", "bb" * 16, ())
NIGHTLY = FlowDefinition(21, "nightly", "1", "cc" * 16, "Loads the day's orders.")
HOURLY = FlowDefinition(22, "hourly", "1", "dd" * 16, None)


def now() -> int:
    return time.time_ns() // 1000


@dataclass
class Run:
    """Makes the snapshots of one flow run and of what runs in it."""

    id: bytes = field(default_factory=new_id)
    root: bytes | None = None
    parent: bytes | None = None
    flow: FlowDefinition = NIGHTLY
    attempt: int = 1
    process: ProcessRecord = field(default_factory=current_process)
    version: int = 0

    @property
    def root_run_id(self) -> bytes:
        return self.root or self.id

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def flow_run(self, code: int = RUNNING, *, first: int = 0, **fields: Any) -> FlowRunSnapshot:
        moment = now()
        values: dict[str, Any] = {
            "name": "brave-otter",
            "version": self.next_version(),
            "run_count": 1,
            "state_name": None,
            "states": pack_states(self.attempt, first, id_time(self.id), [(code, moment)]),
            "start_time": moment,
            "end_time": moment if code >= COMPLETED else None,
            "process_id": self.process.id,
            "parent_flow_run_id": self.parent,
        }
        return FlowRunSnapshot(
            id=self.id,
            root_run_id=self.root_run_id,
            flow_id=self.flow.id,
            attempt=self.attempt,
            state_type=code,
            **values | fields,
        )

    def task_run(
        self, code: int = COMPLETED, *, id: bytes | None = None, first: int = 0, **fields: Any
    ) -> TaskRunSnapshot:
        id = id or new_id()
        moment = now()
        values: dict[str, Any] = {
            "root_run_id": self.root_run_id,
            "flow_run_id": self.id,
            "parent_task_run_id": None,
            "task_id": CLEAN.id,
            "attempt": self.attempt,
            "version": self.next_version(),
            "run_count": 1,
            "name": None,
            "fingerprint": id[:16],
            "state_name": None,
            "states": pack_states(self.attempt, first, id_time(id), [(code, moment)]),
            "start_time": moment,
            "end_time": moment + 7 if code >= COMPLETED else None,
            "result": pack_plain(b"\x05") if code == COMPLETED else None,
            "upstream": None,
            "child_flow_run_id": None,
            "extra": None,
        }
        return TaskRunSnapshot(id=id, state_type=code, **values | fields)

    def log(self, message: str, **fields: Any) -> LogRecord:
        values: dict[str, Any] = {
            "root_run_id": self.root_run_id,
            "timestamp": now(),
            "nonce": 0,
            "flow_run_id": self.id,
            "task_run_id": None,
            "level": 20,
            "logger": "dalsegno.flow_runs",
        }
        return LogRecord(message=message, **values | fields)

    def batch(self, **fields: Any) -> Batch:
        values: dict[str, Any] = {
            "attempts": {self.root_run_id: self.attempt},
            "process": self.process,
            "process_id": self.process.id,
            "tasks": [CLEAN, LOAD],
            "flows": [NIGHTLY, HOURLY],
        }
        return Batch(**values | fields)


def many_task_runs(run: Run, count: int) -> list[TaskRunSnapshot]:
    """Return trivial completed task runs as real ones are: each with an upstream and an int as its result."""
    made: list[TaskRunSnapshot] = []
    upstream = run.id
    start = time.time_ns()
    for index in range(count):
        id = new_id(start + index * 20_000)
        origin = id_time(id)
        states = [(PENDING, origin), (RUNNING, origin + 12), (COMPLETED, origin + 17)]
        made.append(
            run.task_run(
                id=id,
                task_id=(CLEAN.id, LOAD.id)[index % 2],
                states=pack_states(1, 0, origin, states),
                result=pack_plain(b"\xcd\x03\xe8"),
                upstream=pack_upstream([("orders", upstream)]),
            )
        )
        upstream = id
    return made
