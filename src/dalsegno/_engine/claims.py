"""Keeps the lease of a claimed run until its own heartbeats do: loading the code of a flow may take long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

from dalsegno._backend.protocol import Backend
from dalsegno.exceptions import BackendError, BackendUnavailable
from dalsegno.model.queue import ClaimedRun


@contextmanager
def kept(backend: Backend, process_id: bytes, claimed: ClaimedRun) -> Generator[None]:
    """Renew the lease of a claim while the block runs."""
    done = threading.Event()
    held = {claimed.flow_run_id: claimed.attempt}

    def renew() -> None:
        while not done.wait(claimed.lease / 3):
            try:
                if backend.renew_leases(process_id, held).fenced:
                    return  # The engine learns of it with its first batch.
            except BackendUnavailable:
                continue  # No lease ends before its holder could renew it.
            except BackendError as error:
                print(f"dalsegno: the lease of a run cannot be renewed: {error}", file=sys.stderr, flush=True)
                return

    thread = threading.Thread(target=renew, name="dalsegno-claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5.0)
