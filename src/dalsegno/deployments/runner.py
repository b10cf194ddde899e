"""Serving deployments from one program: deploys them, executes their runs, and pauses them at its end.

The runs are executed by a worker for these deployments alone; see `dalsegno.workers`.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from dalsegno._backend.connect import connect
from dalsegno._engine.options import NotSet, not_set
from dalsegno._processes import current_process
from dalsegno.deployments.options import DeploymentOptions
from dalsegno.deployments.runner_deployment import RunnerDeployment
from dalsegno.exceptions import BackendError, ConfigurationError
from dalsegno.model.deployments import DeploymentView
from dalsegno.settings import get_current_settings

if TYPE_CHECKING:
    from dalsegno.flows import Flow
    from dalsegno.workers import ProcessWorker

_logger = logging.getLogger("dalsegno.workers")


class Runner:
    """Executes the runs of deployments that are added to it, each in a process of its own on this machine.

    With no server the embedded database is enough: schedules tick here.

    Args:
        name: For people; None: made of the machine and the process.
        limit: Most runs at a time; None: without a bound of its own; by default the setting `runner.process_limit`.
        pause_on_shutdown: Whether the schedules are paused when it ends, until it is started again.
        webserver: Whether it says over HTTP how it does, as a worker does with `--with-healthcheck`.
        query_seconds, prefetch_seconds: Have no effect: it is woken when a run is due.
        heartbeat_seconds: How often it is heard of; never less often than three times in a lease.

    Example:
        >>> runner = Runner(limit=4)
        >>> runner.add_flow(nightly, "eu", cron="0 0 * * *")
        >>> runner.start()
    """

    def __init__(
        self,
        name: str | None = None,
        query_seconds: float | None = None,
        prefetch_seconds: float = 10,
        heartbeat_seconds: float | None = None,
        limit: int | NotSet | None = not_set,
        pause_on_shutdown: bool = True,
        webserver: bool = False,
    ) -> None:
        self.name = name
        self.limit = get_current_settings().runner.process_limit if isinstance(limit, NotSet) else limit
        if self.limit is not None and self.limit < 1:
            raise ConfigurationError(f"limit is {self.limit}; at least one run is executed at a time.")
        self.pause_on_shutdown = pause_on_shutdown
        self._webserver = webserver
        self._heartbeat = heartbeat_seconds
        self._deployments: dict[bytes, RunnerDeployment] = {}
        self._worker: ProcessWorker | None = None
        self._stopped = False

    @property
    def deployments(self) -> list[RunnerDeployment]:
        """Those that it serves."""
        return list(self._deployments.values())

    def add_flow(
        self, flow: Flow[..., Any], name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> uuid.UUID:
        """Deploy a flow and serve it; return the deployment's id. The arguments are those of `flow.to_deployment`."""
        return self.add_deployment(flow.to_deployment(name or flow.name, **options))

    def add_deployment(self, deployment: RunnerDeployment) -> uuid.UUID:
        """Deploy and serve; return the deployment's id."""
        view = deployment.with_pool(None).applied()
        self._deployments[view.id] = deployment
        return uuid.UUID(bytes=view.id)

    def start(self, run_once: bool = False, webserver: bool | None = None) -> None:
        """Execute runs until it is told to stop, by SIGTERM, Ctrl-C or `stop`.

        The first time it waits for the runs that it has begun, the second time it ends them at once.

        Args:
            run_once: End when nothing that is due waits any more.
            webserver: In place of that given when it was made.
        """
        from dalsegno.workers import ProcessWorker

        if not self._deployments:
            raise ConfigurationError("There is nothing to serve: add a flow first, with add_flow or add_deployment.")
        worker = self._worker = ProcessWorker(
            None,
            name=self.name,
            limit=self.limit,
            heartbeat_interval_seconds=self._heartbeat,
            deployments=list(self._deployments),
        )
        if self._stopped:
            worker.stop()
        with self._health(worker, self._webserver if webserver is None else webserver):
            try:
                worker.start(run_once)
            finally:
                if self.pause_on_shutdown and not run_once:
                    self._pause()

    def stop(self) -> None:
        """Tell it to stop, from any thread; the second time at once."""
        self._stopped = True
        if self._worker is not None:
            self._worker.stop()

    def execute_flow_run(self, flow_run_id: uuid.UUID | str) -> Any:
        """Execute a run that waits, here and now, in this process; see `dalsegno.flow_runs.execute_flow_run`."""
        from dalsegno.flow_runs import execute_flow_run

        return execute_flow_run(flow_run_id)

    def _pause(self) -> None:
        for id, deployment in self._deployments.items():
            try:
                if pause(id, deployment):
                    print(f"The schedules of {deployment.full_name!r} are paused until it is served again.", flush=True)
            except BackendError as error:
                _logger.warning("The schedules of %r could not be paused: %s", deployment.full_name, error)

    @contextlib.contextmanager
    def _health(self, worker: ProcessWorker, wanted: bool) -> Generator[None]:
        if not wanted:
            yield
            return
        from dalsegno.workers.health import HealthServer

        settings = get_current_settings().worker
        server = HealthServer(worker, settings.healthcheck_host, settings.healthcheck_port)
        print(f"It answers {server.url}.", flush=True)
        try:
            yield
        finally:
            server.close()


def pause(id: bytes, deployment: RunnerDeployment) -> bool:
    """Pause the schedules of a deployment that nobody serves any more; False: there is nothing to pause.

    It is said as the code's own word, not as an operator's, so that serving it again resumes them; what an operator
    paused stays paused.
    """
    backend = connect()
    view: DeploymentView = backend.read_deployment(id)
    if view.spec.paused or not view.schedules or _served_elsewhere(id):
        return False
    backend.apply_deployment(msgspec.structs.replace(deployment.with_pool(None).spec, paused=True))
    return True


def _served_elsewhere(id: bytes) -> bool:
    own = current_process().id
    return any(
        id in each.worker.deployments and each.online and each.worker.process_id != own
        for each in connect().list_workers(None)
    )


@contextlib.contextmanager
def stopped_by_signals(loop: Any, stop: Callable[[], None]) -> Generator[None]:
    """Have SIGTERM and SIGINT stop it, in the loop of the main thread."""
    heard: Sequence[signal.Signals] = ()
    if threading.current_thread() is threading.main_thread():
        heard = (signal.SIGTERM, signal.SIGINT)
    for number in heard:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
