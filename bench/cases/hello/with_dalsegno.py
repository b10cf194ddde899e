"""One flow, one task: the first file that anybody writes."""

from __future__ import annotations

from dalsegno import flow, task


@task
def greet(name: str) -> str:
    return f"Hello, {name}!"


@flow(log_prints=True)
def hello(name: str = "world") -> None:
    print(greet(name))


if __name__ == "__main__":
    hello()
