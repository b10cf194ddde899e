"""`wait_for_flow_run` gives a run once it has ended, in the database itself and over a server."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dalsegno import flow, get_client, runtime
from dalsegno._backend.changes import Changes
from dalsegno._backend.connect import connect
from dalsegno.exceptions import FlowRunWaitTimeout, ObjectNotFound
from dalsegno.flow_runs import wait_for_flow_run
from dalsegno.model.ids import parse_id


class Gate:
    """A flow run that goes on once it is let go."""

    def __init__(self) -> None:
        self.id = ""
        self.started = threading.Event()
        self.go = threading.Event()
        self.pool = ThreadPoolExecutor(1)

        @flow(name="gated")
        def gated(fail: bool = False) -> int:
            self.id = runtime.flow_run.id
            self.started.set()
            assert self.go.wait(30)
            if fail:
                raise ValueError("No.")
            return 3

        self.run = self.pool.submit(lambda: gated(return_state=True))
        assert self.started.wait(30)
        backend = connect()
        # What a run does is recorded a moment later.
        for _ in Changes(backend, timeout=30):
            view = backend.read_flow_run(parse_id(self.id))
            if view is not None and view.state.type == "RUNNING":
                break

    def close(self) -> None:
        self.go.set()
        self.run.result(30)
        self.pool.shutdown()


@pytest.fixture(params=["database", "server"])
def gate(request: pytest.FixtureRequest) -> Iterator[Gate]:
    if request.param == "server":
        request.getfixturevalue("url")
    gate = Gate()
    yield gate
    gate.close()


def test_it_waits_until_the_run_has_ended(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    threading.Timer(0.2, gate.go.set).start()
    with caplog.at_level(logging.INFO, "dalsegno.flow_runs"):
        run = wait_for_flow_run(gate.id, timeout=30, log_states=True)
    assert (str(run.id), run.state.name, run.result.value) == (gate.id, "Completed", 3)
    told = [line for line in caplog.messages if line.startswith("Flow run ")]
    assert [line.rsplit(" ", 1)[1] for line in told] == ["Running.", "Completed."]


def test_it_gives_up_after_a_time(gate: Gate) -> None:
    with pytest.raises(FlowRunWaitTimeout, match="'.*' .* has not ended after 0.3 seconds: it is Running"):
        wait_for_flow_run(uuid.UUID(gate.id), timeout=0.3)
    with pytest.raises(TimeoutError):
        wait_for_flow_run(gate.id, timeout=0)


def test_in_a_coroutine_it_is_awaited(gate: Gate) -> None:
    async def main() -> None:
        waiting = asyncio.ensure_future(wait_for_flow_run(gate.id, timeout=30))
        gate.go.set()
        assert (await waiting).state.name == "Completed"

    asyncio.run(main())


def test_a_coroutine_that_is_cancelled_leaves_nothing_waiting(gate: Gate) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait_for_flow_run(gate.id), 0.2)

    # Leaving the loop waits for its threads.
    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 10


def test_it_asks_the_server_of_a_client(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    gate.close()
    with get_client(sync_client=True) as client:
        monkeypatch.delenv("DALSEGNO_API_URL")
        with pytest.raises(ObjectNotFound):
            wait_for_flow_run(gate.id)
        assert wait_for_flow_run(gate.id, client=client).state.name == "Completed"


def test_what_is_no_run_is_said() -> None:
    with pytest.raises(ObjectNotFound, match="no flow run"):
        wait_for_flow_run(uuid.UUID(int=7))
    with pytest.raises(ObjectNotFound, match="is not the id"):
        wait_for_flow_run("seventeen")
