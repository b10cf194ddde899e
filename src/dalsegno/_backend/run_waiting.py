"""Waiting for a flow run to end."""

from __future__ import annotations

import logging
import threading
import uuid

from dalsegno._backend.changes import INTERVAL_SECONDS, Changes
from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import FlowRunWaitTimeout, ObjectNotFound
from dalsegno.model.ids import id_text, parse_id
from dalsegno.model.resources.flow_runs import FlowRun, to_flow_run
from dalsegno.model.states import TERMINAL_TYPES
from dalsegno.model.views import FlowRunView

RunId = str | uuid.UUID | bytes

_logger = logging.getLogger("dalsegno.flow_runs")


class RunWait:
    """One wait for one run; `stop` ends it, within two seconds."""

    def __init__(self, id: RunId, timeout: float | None, interval: float | None, log_states: bool) -> None:
        self._id = id
        self._timeout = timeout
        self._interval = INTERVAL_SECONDS if interval is None else interval
        self._log_states = log_states
        self._logged: tuple[int, str] | None = None
        self.stop = threading.Event()

    def until_ended(self, backend: Backend) -> FlowRun:
        """Return the run once it has ended. Raises ObjectNotFound or FlowRunWaitTimeout."""
        run = read_run(backend, self._id)
        for _ in Changes(backend, self._interval, self._timeout, self.stop):
            run = read_run(backend, self._id)
            self._log(run)
            if run.state.type in TERMINAL_TYPES:
                return to_flow_run(run)
        raise FlowRunWaitTimeout(
            f"Flow run {run.name!r} ({id_text(run.id)}) has not ended after {self._timeout} seconds: it is "
            f"{run.state.name}. It goes on; wait for it again, or cancel it."
        )

    def _log(self, run: FlowRunView) -> None:
        state = (run.state.timestamp, run.state.name)
        if self._log_states and state != self._logged:
            _logger.info("Flow run %r is %s.", run.name, run.state.name)
            self._logged = state


def read_run(backend: Backend, id: RunId) -> FlowRunView:
    """Return a flow run by its id in any form. Raises ObjectNotFound."""
    try:
        view = backend.read_flow_run(parse_id(id))
    except ValueError:
        raise ObjectNotFound(f"{id!r} is not the id of a flow run: ids look like {id_text(bytes(16))}.") from None
    if view is None:
        raise ObjectNotFound(f"There is no flow run {id_text(parse_id(id))} in {backend.url}.")
    return view
