"""One workflow, one step: the first file that anybody writes."""

from __future__ import annotations

from dbos import DBOS

import dbos_application


@DBOS.step()
def greet(name: str) -> str:
    return f"Hello, {name}!"


@DBOS.workflow()
def hello(name: str = "world") -> None:
    print(greet(name))


if __name__ == "__main__":
    with dbos_application.launched():
        hello()
