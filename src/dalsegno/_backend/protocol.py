"""The Backend protocol: all that the engine, the command line and the front rooms ask of what keeps the records.

Every call may block for I/O, is safe from any thread, and raises `dalsegno.exceptions.BackendError` subclasses only.
"""

from __future__ import annotations

from typing import Any, Protocol

from dalsegno.model.background import ClaimedTask, ClaimTasks, HeldTasks, RequestTask
from dalsegno.model.deployments import (
    DeploymentChange,
    DeploymentFilter,
    DeploymentRun,
    DeploymentSpec,
    DeploymentVersion,
    DeploymentView,
    NewSchedule,
    RequestedRun,
    ScheduleView,
    Wait,
)
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
from dalsegno.model.pools import (
    NewPool,
    NewQueue,
    PoolChange,
    PoolView,
    QueueChange,
    QueueView,
    WorkerRecord,
    WorkerView,
)
from dalsegno.model.queue import ClaimedRun, ClaimRuns, RequestRun
from dalsegno.model.records import Batch, Receipt
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.views import (
    ArtifactView,
    CacheEntry,
    FlowRunView,
    FlowView,
    Limit,
    LogView,
    OpenedRun,
    OpenRun,
    Page,
    ReplayEntry,
    RunFilter,
    TaskRunView,
    VariableView,
)


class Backend(Protocol):
    """What the engine and the readers can ask."""

    @property
    def url(self) -> str:
        """What it is connected to, for people: no passwords."""
        ...

    @property
    def spools(self) -> bool:
        """Whether it can be away while runs go on, so that what it cannot take waits on disk."""
        ...

    # --- the upward stream
    def deliver(self, batch: Batch) -> Receipt:
        """Apply a batch in one transaction: insert, or update where (attempt, version) is newer. Idempotent."""
        ...

    def heartbeat(self, process_id: bytes, attempts: dict[bytes, int]) -> Receipt:
        """Say that the process lives; learn what is wanted of the root runs that it executes, each at an attempt.

        Only of those that are recorded: one that is missing counts as deleted, and is fenced.
        """
        ...

    def end_process(self, process_id: bytes) -> None:
        """Say that the process ends in order and executes nothing any more."""
        ...

    # --- picking up
    def open_run(self, request: OpenRun) -> OpenedRun:
        """Open the next attempt of a root flow run, which fences the earlier ones.

        Raises ObjectNotFound, or RunIsAlive while its process lives, or AttemptConflict.
        """
        ...

    def replay_entries(self, root_run_id: bytes, after: bytes | None, limit: Limit) -> list[ReplayEntry]:
        """Return a page of a root run's task runs (nested flows included), oldest id first."""
        ...

    def read_results(self, task_run_ids: list[bytes]) -> dict[bytes, bytes]:
        """Return the packed results of task runs; those without one are left out."""
        ...

    def read_blob(self, id: bytes) -> bytes | None:
        """Return a row of the write-once result table."""
        ...

    # --- caching across runs
    def find_cached(self, key: str) -> CacheEntry | None: ...
    def put_cached(self, entry: CacheEntry, data: bytes | None = None) -> None:
        """Insert or replace an entry; `data` is the blob that its result refers to, if any."""
        ...

    # --- wishes
    def request_cancel(self, flow_run_id: bytes) -> bool:
        """Ask for a live run to be cancelled, or cancel one that nobody executes. False: it had already ended."""
        ...

    def set_task_result(self, task_run_id: bytes, result: bytes, message: str) -> None:
        """Complete a task run by hand with a packed plain result. Raises RunIsAlive or ObjectNotFound."""
        ...

    def delete_flow_run(self, flow_run_id: bytes) -> bool:
        """Delete a run that has ended, with all that belongs to it. Raises RunIsAlive."""
        ...

    # --- the queue
    def request_run(self, request: RequestRun) -> bool:
        """Put a run into the queue. False: it waits there already. Raises ObjectNotFound or RunIsAlive."""
        ...

    def set_priority(self, flow_run_id: bytes, priority: int) -> bool:
        """Change the priority of a run that waits in the queue. False: it does not."""
        ...

    def claim_runs(self, request: ClaimRuns) -> list[ClaimedRun]:
        """Claim runs that wait, under a lease that has to be renewed: the most urgent first."""
        ...

    def wait_for_work(self, request: ClaimRuns, token: Any, timeout: float) -> Any:
        """Wait until there may be runs for such a claim that were not there at the change token `token`.

        For so many seconds at most. Return the token as it is then, for the next wait; None is older than any. Claim
        when it returns, whatever it returns.
        """
        ...

    def renew_leases(self, process_id: bytes, held: dict[bytes, int]) -> Receipt:
        """Renew the leases of claimed runs, each at an attempt, and learn what is wanted of them."""
        ...

    def give_back(self, held: dict[bytes, int]) -> int:
        """Put claimed runs that were not begun back into the queue; return how many."""
        ...

    def crash_attempt(self, flow_run_id: bytes, attempt: int, message: str) -> bool:
        """Call the attempt of a claimed run Crashed, for a reason that is known, and recover it by its policy.

        One that was to be cancelled is called Cancelled, and not recovered. False: that attempt is over already.
        """
        ...

    def tend(self) -> float | None:
        """Do what a server does besides answering (schedules that are due, leases that ended), where none does.

        Returns after how many seconds it is to be done again; None: there is a server that does it.
        """
        ...

    # --- tasks in the background
    def request_task(self, request: RequestTask) -> bool:
        """Keep a task run for whoever serves its task, on disk. False: it was asked for before, and may have ended."""
        ...

    def claim_tasks(self, request: ClaimTasks) -> list[ClaimedTask]:
        """Claim task runs that wait, under a lease that has to be renewed: the earliest first."""
        ...

    def renew_tasks(self, process_id: bytes, held: dict[bytes, int]) -> HeldTasks:
        """Renew the leases of claimed task runs, each at an attempt, and learn which were lost."""
        ...

    def give_back_tasks(self, held: dict[bytes, int]) -> int:
        """Have claimed task runs wait again; return how many. What was done of them is not recorded any more."""
        ...

    # --- deployments
    def apply_deployment(self, spec: DeploymentSpec) -> DeploymentView:
        """Deploy: make a deployment, or bring it to what its code says now, but for what was changed by hand.

        Raises ObjectNotFound for a work pool that is not there, InvalidRequest for what cannot be.
        """
        ...

    def update_deployment(self, id: bytes, change: DeploymentChange) -> DeploymentView:
        """Change a deployment by hand. Raises ObjectNotFound or InvalidRequest."""
        ...

    def roll_back_deployment(self, id: bytes, number: int) -> DeploymentView:
        """Bring a deployment back to a version of it, as a new version. Raises ObjectNotFound."""
        ...

    def delete_deployment(self, id: bytes) -> bool:
        """Delete a deployment; its runs stay, and those that wait are cancelled. False: there is none."""
        ...

    def read_deployment(self, id: bytes) -> DeploymentView:
        """Return a deployment. Raises ObjectNotFound."""
        ...

    def find_deployment(self, flow_name: str, name: str) -> DeploymentView | None: ...
    def list_deployments(self, filter: DeploymentFilter, page: Page) -> list[DeploymentView]: ...
    def list_deployment_versions(self, id: bytes, limit: Limit = 200) -> list[DeploymentVersion]:
        """Return what was deployed, the newest first."""
        ...

    def note_deployment_problem(self, id: bytes, problem: str | None) -> None:
        """Note why the code of a deployment could not be loaded; None: it could."""
        ...

    def request_deployment_run(self, request: DeploymentRun) -> RequestedRun:
        """Ask for a run of a deployment. Raises ObjectNotFound, InvalidParameters or InvalidRequest."""
        ...

    def explain_wait(self, flow_run_id: bytes) -> Wait:
        """Say why a run waits."""
        ...

    # --- schedules
    def create_schedule(self, new: NewSchedule) -> ScheduleView:
        """Make a schedule. Raises ObjectNotFound, ObjectAlreadyExists or InvalidRequest."""
        ...

    def update_schedule(self, id: bytes, spec: ScheduleSpec) -> ScheduleView:
        """Change a schedule. Raises ObjectNotFound, ObjectAlreadyExists or InvalidRequest."""
        ...

    def delete_schedule(self, id: bytes) -> bool:
        """Delete a schedule. False: there is none."""
        ...

    # --- work pools
    def create_pool(self, new: NewPool) -> PoolView:
        """Make a work pool. Raises ObjectAlreadyExists or InvalidRequest."""
        ...

    def update_pool(self, name: str, change: PoolChange) -> PoolView:
        """Change a work pool. Raises ObjectNotFound or InvalidRequest."""
        ...

    def delete_pool(self, name: str) -> bool:
        """Delete a work pool. False: there is none. Raises InvalidRequest while deployments use it."""
        ...

    def find_pool(self, name: str) -> PoolView | None: ...
    def list_pools(self, page_after: str | None, limit: Limit = 200) -> list[PoolView]:
        """Return a page of work pools by name."""
        ...

    def create_queue(self, new: NewQueue) -> QueueView:
        """Make a queue of a pool. Raises ObjectNotFound, ObjectAlreadyExists or InvalidRequest."""
        ...

    def update_queue(self, pool: str, name: str, change: QueueChange) -> QueueView:
        """Change a queue. Raises ObjectNotFound or InvalidRequest."""
        ...

    def delete_queue(self, pool: str, name: str) -> bool:
        """Delete a queue. False: there is none. Raises InvalidRequest while deployments use it."""
        ...

    def list_queues(self, pool: str | None) -> list[QueueView]:
        """Return the queues of a pool, or of all, in the order in which they are served."""
        ...

    # --- workers
    def worker_heartbeat(self, worker: WorkerRecord) -> None:
        """Say that a worker is there. Raises ObjectNotFound if its pool is not."""
        ...

    def worker_gone(self, process_id: bytes) -> None:
        """Say that a worker has ended."""
        ...

    def list_workers(self, pool: str | None) -> list[WorkerView]:
        """Return the workers of a pool, or all, the newest first."""
        ...

    # --- pauses and inputs
    def begin_pause(self, pause: BeginPause) -> PauseView:
        """Note that a run waits for somebody, or for a time; return the pause, which may have been answered.

        Raises ObjectNotFound.
        """
        ...

    def read_pause(self, id: bytes) -> PauseView | None: ...
    def list_pauses(self, root_run_id: bytes) -> list[PauseView]:
        """Return what a root run, and what is nested in it, waits for."""
        ...

    def request_pause(self, flow_run_id: bytes, suspend: bool) -> bool:
        """Ask a live run to pause, or to be suspended, before its next task. False: it waits already.

        Raises ObjectNotFound or StateConflict.
        """
        ...

    def resume_run(self, request: ResumeRun) -> ResumedRun:
        """Have a run that waits go on. Raises ObjectNotFound, StateConflict, or InvalidInput."""
        ...

    def send_input(self, message: SendInput) -> bool:
        """Keep an input for a run. False: it was sent before. Raises ObjectNotFound or StateConflict."""
        ...

    def take_input(self, request: TakeInput) -> InputView | None:
        """Take the oldest input of a run that nobody has taken; None: there is none."""
        ...

    # --- concurrency
    def acquire_slots(self, request: AcquireSlots) -> SlotAnswer:
        """Take slots if nobody came earlier, or keep a place in the line; to be asked again until they are there.

        Raises ConcurrencySlotAcquisitionError where that is no use.
        """
        ...

    def release_slots(self, ids: list[bytes]) -> None:
        """Give slots back, or leave the line."""
        ...

    def renew_slots(self, ids: list[bytes]) -> list[bytes]:
        """Renew the leases of slots; return those of the acquisitions that were lost."""
        ...

    def limited_tags(self) -> list[str]:
        """Return the tags whose task runs need a slot before they start."""
        ...

    def create_limit(self, limit: NewLimit) -> LimitView:
        """Make a limit. Raises ObjectAlreadyExists."""
        ...

    def update_limit(self, id: bytes, change: LimitChange) -> LimitView:
        """Change a limit. Raises ObjectNotFound."""
        ...

    def delete_limit(self, id: bytes) -> bool:
        """Delete a limit. False: there is none."""
        ...

    def reset_limit(self, id: bytes) -> int:
        """Take all slots of a limit from those who hold them; return how many acquisitions those were."""
        ...

    def read_limit(self, id: bytes) -> LimitView:
        """Return a limit. Raises ObjectNotFound."""
        ...

    def find_limit(self, kind: LimitKind, name: str) -> LimitView | None: ...
    def list_limits(self, kind: LimitKind, page_after: str | None, limit: int) -> list[LimitView]:
        """Return a page of limits by name."""
        ...

    def list_slot_holders(self, limit_id: bytes, after: bytes | None, limit: int) -> list[SlotHolderView]:
        """Return a page of those who hold slots of a limit."""
        ...

    # --- reading
    def read_flow_run(self, id: bytes) -> FlowRunView | None: ...
    def read_task_run(self, id: bytes) -> TaskRunView | None: ...
    def list_flow_runs(self, filter: RunFilter, page: Page) -> list[FlowRunView]: ...
    def list_task_runs(self, filter: RunFilter, page: Page) -> list[TaskRunView]: ...
    def count_task_runs(self, filter: RunFilter) -> dict[str, int]:
        """Return state name to number of task runs."""
        ...

    def list_logs(
        self,
        *,
        flow_run_id: bytes | None = None,
        task_run_id: bytes | None = None,
        after: tuple[int, int] | None = None,
        limit: Limit = 200,
        newest_first: bool = False,
        min_level: int = 0,
    ) -> list[LogView]:
        """Return log lines of a flow run (its nested flow runs' and tasks' included) or of a task run."""
        ...

    def list_flows(self, page: Page) -> list[FlowView]: ...
    def list_artifacts(
        self,
        *,
        key: str | None = None,
        flow_run_id: bytes | None = None,
        task_run_id: bytes | None = None,
        latest_only: bool = False,
        page: Page,
    ) -> list[ArtifactView]: ...
    def read_artifact(self, id: bytes) -> ArtifactView | None: ...
    def update_artifact(self, id: bytes, data: str, description: str | None, now: int) -> bool:
        """Change an artifact in place (progress). False: there is none."""
        ...

    def change_token(self) -> Any:
        """Return a value that differs from the last one if anything may have been written since: cheap to poll."""
        ...

    def wait_for_change(self, token: Any, timeout: float) -> Any:
        """Wait until the change token differs from `token`, for so many seconds at most; return it as it is then.

        Without anything to see it may come back early, with the same token or another.
        """
        ...

    def wait_for_wish(self, process_id: bytes, timeout: float) -> bool:
        """Wait until somebody may want something of the runs of a process: then `heartbeat` tells what.

        False: nobody did in so many seconds. One thread of a process waits; the first time is True at once where
        others can wake it. Raises BackendError once the backend is closed.
        """
        ...

    # --- variables
    def get_variable(self, name: str) -> VariableView | None: ...
    def set_variable(self, variable: VariableView, overwrite: bool) -> bool:
        """False: it exists and `overwrite` is false."""
        ...

    def unset_variable(self, name: str) -> bool: ...
    def list_variables(self, page_after: str | None, limit: Limit) -> list[VariableView]: ...

    # --- house-keeping
    def find_crashed(self) -> int:
        """Mark the runs of processes on this machine that are gone as Crashed; return how many."""
        ...

    def clean_up(self) -> int:
        """Delete a slice of what retention and expiry say; return how many rows went (0: nothing left to do)."""
        ...

    def close(self) -> None: ...
