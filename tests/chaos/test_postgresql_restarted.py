"""PostgreSQL behind a server is ended without a shutdown, five times under load: nothing that counts is lost."""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.chaos.programs import Steady
from tests.chaos.recorded import Ledger, check_complete, flow_runs, opened, task_runs
from tests.chaos.servers import ServerProcess, deliver, settings_for, spool_files

from dalsegno._store.opening import open_database
from tests import postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RESTARTS = 5
SIZES, SECONDS = [100] * (RESTARTS + 2), [1.5] * (RESTARTS + 2)


@pytest.fixture
def database() -> Iterator[postgres.Server]:
    """Give a PostgreSQL server of this test's own, which writes to its disk as any other does."""
    binaries = postgres.find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here (no initdb in /usr/lib/postgresql or on the path).")
    folder = Path(tempfile.mkdtemp(prefix="dalsegno-chaos-"))
    folder.chmod(0o755)
    try:
        server = postgres.Server.start(folder / "cluster", binaries, fsync="on", autovacuum="on")
        server.execute("CREATE DATABASE chaos")
        open_database(server.url("chaos"), upgrade=True).close()
        yield server
        with contextlib.suppress(AssertionError):
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(database: postgres.Server, tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "server", database.url("chaos"))
    server.start()
    yield server
    server.kill()


def test_flows_do_not_mind_that_postgresql_is_restarted_five_times(
    database: postgres.Server, server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = settings_for(server.url)
    flows = [Steady(tmp_path / name, SIZES, SECONDS) for name in ("one", "two", "three")]
    restarts: list[float] = []
    recoveries: list[float] = []
    with ExitStack() as stack:
        started = [stack.enter_context(each.start(variables)) for each in flows]
        for restart in range(RESTARTS):
            started[0].until(f"block {restart + 1}")
            began = time.monotonic()
            database.control("restart", "-m", "immediate")
            restarts.append(time.monotonic() - began)
            recoveries.append(server.await_ready())
        for each in started:
            ended = each.end(150)
            assert (ended.status, ended.last) == (0, f"result {sum(SIZES)}"), ended.errors
            assert "Traceback" not in ended.errors
    for each in flows:
        if spool_files(each.program):
            assert deliver(each.program, server.url).returncode == 0
    assert server.starts == 1

    with opened(server.database_url) as backend:
        runs = flow_runs(backend)
        assert len(runs) == len(flows)
        # All three do the same, so it does not matter which is which.
        for run, each in zip(runs, flows, strict=True):
            check_complete(backend, run, Ledger(each.ledger))
    with capsys.disabled():
        took = ", ".join(f"{seconds:.1f}" for seconds in restarts)
        ready = ", ".join(f"{seconds:.1f}" for seconds in recoveries)
        own = ", ".join(f"{Ledger(each.ledger).seconds:.1f}" for each in flows)
        print(f"\nrestarts took {took} s, /api/ready {ready} s after them; the flows' own time: {own} s")


def test_a_flow_does_not_mind_that_its_server_and_postgresql_end_together(
    database: postgres.Server, server: ServerProcess, tmp_path: Path
) -> None:
    """What the server has confirmed nobody else remembers then: it must be on the database's disk."""
    steady = Steady(tmp_path / "one", [200] * 6, [0.8] * 6)
    with steady.start(settings_for(server.url), gated=True) as started, steady.gate() as gate:
        for block in range(len(steady.sizes)):
            started.until(f"block {block}")
            gate.write("\n")
            if 0 < block < 5:
                time.sleep(0.4)  # in the middle of a block
                server.kill()
                database.control("restart", "-m", "immediate")
                server.start()
        ended = started.end(100)
    assert (ended.status, ended.last) == (0, f"result {sum(steady.sizes)}"), ended.errors
    if spool_files(steady.program):
        assert deliver(steady.program, server.url).returncode == 0
    with opened(server.database_url) as backend:
        (run,) = flow_runs(backend)
        check_complete(backend, run, Ledger(steady.ledger))


def test_what_a_durable_task_has_done_outlives_its_process_its_server_and_the_database(
    database: postgres.Server, server: ServerProcess, tmp_path: Path
) -> None:
    """All three end at the same moment, without a word: what the task had been told is durable is there."""
    steady = Steady(tmp_path / "victim", [10] * 1000, [0.05] * 1000)
    with steady.start(settings_for(server.url)) as started:
        started.until("block 12")
        started.send(signal.SIGKILL)
        server.kill()
        database.control("restart", "-m", "immediate")
        started.end()
    server.start()
    if spool_files(steady.program):
        assert deliver(steady.program, server.url).returncode == 0
    durable = Ledger(steady.ledger).durable
    assert len(durable) >= 12
    with opened(server.database_url) as backend:
        (run,) = flow_runs(backend)
        states = {each.name: each.state.name for each in task_runs(backend, run.id)}
    assert {name: states.get(name) for name in durable} == dict.fromkeys(durable, "Completed")
