"""What a worker costs while it waits, and what it tells of itself."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest
from tests.workers.test_process_worker import stop
from tests.workers.workshop import Workshop

pytestmark = pytest.mark.embedded


def memory_of(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


def test_an_idle_worker_is_small_and_knows_its_health(workshop: Workshop) -> None:
    settings = {"DALSEGNO_WORKER_HEALTHCHECK_PORT": "0"}
    with workshop.worker("--with-healthcheck", "--name", "small", "--limit", "3", settings=settings) as worker:
        workshop.when(lambda: bool(workshop.backend.list_workers("pool")))
        (view,) = workshop.backend.list_workers("pool")
        assert (view.worker.name, view.worker.limit, view.online) == ("small", 3, True)
        assert worker.process.stdout is not None
        url = worker.process.stdout.readline().split()[2].rstrip(".")
        with urllib.request.urlopen(url, timeout=30) as answer:
            said = json.loads(answer.read())
        assert (answer.status, said["status"], said["running"], said["work_pool"]) == (200, "ready", 0, "pool")
        memory = memory_of(worker.process.pid)
        print(f"an idle worker takes {memory:.1f} MB")
        assert memory <= 80
        stop(worker)
