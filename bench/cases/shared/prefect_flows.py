"""The flows that Prefect's server is asked to run; executed as a script, serves or deploys them."""

from __future__ import annotations

import sys
from pathlib import Path

from prefect import flow, task

import requested

POOL = "bench"


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


FLOWS = {each.name: each for each in (first_line, empty, many_fibonacci)}


def deploy(name: str) -> None:
    """Make a deployment in the pool, from this file."""
    entrypoint = f"{Path(__file__).name}:{name.replace('-', '_')}"
    flow.from_source(source=str(Path(__file__).parent), entrypoint=entrypoint).deploy(name="bench", work_pool_name=POOL)


if __name__ == "__main__":
    what, name = sys.argv[1:3]
    if what == "serve":
        FLOWS[name].serve(name="bench", limit=int(sys.argv[3]))
    else:
        deploy(name)
