"""Small tasks and helpers that the tests of behaviour call; nothing here is a test."""

from __future__ import annotations

import threading
from typing import Any

from dalsegno import task

PATIENCE = 10.0
"""Seconds after which a test that waits for an event gives up; never reached when all is well."""


class OutOfStock(Exception):
    """What the failing tasks raise: no class that any other code raises."""


@task
def give(value: Any = 1) -> Any:
    return value


@task
def fail(message: str = "none left") -> Any:
    raise OutOfStock(message)


@task
def total(*numbers: int) -> int:
    return sum(numbers)


class Histories:
    """A hook that notes which states each run went through: give it as a hook of final states."""

    def __init__(self) -> None:
        self.names: list[list[str]] = []
        self.types: list[list[str]] = []

    def __call__(self, _: Any, run: Any, state: Any) -> None:
        self.names.append([state.name for state in run.states])
        self.types.append([state.type.value for state in run.states])


class Gate:
    """Holds a body until the test opens it. Forgetting to open it fails the test rather than hanging it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def pass_through(self) -> None:
        self.entered.set()
        assert self._open.wait(PATIENCE), "The gate was never opened."

    def open(self) -> None:
        self._open.set()

    def wait_until_entered(self) -> None:
        assert self.entered.wait(PATIENCE), "Nobody came to the gate."
