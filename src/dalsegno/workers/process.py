"""The worker whose runs are processes on its own machine: forked from warm templates, or fresh ones."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import ClassVar, cast

import msgspec

from dalsegno._code.preparing import prepare_code
from dalsegno.exceptions import BackendError, DalsegnoException
from dalsegno.model.deployments import ClaimedDeployment
from dalsegno.model.ids import id_text
from dalsegno.model.queue import ClaimedRun
from dalsegno.workers import exits
from dalsegno.workers.base import BaseWorker, Begun, NotBegun
from dalsegno.workers.configuration import (
    BaseJobConfiguration,
    BaseWorkerResult,
    ProcessJobConfiguration,
    configuration_of,
)
from dalsegno.workers.orders import Execute, Frames, Report, decode_report
from dalsegno.workers.output import Outputs, Tail
from dalsegno.workers.templates import Kind, Running, Template, Templates

_HEAD_START = 4.0
"""Seconds in which a run that was cancelled can end by itself, before it is sent a signal."""
_LAST_WORDS = 1.0
"""Seconds that are waited for the end of a crashed process's output."""
_REPORT_SIZE = 65_536


class ProcessWorker(BaseWorker):
    """Executes each run in a process of its own on this machine.

    Example:
        >>> ProcessWorker("default", limit=4).start()
    """

    type: ClassVar[str] = "process"

    def setup(self) -> None:
        self._outputs = Outputs()
        self._templates = Templates(self.settings.worker.templates, self.logger.info)
        self._processes: dict[str, _Process] = {}
        self._problems: dict[bytes, str | None] = {}
        """What was last noted at a deployment."""

    def teardown(self) -> None:
        self._templates.close()
        self._outputs.close()

    def configure(self, flow_run: ClaimedRun) -> ProcessJobConfiguration:
        configuration = configuration_of(flow_run, self.work_pool_name)
        configuration.wrapper()
        deployment = flow_run.deployment
        if deployment is not None and deployment.source.pull_steps:
            self._prepare(deployment, configuration)
        return configuration

    def _prepare(self, deployment: ClaimedDeployment, configuration: ProcessJobConfiguration) -> None:
        """Bring the code here. Raises what keeps it from being brought, once that is noted at the deployment."""
        try:
            code = prepare_code(deployment, configuration.environment(), Path(configuration.working_dir or Path.cwd()))
        except DalsegnoException as error:
            self._note_problem(deployment, str(error))
            raise
        configuration.working_dir = code.folder

    def _note_problem(self, deployment: ClaimedDeployment, problem: str | None) -> None:
        """Say at a deployment that its code cannot be loaded, and why, or that it can."""
        if problem is None and self._problems.get(deployment.id, "") is None:
            return
        try:
            self.backend.note_deployment_problem(deployment.id, problem)
        except BackendError as error:
            self.logger.warning("A problem of deployment %r could not be noted: %s", deployment.name, error)
        else:
            self._problems[deployment.id] = problem

    def run(
        self, flow_run: ClaimedRun, configuration: BaseJobConfiguration, task_status: Begun | None = None
    ) -> BaseWorkerResult:
        configuration = cast("ProcessJobConfiguration", configuration)
        order = _order(flow_run, configuration)
        try:
            with self._template(flow_run, configuration, task_status) as template:
                # Where runs are spawned, the template has imported nothing.
                if flow_run.deployment is not None and (template.broken or template.kind.entrypoint):
                    self._note_problem(flow_run.deployment, template.broken)
                if template.broken is not None:
                    return _not_loaded(template)
                if self.is_draining:
                    raise NotBegun("The worker ends.")
                return self._execute(template, order, configuration, task_status)
        except _Stopped as stopped:
            return BaseWorkerResult(identifier="", status_code=1, message=str(stopped))

    def kill_infrastructure(
        self, infrastructure_pid: str, configuration: BaseJobConfiguration, grace_seconds: float = 30
    ) -> None:
        process = self._processes.get(infrastructure_pid)
        if process is not None:
            process.stop(grace_seconds)

    def run_hooks(self, flow_run: ClaimedRun, configuration: BaseJobConfiguration) -> None:
        if not isinstance(configuration, ProcessJobConfiguration):
            return  # It was never made: there is no code here whose hooks could be called.
        order = msgspec.structs.replace(_order(flow_run, configuration), hooks=True)
        try:
            with self._template(flow_run, configuration, None) as template:
                result = self._execute(template, order, configuration, None)
            if not result.concluded:
                self.logger.warning("The hooks of a run failed: %s", result.message)
        except _Stopped as stopped:
            self.logger.warning("The hooks of a run were not called: %s", stopped)

    @contextlib.contextmanager
    def _template(
        self, flow_run: ClaimedRun, configuration: ProcessJobConfiguration, task_status: Begun | None
    ) -> Generator[Template]:
        """Give the template for a run once it has loaded: one that forks, or if that may not be one that spawns."""
        kind = Kind(
            configuration.python(flow_run),
            configuration.folder(flow_run),
            tuple(sorted(configuration.environment().items())),
            configuration.entrypoint(flow_run) if self._forks(configuration) else None,
            configuration.code_version(flow_run),
        )
        while True:
            template = self._templates.take(kind)
            try:
                self._await(template, flow_run, task_status)
                if template.ready is None or template.ready.obstacle is None:
                    yield template
                    return
                self._templates.refuse(template)
            finally:
                self._templates.give_back(template)
            kind = msgspec.structs.replace(kind, entrypoint=None)

    def _forks(self, configuration: ProcessJobConfiguration) -> bool:
        return self.settings.worker.start_method != "spawn" and configuration.command is None

    def _await(self, template: Template, flow_run: ClaimedRun, task_status: Begun | None) -> None:
        """Wait until the code is imported, which may be stopped. Raises _Stopped."""
        if template.loaded.is_set() or task_status is None:
            if not template.loaded.wait(None if task_status else self.settings.worker.cancel_grace):
                raise _Stopped("Its code could not be imported in time.")
            return
        loading = _Loading(template)
        identifier = f"{os.uname().nodename}:{template.pid}:{id_text(flow_run.flow_run_id)}"
        with self._known(identifier, loading):
            task_status(identifier)
            template.loaded.wait()
        if loading.stopped:
            raise _Stopped("It was told to end before its process had begun.")

    def _execute(
        self,
        template: Template,
        order: Execute,
        configuration: ProcessJobConfiguration,
        task_status: Begun | None,
    ) -> BaseWorkerResult:
        size = self.settings.worker.output_tail
        output = Tail(size, 1 if configuration.stream_output else None)
        errors = Tail(size, 2 if configuration.stream_output else None)
        report = Tail(_REPORT_SIZE)
        kills = exits.out_of_memory_kills()
        running = self._start(template, order, [output, errors, report])
        running.started.wait()
        identifier = f"{os.uname().nodename}:{running.pid}"
        process = _Process(running)
        with self._known(identifier, process):
            if task_status is not None:
                task_status(identifier)
            if not running.ended.wait(self.settings.worker.cancel_grace if order.hooks else None):
                process.stop(0.0)
                running.ended.wait()
        said = _read_report(report)
        result = BaseWorkerResult(identifier=identifier, status_code=running.status, concluded=said.concluded)
        if not said.concluded:
            kills_now = exits.out_of_memory_kills()
            result.message = process.why or exits.describe(
                running.pid,
                running.status,
                None if kills is None or kills_now is None else kills_now - kills,
                said.message,
                errors.text(_LAST_WORDS),
            )
        return result

    def _start(self, template: Template, order: Execute, tails: list[Tail]) -> Running:
        pipes = [os.pipe() for _ in tails]
        running = template.execute(order, [ours for _, ours in pipes])
        for (reading, writing), tail in zip(pipes, tails, strict=True):
            os.close(writing)
            self._outputs.add(reading, tail)
        return running

    @contextlib.contextmanager
    def _known(self, identifier: str, process: _Process) -> Generator[None]:
        self._processes[identifier] = process
        try:
            yield
        finally:
            del self._processes[identifier]


class _Stopped(DalsegnoException):
    """A run was told to end before it had a process."""


class _Process:
    """A process that may have to be stopped."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.why = ""
        """Why it was killed, if the worker did it."""

    def stop(self, grace: float) -> None:
        """End it: it is given time to do so itself, then a signal, and after `grace` seconds its group is killed."""
        running = self._running
        head_start = min(_HEAD_START, grace / 3)
        if grace:
            if running.ended.wait(head_start):
                return
            running.signal_group(signal.SIGTERM)
            if running.ended.wait(grace - head_start):
                return
        self.why = (
            f"It was told to end, did not within {grace:g} seconds, and was killed (process group {running.pid} on "
            f"{os.uname().nodename})."
            if grace
            else f"Its worker was told to end at once, and killed process group {running.pid} on {os.uname().nodename}."
        )
        running.signal_group(signal.SIGKILL)


class _Loading(_Process):
    """A template that is importing the code of a run."""

    def __init__(self, template: Template) -> None:
        super().__init__(Running())
        self._template = template
        self.stopped = False

    def stop(self, grace: float) -> None:
        self.stopped = True
        if not self._template.loaded.wait(grace):
            self._template.kill()


def _order(flow_run: ClaimedRun, configuration: ProcessJobConfiguration) -> Execute:
    return Execute(
        number=0,
        flow_run_id=flow_run.flow_run_id,
        attempt=flow_run.attempt,
        entrypoint=configuration.entrypoint(flow_run),
        deployment=flow_run.deployment,
        wrapper=configuration.wrapper(),
    )


def _not_loaded(template: Template) -> BaseWorkerResult:
    message = f"Its code, {template.kind.entrypoint}, could not be loaded:\n{template.broken}"
    return BaseWorkerResult(identifier="", status_code=1, message=message)


def _read_report(report: Tail) -> Report:
    """Return what a process said at its end; nothing if it could not."""
    whole = Frames().add(report.wait_for_all(_LAST_WORDS))
    return decode_report(whole[0]) if whole else Report()
