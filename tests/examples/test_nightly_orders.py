"""The demo, run once as a user runs it: it tells the truth, and what it leaves behind is right."""

from __future__ import annotations

import fcntl
import re
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from .conftest import EXAMPLES, Terminal, open_terminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Played(NamedTuple):
    """The demo after it ran."""

    output: str
    folder: Path
    terminal: Terminal

    def list_records(self, *arguments: str) -> list[dict[str, Any]]:
        return self.terminal.list_records(*arguments, home=self.folder / "home")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Played:
    """The demo, run by the first that asks for it, of however many processes run these tests."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if not hasattr(request.config, "workerinput") else base.parent) / "nightly_orders"
    shared.mkdir(exist_ok=True)
    output = shared / "output.txt"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        terminal = Terminal(shared / "work", shared / "nobody")
        if not output.exists():
            terminal = open_terminal(shared)
            output.write_text(terminal.run_example("nightly_orders/demo.py", timeout=280).stdout)
    return Played(output.read_text(), terminal.folder / "build" / "nightly_orders", terminal)


def test_each_claim_of_the_demo_holds(played: Played) -> None:
    assert played.output.count("\n✓ ") == 6
    assert "NOT TRUE" not in played.output


def test_the_command_for_a_closer_look_can_be_copied(played: Played) -> None:
    (command,) = re.findall(r"^  (DALSEGNO_HOME=.*)$", played.output, re.M)
    assert "nightly-orders" in played.terminal.run("sh", "-c", command).stdout
    logs = played.terminal.run("sh", "-c", command.replace("inspect", "logs")).stdout
    assert "503 Service Unavailable" in logs


def test_the_flow_run_was_one_run_that_ran_twice(played: Played) -> None:
    (flow_run,) = played.list_records("flow-run", "ls")
    assert flow_run["state"]["name"] == "Completed"
    assert flow_run["run_count"] == 2


def test_a_step_is_recorded_once_and_a_mapped_one_once_for_each_item(played: Played) -> None:
    steps = Counter(run["name"][:2] for run in played.list_records("task-run", "ls"))
    countries, days = steps.pop("19"), steps.pop("20")
    assert steps == {f"{number:02}": 1 for number in range(1, 30) if number not in (19, 20)}
    assert countries == 8
    assert days >= 365


def test_the_side_file_counts_the_bodies_that_ran(played: Played) -> None:
    bodies = Counter((played.folder / "bodies_that_ran.txt").read_text().split())
    tries_at_night, tries_in_the_morning = 3, 1
    assert bodies.pop("fetch_rates") == tries_at_night + tries_in_the_morning
    assert bodies.pop("measure_country") == 8
    assert bodies.pop("measure_day") >= 365
    assert len(bodies) == 26
    assert set(bodies.values()) == {1}


def test_the_website_has_a_hundred_thousand_orders_and_more_and_its_faults(
    played: Played,
) -> None:
    website = sqlite3.connect(played.folder / "website.sqlite")

    def count(what: str) -> int:
        return website.execute(f"SELECT count(*) FROM {what}").fetchone()[0]

    assert count("(SELECT DISTINCT order_id FROM orders)") == 155_848
    assert count("orders") == 155_848 + 500
    assert count("orders WHERE customer_id IS NULL") == 300
    assert count("orders WHERE country NOT IN (SELECT country FROM countries)") == 200
    assert count("order_lines WHERE quantity < 0") == 700
    website.close()


def test_every_row_of_the_website_is_in_the_warehouse_or_set_aside_with_its_fault(played: Played) -> None:
    with duckdb.connect(played.folder / "warehouse.duckdb", read_only=True) as warehouse:
        aside = dict(warehouse.execute("SELECT fault, count(*) FROM set_aside GROUP BY 1").fetchall())
        orders, lines = warehouse.execute(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_lines)"
        ).fetchone()
    assert orders + lines + sum(aside.values()) == 155_848 + 500 + 1_469_307
    assert {fault: aside[fault] for fault in ("repeated order", "no customer", "unknown country")} == {
        "repeated order": 500,
        "no customer": 300,
        "unknown country": 200,
    }
    assert aside["negative quantity"] == 700
    assert aside["nothing sold"] == 8_869


def test_revenue_is_the_same_by_order_by_country_and_by_day(played: Played) -> None:
    with duckdb.connect(played.folder / "warehouse.duckdb", read_only=True) as warehouse:
        by_order, by_country, by_day = warehouse.execute(
            "SELECT (SELECT sum(euros) FROM orders), "
            "(SELECT sum(revenue) FROM countries), (SELECT sum(revenue) FROM days)"
        ).fetchone()
    assert by_order > 1_000_000
    assert by_country == pytest.approx(by_order, abs=1)
    assert by_day == pytest.approx(by_order, abs=5)


def test_amounts_are_converted_at_the_rates_of_their_currency(played: Played) -> None:
    with duckdb.connect(played.folder / "warehouse.duckdb", read_only=True) as warehouse:
        rates = warehouse.execute(
            "SELECT currency, any_value(amount / euros) FROM orders WHERE amount > 0 GROUP BY 1"
        ).fetchall()
    assert dict(rates) == pytest.approx(
        {"EUR": 1.0, "USD": 1.1993, "GBP": 0.88723, "CHF": 1.1702, "CAD": 1.5039, "AUD": 1.5346}
    )


def test_the_report_has_the_chart_and_is_linked_beside_the_tables(played: Played) -> None:
    report = (played.folder / "report.html").read_text(encoding="utf-8")
    assert "<polyline" in report
    assert "SOFT DRINKS" in report
    artifacts = {artifact["key"]: artifact for artifact in played.list_records("artifact", "ls")}
    assert artifacts.keys() == {"revenue-by-country", "nightly-summary", "nightly-report"}
    assert {artifact["type"] for artifact in artifacts.values()} == {"table", "markdown", "link"}


def test_the_website_is_the_same_for_the_same_seed(played: Played) -> None:
    website = EXAMPLES / "nightly_orders" / "website.py"
    done = played.terminal.run(sys.executable, website, "again.sqlite")
    assert done.returncode == 0, done.stderr
    again = sqlite3.connect(played.terminal.folder / "again.sqlite")
    again.execute("ATTACH ? AS first", [str(played.folder / "website.sqlite")])
    for table in ("customers", "orders", "order_lines"):
        difference = f"SELECT * FROM main.{table} EXCEPT SELECT * FROM first.{table}"
        assert again.execute(difference).fetchall() == []
    again.close()


TWO_NIGHTS = """
from pathlib import Path
import duckdb, pandas as pd
from dalsegno import flow
from dalsegno.transactions import transaction
from pipeline import check_warehouse, load_warehouse

@flow
def night(date: str, revenue: float):
    warehouse = Path("warehouse.duckdb")
    with transaction() as loading:
        loading.set("warehouse", warehouse)
        loading.set("night", date)
        orders = pd.DataFrame({"order_id": [1, 2], "euros": [10.0, 5.0]})
        load_warehouse(warehouse, date, orders=orders, countries=[{"country": "NL", "revenue": revenue}])
        check_warehouse(warehouse, date, orders)

night("2017-12-30", revenue=15.0)
print(night("2017-12-31", revenue=99.0, return_state=True).type)
with duckdb.connect("warehouse.duckdb") as database:
    print(database.execute("SELECT night, count(*) FROM orders GROUP BY 1").fetchall())
"""


def test_a_load_that_fails_its_check_is_taken_back_and_the_night_before_stays(terminal: Terminal) -> None:
    done = terminal.run("env", f"PYTHONPATH={EXAMPLES / 'nightly_orders'}", sys.executable, "-c", TWO_NIGHTS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["FAILED", "[(datetime.date(2017, 12, 30), 2)]"]
