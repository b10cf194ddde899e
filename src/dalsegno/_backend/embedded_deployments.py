"""The part of `StoreBackend` that is about deployments, schedules, work pools and workers."""

from __future__ import annotations

from collections.abc import Callable

from dalsegno._store import deployment_runs, deployments, pools, schedules, waiting_runs, workers
from dalsegno._store.changes import Changes
from dalsegno._store.connection import Database
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
from dalsegno.model.schedules import ScheduleSpec
from dalsegno.model.views import Page


class DeploymentOperations:
    """What the methods do stands in `dalsegno._backend.protocol`."""

    database: Database
    lease: int

    def _tell(self, *kinds: str) -> None:
        self.database.announce(Changes(frozenset(kinds)))

    # --- deployments

    def apply_deployment(self, spec: DeploymentSpec) -> DeploymentView:
        now = self.database.now()
        done = self.database.write(lambda connection: deployments.apply(connection, spec, now))
        self._tell("deployment")
        return done

    def update_deployment(
        self, id: bytes, change: DeploymentChange, check: Callable[[int], None] | None = None
    ) -> DeploymentView:
        """Do what the protocol says, if `check` does not raise when it is told the time of the last change."""
        now = self.database.now()
        done = self.database.write(lambda connection: deployments.update(connection, id, change, now, check))
        self._tell("deployment", "ready")
        return done

    def roll_back_deployment(self, id: bytes, number: int) -> DeploymentView:
        now = self.database.now()
        done = self.database.write(lambda connection: deployments.roll_back(connection, id, number, now))
        self._tell("deployment")
        return done

    def delete_deployment(self, id: bytes) -> bool:
        now = self.database.now()
        done = self.database.write(lambda connection: deployments.delete(connection, id, now))
        self._tell("deployment", "flow_run")
        return done

    def read_deployment(self, id: bytes) -> DeploymentView:
        now = self.database.now()
        return self.database.read(lambda connection: deployments.read(connection, id, now))

    def find_deployment(self, flow_name: str, name: str) -> DeploymentView | None:
        now = self.database.now()
        return self.database.read(lambda connection: deployments.find(connection, flow_name, name, now))

    def list_deployments(self, filter: DeploymentFilter, page: Page) -> list[DeploymentView]:
        now = self.database.now()
        return self.database.read(lambda connection: deployments.list_page(connection, filter, page, now))

    def list_deployment_versions(self, id: bytes, limit: int = 200) -> list[DeploymentVersion]:
        return self.database.read(lambda connection: deployments.versions(connection, id, limit))

    def note_deployment_problem(self, id: bytes, problem: str | None) -> None:
        self.database.write(lambda connection: deployments.note_problem(connection, id, problem), repeatable=True)
        self._tell("deployment")

    def request_deployment_run(self, request: DeploymentRun) -> RequestedRun:
        now = self.database.now()
        done = self.database.write(lambda connection: deployment_runs.request(connection, request, now))
        self.database.announce(Changes(frozenset({"flow_run", "ready"}), frozenset({done.flow_run_id})))
        return done

    def explain_wait(self, flow_run_id: bytes) -> Wait:
        now = self.database.now()
        return Wait(reasons=self.database.read(lambda connection: waiting_runs.why(connection, flow_run_id, now)))

    # --- schedules

    def create_schedule(self, new: NewSchedule) -> ScheduleView:
        now = self.database.now()
        done = self.database.write(lambda connection: schedules.create(connection, new, now))
        self._tell("deployment")
        return done

    def update_schedule(self, id: bytes, spec: ScheduleSpec) -> ScheduleView:
        now = self.database.now()
        done = self.database.write(lambda connection: schedules.update(connection, id, spec, now))
        self._tell("deployment")
        return done

    def delete_schedule(self, id: bytes) -> bool:
        done = self.database.write(lambda connection: schedules.delete(connection, id))
        self._tell("deployment")
        return done

    # --- work pools

    def create_pool(self, new: NewPool) -> PoolView:
        now = self.database.now()
        done = self.database.write(lambda connection: pools.create_pool(connection, new, now))
        self._tell("work_pool")
        return done

    def update_pool(self, name: str, change: PoolChange) -> PoolView:
        now = self.database.now()
        done = self.database.write(lambda connection: pools.update_pool(connection, name, change, now))
        self._tell("work_pool", "ready")
        return done

    def delete_pool(self, name: str) -> bool:
        done = self.database.write(lambda connection: pools.delete_pool(connection, name))
        self._tell("work_pool")
        return done

    def find_pool(self, name: str) -> PoolView | None:
        now = self.database.now()
        return self.database.read(lambda connection: pools.find_pool(connection, name, now))

    def list_pools(self, page_after: str | None, limit: int = 200) -> list[PoolView]:
        now = self.database.now()
        return self.database.read(lambda connection: pools.list_pools(connection, page_after, limit, now))

    def create_queue(self, new: NewQueue) -> QueueView:
        now = self.database.now()
        done = self.database.write(lambda connection: pools.create_queue(connection, new, now))
        self._tell("work_pool")
        return done

    def update_queue(self, pool: str, name: str, change: QueueChange) -> QueueView:
        now = self.database.now()
        done = self.database.write(lambda connection: pools.update_queue(connection, pool, name, change, now))
        self._tell("work_pool", "ready")
        return done

    def delete_queue(self, pool: str, name: str) -> bool:
        now = self.database.now()
        done = self.database.write(lambda connection: pools.delete_queue(connection, pool, name, now))
        self._tell("work_pool")
        return done

    def list_queues(self, pool: str | None) -> list[QueueView]:
        now = self.database.now()
        return self.database.read(lambda connection: pools.list_queues(connection, pool, now))

    # --- workers

    def worker_heartbeat(self, worker: WorkerRecord) -> None:
        now = self.database.now()
        lease = self.lease
        is_news = self.database.write(
            lambda connection: workers.heard_of(connection, worker, lease, now), express=True, repeatable=True
        )
        if is_news:
            self._tell("worker")

    def worker_gone(self, process_id: bytes) -> None:
        self.database.write(lambda connection: workers.gone(connection, process_id), repeatable=True)
        self._tell("worker")

    def list_workers(self, pool: str | None) -> list[WorkerView]:
        now = self.database.now()
        return self.database.read(lambda connection: workers.list_workers(connection, pool, now))
