"""A run that ends while its server is away ends as ever; what it recorded is delivered later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chaos.programs import Steady
from tests.chaos.recorded import Ledger, check_complete, flow_runs, opened
from tests.chaos.servers import ServerProcess, deliver, settings_for, spool_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "server", f"sqlite:///{tmp_path / 'server.db'}")
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("fails", [False, True], ids=["completes", "fails"])
@pytest.mark.parametrize("begins", ["with its server", "without its server"])
def test_a_script_ends_with_its_own_exit_code_and_its_spool_is_delivered_later(
    server: ServerProcess, tmp_path: Path, begins: str, fails: bool
) -> None:
    steady = Steady(tmp_path / "laptop", [100, 100], [0.3, 0.3], fails=fails)
    if begins == "without its server":
        server.kill()
    with steady.start(settings_for(server.url), gated=True) as started, steady.gate() as gate:
        gate.write("\n")
        started.until("block 1")
        server.kill()
        gate.write("\n")
        ended = started.end(100)
    assert ended.status == (1 if fails else 0), ended.errors
    assert "are left in" in ended.errors.splitlines()[-1]
    assert [name.endswith(".journal") for name in spool_files(steady.program)] == [True]

    away = deliver(steady.program, server.url)
    assert away.returncode == 6
    assert "cannot be reached" in away.stderr
    server.start()
    there = deliver(steady.program, server.url)
    assert there.returncode == 0, there.stderr
    assert spool_files(steady.program) == []
    again = deliver(steady.program, server.url)
    assert (again.returncode, again.stdout) == (0, f"Nothing was left to deliver to {server.url}.\n")
    with opened(server.database_url) as backend:
        (run,) = flow_runs(backend)
        check_complete(backend, run, Ledger(steady.ledger), state="Failed" if fails else "Completed")
