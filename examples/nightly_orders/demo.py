"""The demo: a nightly pipeline breaks at step 17, and is picked up at step 17.

Run it: `python examples/nightly_orders/demo.py`. It types the commands that you would type at your own
terminal, and then shows what ran and what did not: from the records, and from a count of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import duckdb

from diary import read_diary
from rates import RatesService
from website import FAULTS, make_website

FOLDER = Path("build/nightly_orders").resolve()
DIARY = FOLDER / "bodies_that_ran.txt"
PIPELINE = os.path.relpath(Path(__file__).with_name("pipeline.py"))
DALSEGNO = Path(sys.executable).with_name("dalsegno")

DONE_AT_NIGHT = [f"{number:02}" for number in range(1, 17)]
LEFT_FOR_MORNING = [f"{number:02}" for number in range(18, 30)]


class Evidence(NamedTuple):
    """What is known of a flow run at some time."""

    steps: dict[str, list[dict]]
    """Its task runs as the records have them, by the number of their step."""
    bodies: Counter[str]
    """How often each task's body ran, by the name of its function."""


def main() -> int:
    started = time.perf_counter()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ.setdefault("DALSEGNO_HOME", str(FOLDER / "home"))
    os.environ["DIARY"] = str(DIARY)

    headline("Evening: the website takes orders")
    sizes = make_website(FOLDER / "website.sqlite")
    print(f"{sizes['orders']:,} orders with {sizes['order_lines']:,} lines: a year of a grocery chain's.")
    print("Sown among them:", ", ".join(f"{fault} ({rows})" for fault, rows in FAULTS.items()))

    with RatesService() as rates:
        headline("3 AM: the pipeline runs, but the service of exchange rates is down")
        print("(The service is the demo's own: it answers 503 until the morning.)\n")
        run("run", f"{PIPELINE}:nightly_orders", "-p", f"folder={FOLDER}", "-p", f"rates_url={rates.url}")
        flow_run = ask("flow-run", "ls")[0]["id"]
        night = gather_evidence(flow_run)
        print("\nStep 17 failed, and the run with it. Where to look:")
        print(f"  dalsegno flow-run inspect {flow_run}")
        print(f"  dalsegno flow-run logs {flow_run}")

        headline("Morning: the service is back, and you pick the run up where it broke")
        rates.is_up = True
        run("flow-run", "retry", flow_run)
        morning = gather_evidence(flow_run)

    headline("What ran")
    show_steps(night, morning)
    print()
    claims = {**compare(night, morning), "the warehouse has each good order once": orders_are_loaded(sizes)}
    for claim, is_true in claims.items():
        print("✓" if is_true else "✗ NOT TRUE:", claim)

    headline(f"Where it all is, after {time.perf_counter() - started:.0f} seconds")
    home = os.environ["DALSEGNO_HOME"]
    print(f"records    {home}")
    print(f"website    {FOLDER / 'website.sqlite'}")
    print(f"warehouse  {FOLDER / 'warehouse.duckdb'}")
    print(f"report     {FOLDER / 'report.html'}")
    print("\nTo look into the records yourself:")
    print(f"  DALSEGNO_HOME={home} {DALSEGNO} flow-run inspect {flow_run}")
    return 0 if all(claims.values()) else 1


def headline(text: str) -> None:
    print(f"\n── {text} " + "─" * max(0, 88 - len(text)))


def run(*arguments: str) -> None:
    """Show a command and run it, as you would."""
    print(f"$ dalsegno {shlex.join(arguments)}", flush=True)
    subprocess.run([DALSEGNO, *arguments])


def ask(*arguments: str) -> list[dict]:
    """What a command lists, as data."""
    command = [DALSEGNO, *arguments, "--output", "json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def gather_evidence(flow_run: str) -> Evidence:
    steps: dict[str, list[dict]] = {}
    for task_run in ask("task-run", "ls", "--flow-run", flow_run, "--all"):
        steps.setdefault(task_run["name"][:2], []).append(task_run)
    return Evidence(steps, read_diary(DIARY))


def show_steps(night: Evidence, morning: Evidence) -> None:
    """A line for each step: its task runs in the records, and how often their bodies ran."""
    print(f"{'step':<40}{'in the records':<18}{'bodies: at night':>18}{'in the morning':>16}")
    for step, task_runs in sorted(morning.steps.items()):
        function = task_runs[0]["task_name"]
        title = task_runs[0]["name"] if len(task_runs) == 1 else f"{step} {function}, mapped"
        states = " ".join(sorted({state_of(task_run) for task_run in task_runs}))
        at_night = night.bodies[function]
        then = morning.bodies[function] - at_night
        print(f"{title:<40}{f'{len(task_runs)} {states}':<18}{at_night:>18}{then:>16}")


def compare(night: Evidence, morning: Evidence) -> dict[str, bool]:
    """What the demo claims, and whether the evidence bears it out."""

    def ran_once(step: str) -> bool:
        """Whether the step's body ran once for each of its task runs."""
        task_runs = morning.steps.get(step, [])
        return bool(task_runs) and morning.bodies[task_runs[0]["task_name"]] == len(task_runs)

    states_at_night = {step: {state_of(run) for run in runs} for step, runs in night.steps.items()}
    states_now = {step: {state_of(run) for run in runs} for step, runs in morning.steps.items()}
    return {
        "at night steps 1 to 16 completed, 17 failed, and none was begun after it": (
            states_at_night == {step: {"Completed"} for step in DONE_AT_NIGHT} | {"17": {"Failed"}}
        ),
        "in the morning all 29 completed": (
            states_now == {step: {"Completed"} for step in [*DONE_AT_NIGHT, "17", *LEFT_FOR_MORNING]}
        ),
        "the records of steps 1 to 16 are as the night left them": (
            all(morning.steps.get(step) == night.steps.get(step) for step in DONE_AT_NIGHT)
        ),
        "no body of steps 1 to 16 ran a second time": all(map(ran_once, DONE_AT_NIGHT)),
        "the bodies of steps 18 to 29 ran once for each task run": all(map(ran_once, LEFT_FOR_MORNING)),
    }


def state_of(task_run: dict) -> str:
    return task_run["state"]["name"]


def orders_are_loaded(sizes: dict[str, int]) -> bool:
    """Whether the warehouse has the website's orders less the faulty ones."""
    faulty = FAULTS["repeated order"] + FAULTS["no customer"] + FAULTS["unknown country"]
    if not (FOLDER / "warehouse.duckdb").exists():
        return False
    with duckdb.connect(FOLDER / "warehouse.duckdb", read_only=True) as warehouse:
        loaded = warehouse.execute("SELECT count(*), count(DISTINCT order_id) FROM orders").fetchone()
    return loaded == (sizes["orders"] - faulty, sizes["orders"] - faulty)


if __name__ == "__main__":
    sys.exit(main())
