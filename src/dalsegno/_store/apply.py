"""Applies a batch of the upward stream: `deliver` is where everything that runs record is written.

Applying is "insert, or update where mine is newer", so duplicates and retries are harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from dalsegno._store import background, contact, forks, hot_rows, leases, limits, pauses, recovery
from dalsegno._store.connection import Connection, Database
from dalsegno._store.statements import RowStatement, in_chunks, locking, marks
from dalsegno._store.unflushed import Unflushed
from dalsegno.model.background import RequestTask
from dalsegno.model.records import (
    ArtifactRecord,
    Batch,
    FlowDefinition,
    FlowRunSnapshot,
    Receipt,
    ResultBlob,
    TaskDefinition,
)
from dalsegno.model.states import STATE_CODES, StateType
from dalsegno.model.texts import storable

_MOST_TASK_RUNS = 2048
"""In one transaction, so that nobody waits for the write lock above 50 ms: 15 ms on an idle machine."""
_MOST_LOGS = 4096
_MOST_BLOB_BYTES = 4 << 20
_SEEN_EVERY = 2_000_000
_LIMITS_EVERY = 1_000_000
_REMEMBERED = 10_000
_CANCELLING = STATE_CODES[StateType.CANCELLING]
_COMPLETED = STATE_CODES[StateType.COMPLETED]
_PAUSED = STATE_CODES[StateType.PAUSED]

_INSERT_FLOW = RowStatement(
    "INSERT INTO flow (id, name, version, source_hash, description)",
    row=marks(5),
    types="itttt",
    tail="ON CONFLICT DO NOTHING",
)
_INSERT_TASK = RowStatement(
    "INSERT INTO task (id, key, name, version, source_hash, tags)",
    row=marks(6),
    types="ittttt",
    tail="ON CONFLICT DO NOTHING",
)
_UPSERT_FLOW_RUN = RowStatement(
    "INSERT INTO flow_run (id, root_run_id, parent_flow_run_id, parent_task_run_id, flow_id, name, attempt, version,"
    " run_count, state_type, state_name, start_time, end_time, process_id, forked_from, tags, entry, extra,"
    " parameters_text, parameters, result, states)",
    row=marks(22),
    types="bbbbitiiiitiibbtbbtbbb",
    tail=(
        "ON CONFLICT (id) DO UPDATE SET root_run_id = excluded.root_run_id,"
        " parent_flow_run_id = excluded.parent_flow_run_id, parent_task_run_id = excluded.parent_task_run_id,"
        " flow_id = excluded.flow_id, name = excluded.name, attempt = excluded.attempt, version = excluded.version,"
        " run_count = excluded.run_count, state_type = excluded.state_type, state_name = excluded.state_name,"
        " start_time = excluded.start_time, end_time = excluded.end_time,"
        " process_id = coalesce(excluded.process_id, flow_run.process_id), forked_from = excluded.forked_from,"
        " tags = excluded.tags, entry = excluded.entry, extra = excluded.extra,"
        " parameters_text = excluded.parameters_text, parameters = excluded.parameters, result = excluded.result,"
        " states = CAST(flow_run.states || excluded.states AS BLOB)"
        " WHERE (excluded.attempt, excluded.version) > (flow_run.attempt, flow_run.version)"
    ),
)
_UPSERT_ARTIFACT = RowStatement(
    "INSERT INTO artifact (id, type, key, description, root_run_id, flow_run_id, task_run_id, created, updated, data)",
    row=marks(10),
    types="btttbbbiit",
    tail=(
        "ON CONFLICT (id) DO UPDATE SET description = excluded.description, updated = excluded.updated,"
        " data = excluded.data WHERE excluded.updated > artifact.updated"
    ),
)
_INSERT_BLOB = RowStatement(
    "INSERT INTO result_blob (id, root_run_id, data)", row=marks(3), types="bbb", tail="ON CONFLICT DO NOTHING"
)

_WANTED = (
    f"SELECT id, attempt, cancel_requested IS NOT NULL AND state_type < {_CANCELLING},"
    " (SELECT suspend FROM pause_wish WHERE root_run_id = flow_run.id) FROM flow_run WHERE id IN ({texts})"
)

_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Writer:
    """What a database was told before and need not be asked or told again: one for each database and process."""

    def __init__(self, database: Database, lease: int = leases.DEFAULT_LENGTH) -> None:
        self.database = database
        self.lease = lease
        self.seen_every = min(_SEEN_EVERY, lease // 6)
        self._tags: list[str] = []
        self._tags_read = 0
        self.task_numbers: dict[int, int] = {}
        """TaskDefinition.id to the number of its row; such rows are never deleted."""
        self.unflushed = Unflushed(database)
        forks.register(self.unflushed)
        self._seen: dict[bytes, int] = {}

    def seen(self, process_id: bytes, now: int) -> None:
        """Remember that it stands in the database that a process lived at this time."""
        self._seen.pop(process_id, None)
        self._seen[process_id] = now
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def last_seen(self, process_id: bytes) -> int:
        """Return when a process was last noted."""
        return self._seen.get(process_id, 0)

    def limited_tags(self, connection: Connection, now: int) -> list[str]:
        """Return the tags whose task runs are limited, as they were a moment ago at most."""
        if now - self._tags_read > _LIMITS_EVERY:
            self._tags, self._tags_read = limits.limited_tags(connection), now
        return self._tags


def deliver(writer: Writer, batch: Batch, now: int) -> Receipt:
    """Apply a batch; final states of its flow runs are never seen before what they rest on."""
    receipt = Receipt()
    for part in _split(batch):
        durable = batch.durable or writer.database.always_durable or writer.unflushed.wants_flush()
        receipt = _deliver_part(writer, part, now, durable=durable)
    return receipt


def _deliver_part(writer: Writer, part: Batch, now: int, *, durable: bool) -> Receipt:
    tasks: dict[int, int] = {}
    losses = 0
    mark = writer.unflushed.mark()

    def work(connection: Connection) -> Receipt:
        nonlocal losses
        losses = writer.database.losses
        _restore(writer, connection, now)
        return _apply(writer, connection, part, tasks, now)

    receipt = writer.database.write(work, durable=durable, repeatable=True)
    writer.task_numbers.update(tasks)
    writer.unflushed.committed(part, losses, flushed=mark if durable else None)
    return receipt


def _restore(writer: Writer, connection: Connection, now: int) -> None:
    """Apply again what a server that crashed may have lost."""
    lost = writer.unflushed.lost()
    if lost:
        # The rows of tasks may be among it, and others may have got their numbers.
        writer.task_numbers.clear()
    for batch in lost:
        _apply(writer, connection, batch, {}, now)


def heartbeat(writer: Writer, process_id: bytes, attempts: dict[bytes, int], now: int) -> Receipt:
    """Note that a process lives; tell it which of its recorded root runs it lost, and which are to be cancelled."""

    def beat(connection: Connection) -> Receipt:
        _restore(writer, connection, now)
        contact.note(connection, process_id, now)
        receipt = wishes(connection, attempts)
        receipt.lease = writer.lease / 1e6
        receipt.limited_tags = writer.limited_tags(connection, now)
        return receipt

    receipt = writer.database.write(beat, express=True, repeatable=True)
    writer.seen(process_id, now)
    return receipt


def wishes(connection: Connection, attempts: dict[bytes, int]) -> Receipt:
    """Return what is wanted of root runs that are executed under these attempts."""
    found = {
        row[0]: row[1:]
        for texts, ids in in_chunks(list(attempts))
        for row in connection.execute(_WANTED.format(texts=texts), ids)
    }
    return Receipt(
        cancel=[id for id in attempts if id in found and found[id][1]],
        pause=[id for id in attempts if id in found and found[id][2] == 0],
        suspend=[id for id in attempts if id in found and found[id][2] == 1],
        # Its attempt has moved on, or it was deleted.
        fenced=[id for id, attempt in attempts.items() if id not in found or found[id][0] > attempt],
    )


def write_flow_run(connection: Connection, flow: FlowDefinition, run: FlowRunSnapshot) -> None:
    """Write one flow run that no process executes yet; nothing if it is there."""
    _define(connection, Batch(attempts={}, flows=[flow]))
    _UPSERT_FLOW_RUN.run(connection, [_flow_run_row(run)])


def _split(batch: Batch) -> Iterator[Batch]:
    """Split a very large batch into transactions: what others rest on first, flow runs last."""
    blobs = list(_split_blobs(batch.blobs))
    if len(batch.task_runs) <= _MOST_TASK_RUNS and len(batch.logs) <= _MOST_LOGS and len(blobs) <= 1:
        yield batch
        return
    for some in blobs:
        yield Batch(
            attempts=batch.attempts,
            recorded=batch.recorded,
            process_id=batch.process_id,
            process=batch.process,
            blobs=some,
        )
    task_runs, logs = iter(batch.task_runs), iter(batch.logs)
    while True:
        some, lines = list(islice(task_runs, _MOST_TASK_RUNS)), list(islice(logs, _MOST_LOGS))
        if not some and not lines:
            break
        yield Batch(
            attempts=batch.attempts,
            recorded=batch.recorded,
            process_id=batch.process_id,
            process=batch.process,
            tasks=batch.tasks,
            flows=batch.flows,
            task_runs=some,
            logs=lines,
        )
    yield msgspec.structs.replace(batch, task_runs=[], logs=[], blobs=[])


def _split_blobs(blobs: list[ResultBlob]) -> Iterator[list[ResultBlob]]:
    some: list[ResultBlob] = []
    size = 0
    for blob in blobs:
        if some and size + len(blob.data) > _MOST_BLOB_BYTES:
            yield some
            some, size = [], 0
        some.append(blob)
        size += len(blob.data)
    if some:
        yield some


def _apply(writer: Writer, connection: Connection, batch: Batch, tasks: dict[int, int], now: int) -> Receipt:
    """Apply what goes into one transaction; puts into `tasks` what the writer may remember once it is
    committed."""
    receipt, alone = _look_at_roots(connection, batch)
    receipt.lease = writer.lease / 1e6
    receipt.limited_tags = writer.limited_tags(connection, now)
    if receipt.fenced:
        batch = _without(batch, set(receipt.fenced))
    _define(connection, batch)
    if batch.flow_runs:
        _UPSERT_FLOW_RUN.run(connection, [_flow_run_row(run) for run in batch.flow_runs])
        ended = [run.id for run in batch.flow_runs if run.id == run.root_run_id and run.state_type >= _COMPLETED]
        if ended:
            recovery.close_claims(connection, ended)
        suspended = [run.id for run in batch.flow_runs if _is_suspended_root(run)]
        if suspended:
            pauses.let_go(connection, suspended, now)
    if batch.blobs:
        _INSERT_BLOB.run(connection, [(blob.id, blob.root_run_id, blob.data) for blob in batch.blobs])
    if batch.task_runs:
        tasks.update(hot_rows.write_task_runs(connection, batch, writer.task_numbers))
        if alone:
            background.close_ended(connection, batch)
    if batch.logs:
        hot_rows.write_logs(connection, batch.logs)
    if batch.artifacts:
        _UPSERT_ARTIFACT.run(connection, [_artifact_row(artifact) for artifact in batch.artifacts])
    if batch.superseded:
        _supersede(connection, batch.superseded, receipt.fenced)
    # Last: what the batch itself says of runs that were thought to be lost is newer than what stands there.
    _note_process(writer, connection, batch, now)
    return receipt


def request_task(writer: Writer, asked: RequestTask, now: int) -> bool:
    """Keep a task run for whoever serves its task, with its record. False: it was asked for before."""

    def work(connection: Connection) -> bool:
        _restore(writer, connection, now)
        new = background.request(connection, asked)
        if new:
            _apply(writer, connection, background.batch_of(asked), {}, now)
        return new

    return writer.database.write(work, durable=True, repeatable=True)


# --- fencing


def _look_at_roots(connection: Connection, batch: Batch) -> tuple[Receipt, bool]:
    """Find the roots whose attempt has moved on or that were deleted, and those that somebody wants
    cancelled; and whether any is a task run in the background.

    Their rows are locked, in the order of their ids: opening an attempt changes the same row, so it comes before all
    that this transaction writes, or after it.
    """
    receipt = Receipt()
    missing = set(batch.recorded)
    others = set(batch.attempts)
    for texts, ids in in_chunks(sorted(batch.attempts)):
        look = (
            "SELECT id, attempt, cancel_requested, state_type,"
            " (SELECT suspend FROM pause_wish WHERE root_run_id = flow_run.id)"
            f" FROM flow_run WHERE id IN ({texts}) ORDER BY id"
        )
        for id, attempt, wanted, state_type, suspend in connection.execute(locking(connection, look), ids):
            missing.discard(id)
            others.discard(id)
            if attempt > batch.attempts[id]:
                receipt.fenced.append(id)
            elif wanted is not None and state_type < _CANCELLING:
                receipt.cancel.append(id)
            elif suspend is not None:
                (receipt.suspend if suspend else receipt.pause).append(id)
    receipt.fenced.extend(missing)
    in_background = background.attempts_of(connection, list(others - missing)) if others else {}
    receipt.fenced.extend(id for id, attempt in in_background.items() if attempt > batch.attempts[id])
    return receipt, bool(in_background)


def _without(batch: Batch, fenced: set[bytes]) -> Batch:
    return msgspec.structs.replace(
        batch,
        flow_runs=[run for run in batch.flow_runs if run.root_run_id not in fenced],
        task_runs=[run for run in batch.task_runs if run.root_run_id not in fenced],
        logs=[line for line in batch.logs if line.root_run_id not in fenced],
        artifacts=[artifact for artifact in batch.artifacts if artifact.root_run_id not in fenced],
        blobs=[blob for blob in batch.blobs if blob.root_run_id not in fenced],
    )


# --- what rows rest on


def _define(connection: Connection, batch: Batch) -> None:
    """Insert definitions that are new, in one order everywhere, so that no two wait for each other."""
    if batch.flows:
        _INSERT_FLOW.run(
            connection,
            [
                (flow.id, flow.name, flow.version, flow.source_hash, flow.description)
                for flow in sorted(batch.flows, key=_by_id)
            ],
        )
    tasks = _new_tasks(connection, batch.tasks)
    if tasks:
        _INSERT_TASK.run(
            connection,
            [
                (task.id, task.key, task.name, task.version, task.source_hash, pack_tags(task.tags))
                for task in sorted(tasks, key=_by_id)
            ],
        )


def _new_tasks(connection: Connection, tasks: list[TaskDefinition]) -> list[TaskDefinition]:
    """Return those that are not there yet, where that matters: PostgreSQL takes a number for each row that it is given,
    and each process gives it all of its tasks."""
    if connection.dialect == "sqlite":
        return tasks
    known: set[int] = set()
    for texts, ids in in_chunks([task.id for task in tasks]):
        known.update(row[0] for row in connection.execute(f"SELECT id FROM task WHERE id IN ({texts})", ids))
    return [task for task in tasks if task.id not in known]


def _note_process(writer: Writer, connection: Connection, batch: Batch, now: int) -> None:
    """Note that the process lives, with its first batch and then now and then."""
    id = batch.process_id
    if id is None:
        return
    if batch.process is not None:
        contact.register(connection, batch.process, writer.lease, now)
    elif now - writer.last_seen(id) > writer.seen_every:
        contact.note(connection, id, now)
    else:
        return
    writer.seen(id, now)


# --- rows


def _by_id(definition: FlowDefinition | TaskDefinition) -> int:
    return definition.id


def _is_suspended_root(run: FlowRunSnapshot) -> bool:
    return run.id == run.root_run_id and run.state_type == _PAUSED and run.state_name == pauses.SUSPENDED


def _flow_run_row(run: FlowRunSnapshot) -> tuple[Any, ...]:
    return (
        run.id,
        _unless(run.root_run_id, run.id),
        run.parent_flow_run_id,
        run.parent_task_run_id,
        run.flow_id,
        run.name,
        run.attempt,
        run.version,
        run.run_count,
        run.state_type,
        run.state_name,
        run.start_time,
        run.end_time,
        run.process_id,
        run.forked_from,
        pack_tags(run.tags),
        None if run.entry is None else _encode(run.entry),
        run.extra,
        run.parameters_text,
        run.parameters,
        run.result,
        run.states,
    )


def _artifact_row(artifact: ArtifactRecord) -> tuple[Any, ...]:
    return (
        artifact.id,
        artifact.type,
        artifact.key,
        artifact.description,
        artifact.root_run_id,
        artifact.flow_run_id,
        artifact.task_run_id,
        artifact.created,
        artifact.updated,
        artifact.data,
    )


def _supersede(connection: Connection, ids: list[bytes], fenced: list[bytes]) -> None:
    """Note on task runs of earlier runs of a body that the one that ended did not come to them again."""
    spared = f" AND root.id NOT IN ({','.join('?' * len(fenced))})" if fenced else ""
    for texts, chunk in in_chunks(ids):
        connection.execute(
            "UPDATE task_run SET superseded = root.attempt FROM flow_run AS owner, flow_run AS root"
            f" WHERE task_run.id IN ({texts}) AND owner.number = task_run.flow_run"
            f" AND root.id = coalesce(owner.root_run_id, owner.id){spared}",
            [*chunk, *fenced],
        )


def pack_tags(tags: tuple[str, ...]) -> str | None:
    """Return tags as they stand in a row."""
    return _json(storable(tags)).decode() if tags else None


def _unless(value: bytes | None, other: bytes) -> bytes | None:
    return None if value == other else value
