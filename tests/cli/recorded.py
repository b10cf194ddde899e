"""Writes runs into the test's database through the backend, as an engine would; nothing is executed."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import msgspec

from dalsegno._backend.connect import connect
from dalsegno._processes import current_process
from dalsegno.model.ids import id_time, new_id
from dalsegno.model.records import (
    ArtifactRecord,
    Batch,
    EntryPoint,
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

SECOND = 1_000_000
ENTRY = EntryPoint(
    entrypoint="/home/me/nightly.py:nightly", working_directory="/home/me", interpreter="/usr/bin/python3"
)


def now() -> int:
    return time.time_ns() // 1000


def numbered(*parts: str) -> int:
    """Give the same positive number for the same texts."""
    return sum(ord(letter) * 31**place for place, letter in enumerate("".join(parts)[:10])) + 1


class Recorder:
    """Makes flow runs, task runs, log lines and artifacts; each call is one batch."""

    def __init__(self) -> None:
        self.backend = connect()
        self.process: ProcessRecord = current_process()
        self.nonce = 0
        self.roots: dict[bytes, bytes] = {}
        self.versions: dict[bytes, int] = {}

    def deliver(self, root: bytes, **records: Any) -> None:
        self.backend.deliver(Batch(attempts={root: 1}, process_id=self.process.id, process=self.process, **records))

    def flow_run(
        self,
        name: str = "brave-otter",
        *,
        flow: str = "nightly",
        state: StateType = StateType.COMPLETED,
        state_name: str | None = None,
        message: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: tuple[str, ...] = (),
        entry: EntryPoint | None = ENTRY,
        parent: bytes | None = None,
        made: int | None = None,
        took: float = 2.5,
        id: bytes | None = None,
    ) -> bytes:
        """Record a flow run made at `made` (microseconds), or the next version of the run `id`."""
        id = id or new_id(None if made is None else made * 1000)
        start = id_time(id)
        end = start + round(took * SECOND)
        root = self.roots[id] = id if parent is None else self.roots[parent]
        is_over = STATE_CODES[state] >= STATE_CODES[StateType.COMPLETED]
        states: list[tuple[Any, ...]] = [(STATE_CODES[StateType.RUNNING], start, None, None)]
        if state is not StateType.RUNNING:
            states.append((STATE_CODES[state], end, state_name, message))
        version = self.versions[id] = self.versions.get(id, 0) + 1
        snapshot = FlowRunSnapshot(
            id=id,
            root_run_id=root,
            parent_flow_run_id=parent,
            flow_id=numbered(flow),
            name=name,
            attempt=1,
            version=version,
            run_count=1,
            state_type=STATE_CODES[state],
            state_name=state_name,
            states=pack_states(1, 0, start, states),
            start_time=start,
            end_time=end if is_over else None,
            parameters_text=json.dumps(parameters or {}),
            tags=tags,
            entry=entry,
            process_id=self.process.id,
        )
        definition = FlowDefinition(numbered(flow), flow, "v1", None, f"What {flow} does.\nIn full.")
        self.deliver(root, flows=[definition], flow_runs=[snapshot])
        return id

    def task_run(
        self,
        flow_run: bytes,
        name: str = "clean-4f1",
        *,
        task: str = "clean",
        state: StateType = StateType.COMPLETED,
        state_name: str | None = None,
        message: str | None = None,
        result: Any = None,
        upstream: list[tuple[str, bytes]] | None = None,
    ) -> bytes:
        """Record a task run."""
        id = new_id()
        start, end = id_time(id), id_time(id) + SECOND
        root = self.roots[flow_run]
        is_over = STATE_CODES[state] >= STATE_CODES[StateType.COMPLETED]
        snapshot = TaskRunSnapshot(
            id=id,
            root_run_id=root,
            flow_run_id=flow_run,
            parent_task_run_id=None,
            task_id=numbered(task),
            attempt=1,
            version=1,
            run_count=1,
            name=name,
            fingerprint=bytes(16),
            state_type=STATE_CODES[state],
            state_name=state_name,
            states=pack_states(1, 0, start, [(STATE_CODES[state], end, state_name, message)]),
            start_time=start,
            end_time=end if is_over else None,
            result=None if result is None else pack_plain(msgspec.msgpack.encode(result)),
            upstream=pack_upstream(upstream or []),
            child_flow_run_id=None,
            extra=None,
        )
        definition = TaskDefinition(numbered(task), f"nightly.{task}", task, None, "ab12", ())
        self.deliver(root, tasks=[definition], task_runs=[snapshot])
        return id

    def log(
        self,
        flow_run: bytes,
        message: str,
        *,
        level: int = logging.INFO,
        task_run: bytes | None = None,
        at: int | None = None,
    ) -> None:
        """Record a line of a run's log."""
        self.nonce += 1
        root = self.roots[flow_run]
        line = LogRecord(root, at or now(), self.nonce, flow_run, task_run, level, "dalsegno", message)
        self.deliver(root, logs=[line])

    def artifact(
        self, flow_run: bytes, data: Any, *, type: str = "markdown", key: str | None = None, text: str = ""
    ) -> bytes:
        """Record an artifact."""
        id, root = new_id(), self.roots[flow_run]
        record = ArtifactRecord(
            id=id,
            type=type,
            key=key,
            data=json.dumps(data),
            description=text or None,
            root_run_id=root,
            flow_run_id=flow_run,
            task_run_id=None,
            created=now(),
            updated=now(),
        )
        self.deliver(root, artifacts=[record])
        return id
