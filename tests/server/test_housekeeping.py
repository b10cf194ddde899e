"""A server deletes what is past its age: its clients leave that to it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.served import serving
from tests.store.make import COMPLETED, Run, now

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import new_id

_DAY = 86_400


def test_runs_past_their_age_go(tmp_path: Path) -> None:
    backend = StoreBackend.in_file(str(tmp_path / "runs.db"), runs_age=90.0 * _DAY, logs_age=None)
    moment = time.time_ns() - 100 * _DAY * 10**9
    old, young = Run(id=new_id(moment)), Run()
    for run, ended in ((old, moment // 1000), (young, now())):
        backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED, end_time=ended)]))
    token = backend.change_token()
    deadline = time.monotonic() + 30
    with serving(backend):
        while backend.read_flow_run(old.id) is not None and time.monotonic() < deadline:
            token = backend.wait_for_change(token, 1.0)
    assert backend.read_flow_run(old.id) is None
    assert backend.read_flow_run(young.id) is not None
    backend.close()
