"""`dalsegno flow-run export`: writes one root flow run into a file, with all that belongs to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from dalsegno.cli import run_file, times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.listing import pages
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget
from dalsegno.exceptions import MissingResult, StorageError
from dalsegno.model.ids import id_text, id_time
from dalsegno.model.records import (
    ArtifactRecord,
    Batch,
    FlowDefinition,
    FlowRunSnapshot,
    LogRecord,
    ProcessRecord,
    ResultBlob,
    TaskDefinition,
    TaskRunSnapshot,
    default_task_run_name,
    pack_extra,
    pack_upstream,
)
from dalsegno.model.results import pack_stored, unpack_stored
from dalsegno.model.states import DEFAULT_NAMES, STATE_CODES, TERMINAL_TYPES, StateRecord, pack_states
from dalsegno.model.views import FlowRunView, RunFilter, TaskRunView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

_MB = 1_000_000
_MOST_TASK_RUNS = 500
_MOST_BLOB_BYTES = 8 << 20
_MOST_LOGS = 2000
_VERSION = 1
"""Of the snapshots: each is the first that the other database sees."""


def export(
    run: FlowRunTarget,
    file: Annotated[Path, Parameter(help="The file to write.")],
    /,
    *,
    file_limit: Annotated[int, Parameter(help="Megabytes up to which a result that lies in a file is included.")] = 32,
    force: Annotated[bool, Parameter(name="--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a flow run that has ended into a file, to inspect and retry it elsewhere after `flow-run import`."""
    if file.exists() and not force:
        raise CommandError(f"There is a file {file} already; --force overwrites it.")
    backend = open_backend()
    root = _root_of(backend, find_flow_run(backend, run))
    collected = Collector(backend, root, file_limit * _MB)
    header = run_file.Header(
        format=run_file.FORMAT,
        dalsegno=metadata.version("dalsegno"),
        exported=times.now(),
        root_run_id=root.id,
        name=root.name,
        flow_name=root.flow_name,
    )
    size = run_file.write(file.expanduser().absolute(), header, collected.batches())
    print(
        f"Flow run {root.name!r} ({id_text(root.id)}) is in {file}: {collected.flow_runs} flow runs, "
        f"{collected.task_runs} task runs, {collected.logs} log lines, {collected.artifacts} artifacts, {size:,} bytes."
    )
    for line in collected.notes():
        print(line)


def _root_of(backend: Backend, found: FlowRunView) -> FlowRunView:
    root = found if found.id == found.root_run_id else backend.read_flow_run(found.root_run_id)
    if root is None:
        raise CommandError(f"Flow run {found.name!r} was called by a task outside flows; only whole flow runs go.")
    if root.state.type not in TERMINAL_TYPES:
        raise CommandError(
            f"Flow run {root.name!r} is {root.state.name}: export it when it has ended "
            f"(`dalsegno flow-run watch {id_text(root.id)}` waits for that)."
        )
    return root


class Collector:
    """Reads what belongs to a root run, through what every backend can be asked, and makes batches of it."""

    def __init__(self, backend: Backend, root: FlowRunView, file_limit: int) -> None:
        self._backend = backend
        self._root = root
        self._file_limit = file_limit
        self._attempts = {root.id: root.attempt}
        self._superseded: list[bytes] = []
        self._signed = 0
        self._left_out: list[str] = []
        self.flow_runs = self.task_runs = self.logs = self.artifacts = 0

    def batches(self) -> Iterator[Batch]:
        """Yield batches: what others rest on first, flow runs last."""
        mine = RunFilter(root_run_ids=[self._root.id])
        listed = list(pages(lambda page: self._backend.list_flow_runs(mine, page), None, oldest_first=True))
        yield from self._task_run_batches()
        yield from self._log_batches()
        for run in listed:
            yield from self._artifact_batches(run.id)
        yield from self._flow_run_batches([run.id for run in listed])

    def notes(self) -> list[str]:
        """Say what whoever takes the file elsewhere has to know."""
        said = list(self._left_out)
        if self._root.forked_from is not None:
            said.append(f"It started from flow run {id_text(self._root.forked_from)}, which is not in the file.")
        if self._signed:
            said.append(
                f"{self._signed} results are signed pickles: they can be loaded only where the key is that signed them."
            )
        return said

    def _batch(self, **records: Any) -> Batch:
        return Batch(attempts=self._attempts, **records)

    def _task_run_batches(self) -> Iterator[Batch]:
        mine = RunFilter(root_run_ids=[self._root.id])
        tasks: dict[int, TaskDefinition] = {}
        runs: list[TaskRunSnapshot] = []
        blobs: list[ResultBlob] = []
        for listed in pages(lambda page: self._backend.list_task_runs(mine, page), None, oldest_first=True):
            view = self._backend.read_task_run(listed.id)
            if view is None:
                raise CommandError(f"Flow run {self._root.name!r} is being deleted.")
            definition = _task_definition(view)
            tasks[definition.id] = definition
            runs.append(self._task_run(view, definition.id, blobs))
            if len(runs) >= _MOST_TASK_RUNS or sum(len(blob.data) for blob in blobs) > _MOST_BLOB_BYTES:
                yield self._batch(tasks=list(tasks.values()), task_runs=runs, blobs=blobs)
                runs, blobs = [], []
        if runs:
            yield self._batch(tasks=list(tasks.values()), task_runs=runs, blobs=blobs)

    def _task_run(self, view: TaskRunView, task_id: int, blobs: list[ResultBlob]) -> TaskRunSnapshot:
        self.task_runs += 1
        if view.superseded_by is not None:
            self._superseded.append(view.id)
        default = default_task_run_name(view.task_name, view.id)
        return TaskRunSnapshot(
            id=view.id,
            root_run_id=view.root_run_id,
            flow_run_id=view.flow_run_id,
            parent_task_run_id=view.parent_task_run_id,
            task_id=task_id,
            attempt=view.attempt,
            version=_VERSION,
            run_count=view.run_count,
            name=None if view.name == default else view.name,
            fingerprint=view.fingerprint,
            state_type=STATE_CODES[view.state.type],
            state_name=_state_name(view.state),
            states=_states(view.states or [view.state], view.id),
            start_time=view.start_time,
            end_time=view.end_time,
            result=self._result(view.result, f"task run {view.name!r}", blobs),
            upstream=pack_upstream(view.upstream),
            child_flow_run_id=view.child_flow_run_id,
            extra=pack_extra(view.extra),
        )

    def _log_batches(self) -> Iterator[Batch]:
        after: tuple[int, int] | None = None
        while lines := self._backend.list_logs(flow_run_id=self._root.id, after=after, limit=_MOST_LOGS):
            self.logs += len(lines)
            yield self._batch(
                logs=[
                    LogRecord(
                        root_run_id=self._root.id,
                        timestamp=line.timestamp,
                        nonce=line.nonce,
                        flow_run_id=line.flow_run_id,
                        task_run_id=line.task_run_id,
                        level=line.level,
                        logger=line.logger,
                        message=line.message,
                    )
                    for line in lines
                ]
            )
            after = lines[-1].timestamp, lines[-1].nonce

    def _artifact_batches(self, flow_run_id: bytes) -> Iterator[Batch]:
        for view in pages(lambda page: self._backend.list_artifacts(flow_run_id=flow_run_id, page=page), None):
            self.artifacts += 1
            fields = msgspec.structs.asdict(view)
            yield self._batch(artifacts=[ArtifactRecord(root_run_id=self._root.id, **fields)])

    def _flow_run_batches(self, ids: list[bytes]) -> Iterator[Batch]:
        flows: dict[int, FlowDefinition] = {}
        processes: dict[bytes, ProcessRecord] = {}
        runs: list[FlowRunSnapshot] = []
        blobs: list[ResultBlob] = []
        for id in ids:
            view = self._backend.read_flow_run(id)
            if view is None:
                raise CommandError(f"Flow run {self._root.name!r} is being deleted.")
            definition = _flow_definition(view)
            flows[definition.id] = definition
            process = None if view.process is None else self._process(view.process)
            if process is not None:
                processes[process.id] = process
            runs.append(self._flow_run(view, definition.id, process, blobs))
            if sum(len(blob.data) for blob in blobs) > _MOST_BLOB_BYTES:
                yield self._batch(blobs=blobs)
                blobs = []
        for process in processes.values():
            yield self._batch(process=process, process_id=process.id)
        yield self._batch(
            flows=list(flows.values()), flow_runs=runs, blobs=blobs, superseded=self._superseded, durable=True
        )

    def _flow_run(
        self, view: FlowRunView, flow_id: int, process: ProcessRecord | None, blobs: list[ResultBlob]
    ) -> FlowRunSnapshot:
        self.flow_runs += 1
        return FlowRunSnapshot(
            id=view.id,
            root_run_id=view.root_run_id,
            parent_flow_run_id=view.parent_flow_run_id,
            parent_task_run_id=view.parent_task_run_id,
            flow_id=flow_id,
            name=view.name,
            attempt=view.attempt,
            version=_VERSION,
            run_count=view.run_count,
            state_type=STATE_CODES[view.state.type],
            state_name=_state_name(view.state),
            states=_states(view.states or [view.state], view.id),
            start_time=view.start_time,
            end_time=view.end_time,
            parameters=self._result(view.parameters, f"the parameters of {view.name!r}", blobs),
            parameters_text=view.parameters_text,
            tags=view.tags,
            result=self._result(view.result, f"flow run {view.name!r}", blobs),
            entry=view.entry,
            process_id=None if process is None else process.id,
            forked_from=view.forked_from,
            extra=pack_extra(view.extra),
        )

    def _process(self, process: ProcessRecord) -> ProcessRecord:
        """Return a process under an id of its own: where the run goes to, it has ended, whatever it does here."""
        id = hashlib.blake2b(self._root.id + process.id, digest_size=16).digest()
        return msgspec.structs.replace(process, id=id)

    def _result(self, packed: bytes | None, whose: str, blobs: list[ResultBlob]) -> bytes | None:
        """Return a packed result as it goes into the file; what lies elsewhere goes along as a row of its own."""
        stored = None if packed is None else unpack_stored(packed)
        if stored is None:
            return packed
        self._signed += stored.signature is not None
        if stored.blob is not None:
            data = self._backend.read_blob(stored.blob)
            if data is None:
                self._left_out.append(f"Left out: the result of {whose}, which is gone.")
            else:
                blobs.append(ResultBlob(stored.blob, self._root.id, data))
        elif stored.url is not None:
            data = self._file(stored.url, stored.size, whose)
            if data is not None:
                blob = hashlib.blake2b(self._root.id + stored.url.encode(), digest_size=16).digest()
                blobs.append(ResultBlob(blob, self._root.id, data))
                return pack_stored(msgspec.structs.replace(stored, blob=blob, url=None))
        return packed

    def _file(self, url: str, size: int, whose: str) -> bytes | None:
        from dalsegno.results.files import hide, read_file

        if size > self._file_limit:
            self._left_out.append(
                f"Left out: the result of {whose}, {size:,} bytes in {hide(url)}; --file-limit includes it."
            )
            return None
        try:
            return read_file(url)
        except (MissingResult, StorageError) as error:
            self._left_out.append(f"Left out: the result of {whose}. {error}")
            return None


def _task_definition(view: TaskRunView) -> TaskDefinition:
    # Of its tags, a run has its own among what is rare; the others are the task's.
    tags = tuple(tag for tag in view.tags if tag not in view.extra.get("tags", ()))
    content = (view.task_key, view.task_name, view.task_version, view.source_hash, tags)
    return TaskDefinition(_id_of(content), *content)


def _flow_definition(view: FlowRunView) -> FlowDefinition:
    content = (view.flow_name, view.flow_version, view.flow_source_hash, None)
    return FlowDefinition(_id_of(content), *content)


def _id_of(content: tuple[Any, ...]) -> int:
    digest = hashlib.blake2b(msgspec.msgpack.encode(content), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _state_name(state: StateRecord) -> str | None:
    return None if state.name == DEFAULT_NAMES[state.type] else state.name


def _states(states: list[StateRecord], id: bytes) -> bytes:
    """Pack a history, each state where it stood."""
    return b"".join(
        pack_states(
            state.attempt,
            state.position,
            id_time(id),
            [(STATE_CODES[state.type], state.timestamp, _state_name(state), state.message, state.details)],
        )
        for state in states
    )
