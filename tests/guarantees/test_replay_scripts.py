"""A script and the command line pick up what the other began, though one of them runs it as `__main__`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from __future__ import annotations

import os
import sys

from dalsegno import flow, task


class Order:
    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return type(other) is Order and other.number == self.number

    __hash__ = None


@task
def extract() -> list[Order]:
    print("BODY extract")
    return [Order(1), Order(2)]


@task
def clean(orders: list[Order]) -> list[Order]:
    print("BODY clean", sys.modules[Order.__module__].Order is Order)
    return [order for order in orders if order == Order(order.number) and isinstance(order, Order)]


@task
def load(orders: list[Order]) -> int:
    print("BODY load", all(type(order) is Order for order in orders))
    if "BROKEN" in os.environ:
        raise ConnectionError("the warehouse is away")
    return len(orders)


@flow
def nightly(minimum: Order = Order(0)) -> int:
    found = load(clean(extract()))
    print("RESULT", found, isinstance(minimum, Order))
    return found


def main(arguments):
    if arguments[:1] == ["retry"]:
        from dalsegno.flow_runs import retry_flow_run

        retry_flow_run(arguments[1])
    else:
        nightly()


if __name__ == "__main__":
    main(sys.argv[1:])
"""


class Workshop:
    """A folder with the script, and processes that run it."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "nightly_orders.py"
        self.script.write_text(SCRIPT, encoding="utf-8")

    def run(self, *command: str, broken: bool = False) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "BROKEN": "1"} if broken else dict(os.environ)
        return subprocess.run(
            [sys.executable, *command],
            env=environment,
            cwd=self.script.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    def as_script(self, *arguments: str, broken: bool = False) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.script), *arguments, broken=broken)

    def by_command(self, *arguments: str, broken: bool = False) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "dalsegno.cli", *arguments, broken=broken)

    def run_id(self) -> str:
        listed = self.by_command("flow-run", "ls", "--output", "json").stdout
        found = re.search(r'"id": "([0-9a-f-]{36})"', listed)
        assert found is not None, listed
        return found[1]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def bodies(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith(("BODY", "RESULT"))]


BROKEN_OFF = ["BODY extract", "BODY clean True", "BODY load True"]
PICKED_UP = ["BODY load True", "RESULT 2 True"]


def test_the_command_line_reads_what_a_script_pickled(workshop: Workshop) -> None:
    first = workshop.as_script(broken=True)
    assert first.returncode == 1
    assert bodies(first) == BROKEN_OFF
    again = workshop.by_command("flow-run", "retry", workshop.run_id())
    assert again.returncode == 0, again.stderr
    assert bodies(again) == PICKED_UP


def test_a_script_reads_what_was_pickled_by_the_command_line(workshop: Workshop) -> None:
    first = workshop.by_command("run", f"{workshop.script}:nightly", broken=True)
    assert first.returncode != 0
    assert bodies(first) == BROKEN_OFF
    again = workshop.as_script("retry", workshop.run_id())
    assert again.returncode == 0, again.stderr
    assert bodies(again) == PICKED_UP


def test_it_goes_back_and_forth(workshop: Workshop) -> None:
    workshop.as_script(broken=True)
    for _ in range(2):
        middle = workshop.by_command("flow-run", "retry", workshop.run_id(), broken=True)
        assert bodies(middle) == ["BODY load True"], middle.stderr
        middle = workshop.as_script("retry", workshop.run_id(), broken=True)
        assert bodies(middle) == ["BODY load True"], middle.stderr
    assert bodies(workshop.by_command("flow-run", "retry", workshop.run_id())) == PICKED_UP


THIRD = """
import sys

from dalsegno.flow_runs import fork_flow_run, retry_flow_run


class Order:
    \"\"\"Another one than that of the script.\"\"\"


if __name__ == "__main__":
    what, run = sys.argv[1:]
    if what == "import":
        import nightly_orders
    print("THIRD", fork_flow_run(run, {}) if what == "fork" else retry_flow_run(run))
    if what == "import":
        print("SAME", sys.modules["nightly_orders"] is nightly_orders)
"""


@pytest.mark.parametrize("what", ["retry", "import", "fork"])
def test_a_third_program_reads_what_a_script_pickled(workshop: Workshop, what: str) -> None:
    third = workshop.script.with_name("third.py")
    third.write_text(THIRD, encoding="utf-8")
    assert bodies(workshop.as_script(broken=True)) == BROKEN_OFF
    again = workshop.run(str(third), what, workshop.run_id())
    assert again.returncode == 0, again.stderr
    assert bodies(again) == PICKED_UP
    assert again.stdout.splitlines()[2:] == ["THIRD 2", *(["SAME True"] if what == "import" else [])]
    assert "runs again" not in again.stderr


def test_a_script_reads_what_a_third_program_completed(workshop: Workshop) -> None:
    third = workshop.script.with_name("third.py")
    third.write_text(THIRD, encoding="utf-8")
    workshop.as_script(broken=True)
    workshop.run(str(third), "retry", workshop.run_id(), broken=True)
    assert bodies(workshop.as_script("retry", workshop.run_id())) == PICKED_UP


NOTEBOOK = SCRIPT.replace(
    'if __name__ == "__main__":\n    main(sys.argv[1:])',
    "if os.environ.get('NOTEBOOK') == 'begins':\n    nightly()",
)


def test_what_was_pickled_in_a_notebook_is_told_to_be_read_there(workshop: Workshop) -> None:
    begins = subprocess.run(
        [sys.executable, "-"],
        input=NOTEBOOK,
        env={**os.environ, "BROKEN": "1", "NOTEBOOK": "begins"},
        cwd=workshop.script.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BODY load True" in begins.stdout, begins.stderr
    run = workshop.run_id()
    third = workshop.script.with_name("fourth.py")
    third.write_text(
        "import sys\nfrom dalsegno.flow_runs import retry_flow_run\nfrom nightly_orders import nightly\n"
        "retry_flow_run(sys.argv[1], flow=nightly)\n",
        encoding="utf-8",
    )
    again = workshop.run(str(third), run)
    assert again.returncode != 0
    assert "refers to 'Order' of the script or notebook that wrote it" in again.stderr
    assert "define 'Order' in a module that both import" in again.stderr
