"""`dalsegno server`: a real server in a process of its own, started, asked and stopped as people do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dalsegno.server.presence import running

FLOW = """
from dalsegno import flow, task

@task
def double(x):
    return 2 * x

@flow
def doubling():
    return [double(x) for x in range(3)]

if __name__ == "__main__":
    print(doubling())
"""


def dalsegno(*words: str, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dalsegno", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **variables},
    )


@pytest.fixture
def url(dalsegno_home: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A server in the background; its URL."""
    options = getattr(request, "param", [])
    started = dalsegno("server", "start", "--background", "--port", "0", *options)
    assert started.returncode == 0, started.stderr
    found = re.search(r"serves (http://127\.0\.0\.1:\d+) ", started.stdout)
    assert found, started.stdout
    yield found[1]
    dalsegno("server", "stop")
    assert list(running(dalsegno_home)) == []


@pytest.mark.parametrize("url", [[], ["--workers", "2"]], indirect=True, ids=["one process", "two processes"])
def test_a_flow_is_recorded_by_a_server_and_seen_through_it(url: str, tmp_path: Path) -> None:
    script = tmp_path / "doubling.py"
    script.write_text(FLOW)
    api = {"DALSEGNO_API_URL": f"{url}/api", "DALSEGNO_HOME": str(tmp_path / "another-home")}
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, env={**os.environ, **api})
    assert ran.stdout == "[0, 2, 4]\n", ran.stderr
    listed = dalsegno("flow-run", "ls", "--output", "json", **api)
    assert [(run["flow_name"], run["state"]["name"]) for run in json.loads(listed.stdout)] == [
        ("doubling", "Completed")
    ]
    # The server keeps the records, not the home of who ran it.
    assert not (tmp_path / "another-home" / "dalsegno.db").exists()


def test_the_server_says_whether_it_is_there(url: str) -> None:
    port = url.rpartition(":")[2]
    there = dalsegno("server", "status", "--port", port)
    assert (there.returncode, there.stdout) == (0, f"The server at {url} is ready (Dalsegno 0.1.0).\n")
    assert dalsegno("server", "stop", "--port", port).stdout == f"The server at {url} has stopped.\n"
    gone = dalsegno("server", "status", "--port", port, "--output", "json")
    assert gone.returncode == 6
    assert json.loads(gone.stdout)["ready"] is False


def test_waiting_for_a_server_ends_when_it_is_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    waiting = subprocess.Popen(
        [sys.executable, "-m", "dalsegno", "server", "status", "--wait", "--port", port], stdout=subprocess.PIPE
    )
    try:
        assert dalsegno("server", "start", "--background", "--port", port).returncode == 0
        said, _ = waiting.communicate(timeout=60)
        assert b"is ready" in said
        assert waiting.returncode == 0
    finally:
        waiting.kill()
        dalsegno("server", "stop")


def test_waiting_for_a_server_has_an_end() -> None:
    done = dalsegno("server", "status", "--wait", "--timeout", "0.2", "--port", "1")
    assert done.returncode == 6
    assert "No server answers at http://127.0.0.1:1" in done.stdout


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = dalsegno("server", "start", "--port", port)
        assert done.returncode == 2
        assert f"cannot listen on 127.0.0.1, port {port}" in done.stderr
        assert "give another --host or --port" in done.stderr
        behind = dalsegno("server", "start", "--port", port, "--background")
        assert behind.returncode == 1
        assert "cannot listen" in behind.stderr


def test_there_must_be_a_server_to_stop() -> None:
    done = dalsegno("server", "stop")
    assert done.returncode == 5
    assert "No server was started with the home folder" in done.stderr


def test_the_note_of_a_server_that_was_killed_is_not_believed(url: str, dalsegno_home: Path) -> None:
    (server,) = running(dalsegno_home)
    os.kill(server.process.pid, signal.SIGKILL)
    watched = os.pidfd_open(server.process.pid) if _is_there(server.process.pid) else None
    if watched is not None:
        import select

        select.select([watched], [], [], 10)
        os.close(watched)
    assert list(running(dalsegno_home)) == []
    assert not Path(server.path).exists()


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
