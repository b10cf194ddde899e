"""The flows that a worker of Dalsegno's is asked to run."""

from __future__ import annotations

import requested
from dalsegno import flow, task


@flow
def first_line(home: str) -> None:
    requested.note(home)


@flow
def empty() -> None:
    pass


@task
def fibonacci(number: int) -> int:
    return requested.fibonacci(number)


@flow
def many_fibonacci(number: int, times: int) -> int:
    return sum(fibonacci(number) for _ in range(times))
