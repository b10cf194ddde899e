"""Two servers on one PostgreSQL behind a proxy that takes them in turn; one is killed, and nobody notices more than a
retry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.chaos.programs import Steady
from tests.chaos.proxy import RoundRobin
from tests.chaos.recorded import Ledger, check_complete, flow_runs, opened
from tests.chaos.servers import ServerProcess, deliver, settings_for, spool_files
from tests.guarantees.processes import Program
from tests.guarantees.test_slots import HOLDER, VISITOR

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PASSWORD = "correct horse battery"
SIZES, SECONDS = [120] * 6, [1.0] * 6


@pytest.fixture
def servers(postgres_url: str, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """Give two servers that share a database and nothing else, where there is an admin."""
    servers = [ServerProcess(tmp_path / name, postgres_url) for name in ("first", "second")]
    made = servers[0].run("server", "create-admin", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
def proxy(servers: list[ServerProcess]) -> Iterator[RoundRobin]:
    with RoundRobin([server.port for server in servers]) as proxy:
        yield proxy


class Page:
    """A logged-in browser: asks again, once, when an answer does not come."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url + "/", headers={"dalsegno-page": "1"}, timeout=30)
        self.retries = 0
        """How often an answer did not come."""
        me = self.ask("POST", "login", json={"name": "admin", "password": PASSWORD})
        assert me["via"] == "session"

    def ask(self, method: str, path: str, **body: Any) -> Any:
        try:
            answer = self.client.request(method, path, **body)
        except httpx.TransportError:
            self.retries += 1
            answer = self.client.request(method, path, **body)
        assert answer.is_success, answer.text
        return answer.json()


class Live:
    """The stream of live updates of a page, opened again where it stopped, as a browser does."""

    def __init__(self, page: Page, root_run_id: str) -> None:
        self.servers: list[str] = []
        """Which servers told changes, in order."""
        self.openings = 0
        self._page = page
        self._root = root_run_id
        self._told = threading.Condition()
        self._changes = 0
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="live")
        self._thread.start()

    def await_change(self) -> None:
        """Wait until something is told that was not told when this was called."""
        with self._told:
            before = self._changes
            assert self._told.wait_for(lambda: self._changes > before, 30)

    def await_server_other_than(self, id: str) -> None:
        """Wait until another server tells a change."""
        with self._told:
            assert self._told.wait_for(lambda: self.servers[-1] != id, 30)

    def stop(self) -> None:
        self._ended = True
        self._thread.join()

    def _run(self) -> None:
        last: str | None = None
        while not self._ended:
            self.openings += 1
            headers = {} if last is None else {"last-event-id": last}
            path = f"live?root-run-id={self._root}"
            try:
                with self._page.client.stream("GET", path, headers=headers, timeout=httpx.Timeout(5)) as stream:
                    assert stream.status_code == 200
                    for line in stream.iter_lines():
                        last = self._hear(line) or last
                        if self._ended:
                            return
            except httpx.TransportError:
                continue

    def _hear(self, line: str) -> str | None:
        name, _, value = line.partition(": ")
        if name == "data":
            with self._told:
                assert json.loads(value)["root_run_ids"] == [self._root]
                self._changes += 1
                self._told.notify_all()
        if name != "id":
            return None
        with self._told:
            self.servers.append(value.partition("-")[0])
        return value


def test_one_of_two_servers_is_killed_and_nobody_notices_more_than_a_retry(
    servers: list[ServerProcess], proxy: RoundRobin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Page(proxy.url)
    assert [page.ask("GET", "me")["name"] for _ in range(6)] == ["admin"] * 6
    assert min(proxy.served[server.port] for server in servers) >= 3
    key = page.ask("POST", "api-keys", json={"name": "flows"})["key"]
    flows = [Steady(tmp_path / name, SIZES, SECONDS) for name in ("one", "two")]
    with ExitStack() as stack:
        stack.callback(page.client.close)
        one, two = (stack.enter_context(each.start(settings_for(proxy.url, key))) for each in flows)
        one.until("block 1")
        two.until("block 1")
        listed = page.ask("GET", "flow-runs")["items"]
        assert [run["flow_name"] for run in listed] == ["steady", "steady"]
        run_id = listed[0]["id"]
        watch = stack.enter_context(watching(run_id, settings_for(proxy.url, key), tmp_path))
        live = Live(page, run_id)
        stack.callback(live.stop)
        live.await_change()
        one.until("block 3")

        teller = live.servers[-1]
        killed = next(server for server in servers if server.port == proxy.latest["/api/live"])
        killed.kill()
        live.await_server_other_than(teller)
        assert [page.ask("GET", "me")["name"] for _ in range(6)] == ["admin"] * 6
        another = Page(proxy.url)
        stack.callback(another.client.close)
        assert another.ask("GET", "me")["via"] == "session"
        for each in (one, two):
            ended = each.end(100)
            assert (ended.status, ended.last) == (0, f"result {sum(SIZES)}"), ended.errors
            assert "Traceback" not in ended.errors
        seen, complaints = watch.communicate(timeout=60)
        assert (watch.returncode, complaints) == (0, "")
    for each in flows:
        if spool_files(each.program):
            assert deliver(each.program, proxy.url, key).returncode == 0

    ledgers = [Ledger(each.ledger) for each in flows]
    with opened(servers[0].database_url) as backend:
        runs = flow_runs(backend)
        assert len(runs) == 2
        # Which of them began first is anybody's guess; their lines are the same, and so are their tasks.
        for run, ledger in zip(runs, ledgers, strict=True):
            check_complete(backend, run, ledger)
    lines = Counter(f"{line.split()[-3]} was here" for line in seen.splitlines() if line.endswith("was here"))
    assert lines == ledgers[0].logs
    assert "Completed" in seen.splitlines()[-1]
    with capsys.disabled():
        print(
            f"\n{dict(proxy.served)} requests by port, {proxy.broken} without an answer; the page asked "
            f"{page.retries} times again, and opened its stream {live.openings} times"
        )
    assert page.retries <= 1


LEASE = 3.0


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSEGNO_LEASES_LENGTH", str(LEASE))


def test_slots_and_leases_hold_whichever_of_two_servers_is_asked(
    short_leases: None, servers: list[ServerProcess], proxy: RoundRobin, tmp_path: Path
) -> None:
    page = Page(proxy.url)
    key = page.ask("POST", "api-keys", json={"name": "flows"})["key"]
    limit = page.ask("POST", "concurrency-limits", json={"name": "database", "limit": 1})

    def held() -> int:
        return page.ask("GET", f"concurrency-limits/{limit['id']}")["active_slots"]

    settings = settings_for(proxy.url, key)
    with ExitStack() as stack:
        stack.callback(page.client.close)
        holder = stack.enter_context(Program(tmp_path / "one", tmp_path / "home-1", HOLDER).start(settings=settings))
        holder.until("inside")
        waits = stack.enter_context(Program(tmp_path / "two", tmp_path / "home-2", VISITOR).start(settings=settings))
        # Longer than two leases: what one server renews the other one knows of.
        until = time.monotonic() + 2 * LEASE + 1
        while time.monotonic() < until:
            assert held() == 1
            assert waits.process.poll() is None, waits.errors
            time.sleep(0.2)
        servers[0].kill()
        until = time.monotonic() + 2 * LEASE + 1
        while time.monotonic() < until:
            assert held() == 1
            assert waits.process.poll() is None, waits.errors
            time.sleep(0.2)
        holder.send(signal.SIGKILL)
        holder.process.wait()
        assert waits.end(60).last == "was inside"
        assert held() == 0
    # Each of them was asked, for as long as there were two.
    assert min(proxy.served[server.port] for server in servers) >= 5


def watching(run_id: str, variables: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    """Start `dalsegno flow-run watch`, on a machine of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dalsegno", "flow-run", "watch", run_id, "--tail", "100000"],
        env={**os.environ, **variables, "DALSEGNO_HOME": str(folder / "watcher")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
