"""Long polls for what is wanted of runs: one thread of the server for all, and nobody misses a wish."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.served import serving
from tests.store.make import Run

from dalsegno._backend.connect import open_remote
from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import new_id
from dalsegno.settings import get_current_settings, temporary_settings

PATIENCE = 20.0


def test_processes_wait_in_the_server_without_a_thread_each(tmp_path: Path) -> None:
    backend = StoreBackend.in_file(str(tmp_path / "runs.db"))
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    with serving(backend) as url, temporary_settings({"DALSEGNO_API_URL": url, "DALSEGNO_API_TIMEOUT": "60"}):
        remotes = [open_remote(get_current_settings()) for _ in range(40)]
        heard: list[bool] = []

        def wait(remote: object, id: bytes) -> None:
            heard.append(remote.wait_for_wish(id, PATIENCE))  # pyright: ignore[reportAttributeAccessIssue]

        ids = [new_id() for _ in remotes]
        # What was wanted before was told to nobody.
        assert all(remote.wait_for_wish(id, PATIENCE) for remote, id in zip(remotes, ids, strict=True))
        # Until the one listener of the server is there, its own beginning counts as a wish.
        while remotes[0].wait_for_wish(ids[0], 0.2):
            pass
        for remote, id in zip(remotes, ids, strict=True):
            remote.wait_for_wish(id, 0.0)
        waiting = [threading.Thread(target=wait, args=pair) for pair in zip(remotes, ids, strict=True)]
        for each in waiting:
            each.start()
        # More wait than there are threads for the store, and others are served all the same.
        assert remotes[0].request_cancel(run.id)
        for each in waiting:
            each.join(PATIENCE)
        assert heard == [True] * 40
        # A wish that comes while nobody asks is told to who asks next; and to each once.
        backend.database.announce_wish()
        assert remotes[0].wait_for_wish(ids[0], PATIENCE)
        assert not remotes[0].wait_for_wish(ids[0], 0.1)
        for remote in remotes:
            remote.close()
    backend.close()
