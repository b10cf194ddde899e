"""A flow of 5,000 tasks over HTTP does not mind that its server is killed ten times, and once away for long."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.programs import Steady
from tests.chaos.recorded import Ledger, check_complete, flow_runs, opened
from tests.chaos.servers import ServerProcess, deliver, settings_for, spool_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AWAY = float(os.environ.get("CHAOS_AWAY_SECONDS", "4"))
"""For how long the server is away once: as long as three blocks of the flow take."""
KILLS = 10
AWAY_FROM, AWAY_UNTIL = 5, 8
SIZES = [380] * (KILLS + AWAY_UNTIL - AWAY_FROM) + [58]
SECONDS = [AWAY / 3 if AWAY_FROM <= block < AWAY_UNTIL else 0.8 for block in range(len(SIZES))]
TASKS = sum(SIZES) + len(SIZES)
MOST_TIMES_AS_LONG = 1.5
"""The measured ratio is printed; with other work on the machine it was 1.11 too."""


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    server = ServerProcess(tmp_path / "server", url)
    server.start()
    yield server
    server.kill()


def test_a_flow_of_5000_tasks_does_not_mind_that_its_server_is_killed_ten_times(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = Steady(tmp_path / "calm", SIZES, SECONDS)
    ended = calm.run(settings_for(server.url), 300)
    assert (ended.status, ended.last) == (0, f"result {sum(SIZES)}"), ended.errors

    moments = random.Random(5)
    disturbed = Steady(tmp_path / "disturbed", SIZES, SECONDS)
    with disturbed.start(settings_for(server.url), gated=True) as started, disturbed.gate() as gate:
        for block in range(len(SIZES)):
            started.until(f"block {block}")
            disturb(server, block, moments.uniform(0, 0.6), gate)
        started.until("all done")
        ended = started.end(300)
    assert (ended.status, ended.last) == (0, f"result {sum(SIZES)}"), ended.errors
    assert server.starts == KILLS + 2
    assert "Traceback" not in ended.errors
    if spool_files(disturbed.program):
        # On a busy machine the server may have come back so late that the process did not wait for it.
        assert deliver(disturbed.program, server.url).returncode == 0
    assert spool_files(disturbed.program) == []
    server.kill()

    ledgers = [Ledger(calm.ledger), Ledger(disturbed.ledger)]
    with opened(server.database_url) as backend:
        runs = sorted(flow_runs(backend), key=lambda run: run.id)
        assert len(runs) == 2
        for run, ledger in zip(runs, ledgers, strict=True):
            assert len(ledger.done) == TASKS >= 5000
            check_complete(backend, run, ledger)
    tell_times(capsys, *ledgers)


def disturb(server: ServerProcess, block: int, moment: float, gate: Any) -> None:
    """Kill the server at some moment of a block and bring it back, or leave it away for some blocks."""
    if block == AWAY_UNTIL:
        server.start()
    kills = block != len(SIZES) - 1 and not AWAY_FROM < block < AWAY_UNTIL
    if kills:
        time.sleep(moment)
        server.kill()
    gate.write("\n")
    if kills and block != AWAY_FROM:
        server.start()


def tell_times(capsys: pytest.CaptureFixture[str], calm: Ledger, disturbed: Ledger) -> None:
    assert calm.seconds is not None
    assert disturbed.seconds is not None
    ratio = disturbed.seconds / calm.seconds
    with capsys.disabled():
        print(
            f"\n{TASKS} tasks undisturbed: {calm.seconds:.1f} s; with {KILLS} kills and once away for {AWAY:g} s: "
            f"{disturbed.seconds:.1f} s (and {disturbed.waited:.1f} s for the test itself), ratio {ratio:.2f}"
        )
    assert ratio <= MOST_TIMES_AS_LONG
