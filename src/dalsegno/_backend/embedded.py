"""The backend over the store in this process: each operation is one call of the store in one transaction."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

from dalsegno._backend.embedded_deployments import DeploymentOperations
from dalsegno._store import (
    apply,
    artifacts,
    attempts,
    background,
    cache,
    changes,
    crashes,
    inputs,
    leases,
    limits,
    logs,
    pauses,
    queries,
    queue,
    replay,
    retention,
    slots,
    variables,
    work,
)
from dalsegno._store.connection import Database
from dalsegno._store.opening import open_database
from dalsegno._store.sqlite.database import BUSY_TIMEOUT, SqliteDatabase
from dalsegno.model.background import ClaimedTask, ClaimTasks, HeldTasks, RequestTask
from dalsegno.model.limits import (
    AcquireSlots,
    LimitChange,
    LimitKind,
    LimitView,
    NewLimit,
    SlotAnswer,
    SlotHolderView,
)
from dalsegno.model.pauses import BeginPause, InputView, PauseView, ResumedRun, ResumeRun, SendInput, TakeInput
from dalsegno.model.queue import ClaimedRun, ClaimRuns, RequestRun
from dalsegno.model.records import Batch, Receipt
from dalsegno.model.views import (
    ArtifactView,
    CacheEntry,
    FlowRunView,
    FlowView,
    LogView,
    OpenedRun,
    OpenRun,
    Page,
    ReplayEntry,
    RunFilter,
    TaskRunView,
    VariableView,
)

_DAY = 86_400.0


class StoreBackend(DeploymentOperations):
    """Keeps the records in a database. What the methods do stands in `dalsegno._backend.protocol`."""

    spools = False

    def __init__(
        self,
        database: Database,
        *,
        runs_age: float | None = 90 * _DAY,
        logs_age: float | None = 30 * _DAY,
        lease: float = leases.DEFAULT_LENGTH / 1e6,
        late_after: float = 15.0,
    ) -> None:
        self.database = database
        self.lease = round(lease * 1e6)
        self._runs_age = runs_age
        self._logs_age = logs_age
        self._late_after = late_after
        self._writer = apply.Writer(self.database, self.lease)
        self.on_delivered: Callable[[Batch, Receipt], None] | None = None
        """Is told of each batch that was applied."""

    @classmethod
    def open(
        cls,
        url: str,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        allow_network_file_system: bool = False,
        pgbouncer: bool = False,
        listen_url: str | None = None,
        runs_age: float | None = 90 * _DAY,
        logs_age: float | None = 30 * _DAY,
        lease: float = leases.DEFAULT_LENGTH / 1e6,
        late_after: float = 15.0,
        upgrade: bool = False,
    ) -> StoreBackend:
        """Return a backend over the database of a URL; PostgreSQL's tables are made and changed only with `upgrade`."""
        database = open_database(
            url,
            busy_timeout=busy_timeout,
            allow_network_file_system=allow_network_file_system,
            pgbouncer=pgbouncer,
            listen_url=listen_url,
            upgrade=upgrade,
        )
        return cls(database, runs_age=runs_age, logs_age=logs_age, lease=lease, late_after=late_after)

    @classmethod
    def in_file(cls, path: str, **options: Any) -> StoreBackend:
        """Return a backend over an SQLite file, which is made if it is not there; `options` are those of `open`."""
        return cls.open(f"sqlite:///{path}", **options)

    @classmethod
    def in_memory(cls) -> StoreBackend:
        """Return a backend over an empty database that is gone when it is closed; for tests."""
        # A file, for memory that several connections share has locks that make readers fail. It is never
        # synced.
        folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        handle, path = tempfile.mkstemp(prefix="dalsegno-", suffix=".db", dir=folder)
        os.close(handle)
        return cls(SqliteDatabase(path, temporary=True), runs_age=None, logs_age=None)

    @property
    def url(self) -> str:
        return self.database.url

    # --- the upward stream

    def deliver(self, batch: Batch) -> Receipt:
        receipt = apply.deliver(self._writer, batch, self.database.now())
        self.database.announce(changes.of_batch(batch))
        if self.on_delivered is not None:
            self.on_delivered(batch, receipt)
        return receipt

    def heartbeat(self, process_id: bytes, attempts: dict[bytes, int]) -> Receipt:
        return apply.heartbeat(self._writer, process_id, attempts, self.database.now())

    def end_process(self, process_id: bytes) -> None:
        now = self.database.now()
        self.database.write(lambda connection: queue.end_process(connection, process_id, now))

    # --- picking up

    def open_run(self, request: OpenRun) -> OpenedRun:
        now = self.database.now()
        opened = self.database.write(
            lambda connection: attempts.open_run(connection, request, now, self.lease), express=True, repeatable=True
        )
        self._announce("flow_run", request.flow_run_id)
        return opened

    def replay_entries(self, root_run_id: bytes, after: bytes | None, limit: int) -> list[ReplayEntry]:
        return self.database.read(lambda connection: replay.replay_entries(connection, root_run_id, after, limit))

    def read_results(self, task_run_ids: list[bytes]) -> dict[bytes, bytes]:
        return self.database.read(lambda connection: replay.read_results(connection, task_run_ids))

    def read_blob(self, id: bytes) -> bytes | None:
        return self.database.read(lambda connection: replay.read_blob(connection, id))

    # --- caching across runs

    def find_cached(self, key: str) -> CacheEntry | None:
        now = self.database.now()
        return self.database.read(lambda connection: cache.find_cached(connection, key, now))

    def put_cached(self, entry: CacheEntry, data: bytes | None = None) -> None:
        self.database.write(lambda connection: cache.put_cached(connection, entry, data))

    # --- wishes

    def request_cancel(self, flow_run_id: bytes) -> bool:
        now = self.database.now()
        wanted = self.database.write(lambda connection: attempts.request_cancel(connection, flow_run_id, now))
        self._announce("flow_run")
        if wanted:
            self.database.announce_wish()
        return wanted

    def set_task_result(self, task_run_id: bytes, result: bytes, message: str) -> None:
        now = self.database.now()
        self.database.write(lambda connection: attempts.set_task_result(connection, task_run_id, result, message, now))
        self._announce("task_run")

    def delete_flow_run(self, flow_run_id: bytes) -> bool:
        done = retention.delete_flow_run(self.database, flow_run_id, self.database.now())
        self._announce("flow_run", flow_run_id)
        self.database.announce_wish()
        return done

    # --- the queue

    def request_run(self, request: RequestRun) -> bool:
        now = self.database.now()
        done = self.database.write(lambda connection: queue.request(connection, request, now), repeatable=True)
        self.database.announce(changes.Changes(frozenset({"flow_run", "ready"}), frozenset({request.flow_run_id})))
        return done

    def set_priority(self, flow_run_id: bytes, priority: int) -> bool:
        return self.database.write(lambda connection: queue.set_priority(connection, flow_run_id, priority))

    def claim_runs(self, request: ClaimRuns) -> list[ClaimedRun]:
        now = self.database.now()
        claimed = self.database.write(
            lambda connection: queue.claim(connection, request, self.lease, now), express=True
        )
        if claimed:
            self._announce("flow_run")
        return claimed

    def look_for_work(self, request: ClaimRuns) -> work.Waiting:
        """Tell whether runs for such a claim wait, or when the next one will."""
        now = self.database.now()
        return self.database.read(lambda connection: work.look(connection, request, now))

    def wait_for_work(self, request: ClaimRuns, token: Any, timeout: float) -> Any:
        give_up = time.monotonic() + timeout
        pause = 0.0
        while True:
            newer = self.database.wait_for_change(token, pause)
            waiting = self.look_for_work(request)
            left = give_up - time.monotonic()
            if left <= 0 or (waiting.now if newer != token else pause > 0):
                return newer
            token, pause = newer, waiting.pause(left)

    def renew_leases(self, process_id: bytes, held: dict[bytes, int]) -> Receipt:
        now = self.database.now()
        receipt = self.database.write(
            lambda connection: queue.renew(connection, process_id, held, now), express=True, repeatable=True
        )
        receipt.lease = self.lease / 1e6
        return receipt

    def give_back(self, held: dict[bytes, int]) -> int:
        now = self.database.now()
        count = self.database.write(lambda connection: queue.give_back(connection, held, now))
        self._announce("flow_run")
        return count

    def crash_attempt(self, flow_run_id: bytes, attempt: int, message: str) -> bool:
        now = self.database.now()
        done = self.database.write(
            lambda connection: queue.crash_attempt(connection, flow_run_id, attempt, message, now)
        )
        self._announce("flow_run", flow_run_id)
        return done

    def tend(self) -> float | None:
        from dalsegno._services import reaper, scheduler

        now = self.database.now()
        reaper.tick(self.database, self.lease, now)
        more = scheduler.tick(self.database, self._late_after, now)
        return 0.0 if more else scheduler.INTERVAL

    # --- tasks in the background

    def request_task(self, request: RequestTask) -> bool:
        done = apply.request_task(self._writer, request, self.database.now())
        self._announce("task_run", request.snapshot.id)
        return done

    def claim_tasks(self, request: ClaimTasks) -> list[ClaimedTask]:
        # Whoever serves asks after each change: looking costs no turn at writing.
        if not self.database.read(lambda connection: background.any_waiting(connection, request)):
            return []
        now = self.database.now()
        claimed = self.database.write(
            lambda connection: background.claim(connection, request, self.lease, now), express=True
        )
        if claimed:
            self._announce("task_run")
        return claimed

    def renew_tasks(self, process_id: bytes, held: dict[bytes, int]) -> HeldTasks:
        now = self.database.now()
        answer = self.database.write(
            lambda connection: background.renew(connection, process_id, held, now), express=True, repeatable=True
        )
        answer.lease = self.lease / 1e6
        return answer

    def give_back_tasks(self, held: dict[bytes, int]) -> int:
        now = self.database.now()
        count = self.database.write(lambda connection: background.give_back(connection, held, now))
        self._announce("task_run")
        return count

    # --- pauses and inputs

    def begin_pause(self, pause: BeginPause) -> PauseView:
        now = self.database.now()
        return self.database.write(lambda connection: pauses.begin(connection, pause, now), repeatable=True)

    def read_pause(self, id: bytes) -> PauseView | None:
        now = self.database.now()
        return self.database.read(lambda connection: pauses.read(connection, id, now))

    def list_pauses(self, root_run_id: bytes) -> list[PauseView]:
        now = self.database.now()
        return self.database.read(lambda connection: pauses.open_pauses(connection, root_run_id, now))

    def request_pause(self, flow_run_id: bytes, suspend: bool) -> bool:
        now = self.database.now()
        done = self.database.write(lambda connection: pauses.ask(connection, flow_run_id, now, suspend=suspend))
        self._announce("flow_run", flow_run_id)
        self.database.announce_wish()
        return done

    def resume_run(self, request: ResumeRun) -> ResumedRun:
        now = self.database.now()
        resumed = self.database.write(lambda connection: pauses.resume(connection, request, now), durable=True)
        self._announce("flow_run", resumed.root_run_id)
        self.database.announce_wish()
        return resumed

    def send_input(self, message: SendInput) -> bool:
        now = self.database.now()
        done = self.database.write(
            lambda connection: inputs.send(connection, message, now), durable=True, repeatable=True
        )
        self._announce("input")
        return done

    def take_input(self, request: TakeInput) -> InputView | None:
        # Whoever waits asks after each change: looking costs no turn at writing.
        if self.database.read(lambda connection: inputs.find(connection, request)) is None:
            return None
        return self.database.write(lambda connection: inputs.take(connection, request), repeatable=True)

    # --- concurrency

    def acquire_slots(self, request: AcquireSlots) -> SlotAnswer:
        now = self.database.now()
        return slots.acquire(self.database, request, now)

    def release_slots(self, ids: list[bytes]) -> None:
        self.database.write(lambda connection: slots.release(connection, ids), express=True, repeatable=True)
        self._announce("slot")

    def renew_slots(self, ids: list[bytes]) -> list[bytes]:
        now = self.database.now()
        return self.database.write(lambda connection: slots.renew(connection, ids, now), express=True, repeatable=True)

    def limited_tags(self) -> list[str]:
        return self.database.read(limits.limited_tags)

    def create_limit(self, limit: NewLimit) -> LimitView:
        now = self.database.now()
        return self.database.write(lambda connection: limits.create(connection, limit, now))

    def update_limit(self, id: bytes, change: LimitChange) -> LimitView:
        now = self.database.now()
        return self.database.write(lambda connection: limits.update(connection, id, change, now))

    def delete_limit(self, id: bytes) -> bool:
        return self.database.write(lambda connection: limits.delete(connection, id))

    def reset_limit(self, id: bytes) -> int:
        return self.database.write(lambda connection: limits.reset(connection, id))

    def read_limit(self, id: bytes) -> LimitView:
        return self.database.read(lambda connection: limits.read(connection, id))

    def find_limit(self, kind: LimitKind, name: str) -> LimitView | None:
        return self.database.read(lambda connection: limits.find(connection, kind, name))

    def list_limits(self, kind: LimitKind, page_after: str | None, limit: int) -> list[LimitView]:
        return self.database.read(lambda connection: limits.list_page(connection, kind, page_after, limit))

    def list_slot_holders(self, limit_id: bytes, after: bytes | None, limit: int) -> list[SlotHolderView]:
        return self.database.read(lambda connection: limits.holders(connection, limit_id, after, limit))

    # --- reading

    def read_flow_run(self, id: bytes) -> FlowRunView | None:
        return self.database.read(lambda connection: queries.read_flow_run(connection, id))

    def read_task_run(self, id: bytes) -> TaskRunView | None:
        return self.database.read(lambda connection: queries.read_task_run(connection, id))

    def list_flow_runs(self, filter: RunFilter, page: Page) -> list[FlowRunView]:
        return self.database.read(lambda connection: queries.list_flow_runs(connection, filter, page))

    def list_task_runs(self, filter: RunFilter, page: Page) -> list[TaskRunView]:
        return self.database.read(lambda connection: queries.list_task_runs(connection, filter, page))

    def count_task_runs(self, filter: RunFilter) -> dict[str, int]:
        return self.database.read(lambda connection: queries.count_task_runs(connection, filter))

    def list_logs(
        self,
        *,
        flow_run_id: bytes | None = None,
        task_run_id: bytes | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 200,
        newest_first: bool = False,
        min_level: int = 0,
    ) -> list[LogView]:
        return self.database.read(
            lambda connection: logs.list_logs(
                connection,
                flow_run_id=flow_run_id,
                task_run_id=task_run_id,
                after=after,
                limit=limit,
                newest_first=newest_first,
                min_level=min_level,
            )
        )

    def list_flows(self, page: Page) -> list[FlowView]:
        """Return a page of flows by name; `page.after` is the last name, as UTF-8."""
        after = None if page.after is None else page.after.decode(errors="replace")
        return self.database.read(lambda connection: queries.list_flows(connection, after, page.limit))

    def list_artifacts(
        self,
        *,
        key: str | None = None,
        flow_run_id: bytes | None = None,
        task_run_id: bytes | None = None,
        latest_only: bool = False,
        page: Page,
    ) -> list[ArtifactView]:
        return self.database.read(
            lambda connection: artifacts.list_artifacts(
                connection,
                key=key,
                flow_run_id=flow_run_id,
                task_run_id=task_run_id,
                latest_only=latest_only,
                page=page,
            )
        )

    def read_artifact(self, id: bytes) -> ArtifactView | None:
        return self.database.read(lambda connection: artifacts.read_artifact(connection, id))

    def update_artifact(self, id: bytes, data: str, description: str | None, now: int) -> bool:
        done = self.database.write(lambda connection: artifacts.update_artifact(connection, id, data, description, now))
        self._announce("artifact")
        return done

    def change_token(self) -> Any:
        return self.database.change_token()

    def wait_for_change(self, token: Any, timeout: float) -> Any:
        return self.database.wait_for_change(token, timeout)

    def wait_for_wish(self, process_id: bytes, timeout: float) -> bool:
        return self.database.wait_for_wish(timeout)

    # --- variables

    def get_variable(self, name: str) -> VariableView | None:
        return self.database.read(lambda connection: variables.get_variable(connection, name))

    def set_variable(self, variable: VariableView, overwrite: bool) -> bool:
        done = self.database.write(lambda connection: variables.set_variable(connection, variable, overwrite=overwrite))
        self._announce("variable")
        return done

    def unset_variable(self, name: str) -> bool:
        done = self.database.write(lambda connection: variables.unset_variable(connection, name))
        self._announce("variable")
        return done

    def list_variables(self, page_after: str | None, limit: int) -> list[VariableView]:
        return self.database.read(lambda connection: variables.list_variables(connection, page_after, limit))

    # --- house-keeping

    def find_crashed(self) -> int:
        now = self.database.now()
        found = crashes.find_crashed(self.database, now) + crashes.find_idle_claims(self.database, now)
        found += pauses.expire(self.database, now)
        if found:
            self._announce("flow_run")
            # If one was only thought to be gone, it corrects that; and the sockets of the others are removed.
            self.database.announce_wish()
        return found

    def clean_up(self) -> int:
        return retention.clean_up(self.database, self.database.now(), self._runs_age, self._logs_age)

    def close(self) -> None:
        self.database.close()

    def _announce(self, kind: str, root_run_id: bytes | None = None) -> None:
        roots = None if root_run_id is None else frozenset({root_run_id})
        self.database.announce(changes.Changes(frozenset({kind}), roots))
