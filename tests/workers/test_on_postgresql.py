"""Workers on PostgreSQL, without a server and behind one."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
from tests.workers.test_process_worker import JOB, stop
from tests.workers.workshop import Workshop

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.pools import NewPool

pytestmark = pytest.mark.embedded


def test_a_waiting_worker_begins_a_run_at_once(tmp_path: Path, dalsegno_home: Path, postgres_url: str) -> None:
    backend = StoreBackend.open(postgres_url)
    backend.create_pool(NewPool(name="pool"))
    workshop = Workshop(tmp_path / "work", dalsegno_home, backend, {"DALSEGNO_DATABASE_URL": postgres_url})
    workshop.write(JOB)
    with workshop.worker() as worker:
        workshop.until(workshop.ask(), "Completed")
        took: list[float] = []
        for count in range(2, 12):
            asked = time.time()
            workshop.ask()
            took.append(float(workshop.when_noted(count)[-1].split()[-1]) - asked)
        print(f"request to first line of user code: median {statistics.median(took) * 1e3:.1f} ms, of {took}")
        stop(worker)
    backend.close()
