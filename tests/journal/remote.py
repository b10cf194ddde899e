"""A server that can be away, in this process: the store behind a switch. Runs anywhere; says what was asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dalsegno._backend import connect
from dalsegno._backend.embedded import StoreBackend
from dalsegno.exceptions import BackendError, BackendUnavailable, ServerFault
from dalsegno.model.records import Batch, Receipt
from dalsegno.settings import get_current_settings


class RemoteStore:
    """A backend that spools, over a store; away while `is_away()`."""

    spools = True
    url = "http://shop.example/api"

    def __init__(self, store: StoreBackend, is_away: Callable[[], bool] = lambda: False) -> None:
        self.store = store
        self.is_away = is_away
        self.refuses: Callable[[Batch], bool] = lambda _: False
        self.fails: Callable[[Batch], bool] = lambda _: False
        self.refuses_all = False
        self.fails_all = False
        self.delivered: list[Batch] = []
        self.hangs: threading.Event | None = None
        """While there is one, batches are applied only when it is set."""

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.store, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            self._see_that_it_is_there()
            return operation(*arguments, **keywords)

        return call

    def deliver(self, batch: Batch) -> Receipt:
        self._see_that_it_is_there()
        if self.hangs is not None:
            self.hangs.wait(60.0)
        if self.refuses(batch):
            raise BackendError("This batch is too odd.")
        if self.fails(batch):
            raise ServerFault("The server met an error (it is in its log).")
        receipt = self.store.deliver(batch)
        self.delivered.append(batch)
        return receipt

    def clean_up(self) -> int:
        raise AssertionError("a server keeps its own house")

    def close(self) -> None:
        self.store.close()

    def _see_that_it_is_there(self) -> None:
        if self.is_away():
            raise BackendUnavailable(f"The server at {self.url} cannot be reached (refused).")
        if self.fails_all:
            raise ServerFault("The server met an error (it is in its log).")
        if self.refuses_all:
            raise BackendError("Nobody knows you.")


class Switch:
    """A file; while it is there, the server is away, for every process that looks at it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> bool:
        return self.path.exists()

    def off(self) -> None:
        """Take the server away."""
        self.path.touch()

    def on(self) -> None:
        """Bring it back."""
        self.path.unlink(missing_ok=True)


def install(folder: Path) -> RemoteStore:
    """Have `connect` give a server whose database and switch are in a folder."""
    remote = RemoteStore(StoreBackend.in_file(str(folder / "server.db")), Switch(folder / "away"))
    connect._open[get_current_settings().database.url] = remote  # pyright: ignore[reportPrivateUsage, reportArgumentType]
    return remote
