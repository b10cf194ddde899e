"""The flows whose runs the page shows in its tests and in its pictures. `nightly` breaks at step 17 while a file named
in RATES_DOWN is there."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from dalsegno import flow, get_run_logger, pause_flow_run, tags, task
from dalsegno.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from dalsegno.input import RunInput

DOWN = "RATES_DOWN"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6"
    "kgAAAABJRU5ErkJggg=="
)
HOSTILE = (
    "<script>window.hacked = 1</script> <img src=x onerror='window.hacked = 2'> \x1b[31mred\x1b[0m javascript:alert(1)"
)
HOSTILE_MARKDOWN = """# Hostile <script>window.hacked = 3</script>

<img src=x onerror="window.hacked = 4"> <svg onload="window.hacked = 5">

[click](javascript:window.hacked=6) [data](data:text/html,<script>window.hacked=7</script>)
![tracker](https://tracker.example/pixel.png) ![x](javascript:window.hacked=8)

| a | b |
| --- | ---: |
| <b onmouseover="window.hacked = 9">cell</b> | 1 |
"""
REPORT = """## Revenue by country

| country | orders | revenue |
| --- | ---: | ---: |
| Germany | 1,204 | 88,120 € |
| France | 981 | 71,004 € |
| Italy | 640 | 40,917 € |

Orders that could **not** be priced are set aside; see `quarantine/`.

1. Check the rates.
2. Run `dalsegno flow-run retry last`.
"""


@task
def extract(table: str) -> list[int]:
    """Read a table of the website."""
    get_run_logger().info("Read %s: %d rows", table, 20 * len(table))
    time.sleep(0.02)
    return list(range(20 * len(table)))


@task
def validate(rows: list[int]) -> list[int]:
    """Set faulty rows aside."""
    if len(rows) % 3 == 0:
        get_run_logger().warning("%d rows without a customer were set aside", len(rows) // 10)
    return [row for row in rows if row % 7]


@task
def join(parts: list[list[int]]) -> int:
    """Put the parts together."""
    time.sleep(0.03)
    return sum(map(len, parts))


@task(retries=1, retry_delay_seconds=0.01)
def fetch_rates(day: str) -> dict[str, float]:
    """Ask the bank for its rates of exchange."""
    path = os.environ.get(DOWN)
    if path is not None and Path(path).exists():
        raise ConnectionError(f"The rates service answered 503 for {day}: it is down for maintenance")
    return {"EUR": 1.0, "USD": 1.08}


@task
def convert(orders: int, rates: dict[str, float]) -> float:
    """Convert to euros."""
    return orders * rates["USD"]


@task
def revenue(country: str, total: float) -> float:
    """The revenue of one country."""
    time.sleep(0.01)
    return total / len(country)


@task
def publish(totals: list[float]) -> None:
    """Put the report where people see it."""
    create_markdown_artifact(REPORT, key="revenue-report", description="What the night brought in.")
    create_table_artifact(
        [{"country": "Germany", "revenue": totals[0]}, {"country": "France", "revenue": totals[1]}], key="totals"
    )
    create_link_artifact("https://example.org/report", "The report", key="report-link")
    create_progress_artifact(100.0, key="nightly-progress")
    create_image_artifact(PIXEL, key="chart")


@flow(log_prints=True)
def load_warehouse(total: float) -> float:
    """Load what was converted."""
    print(f"\x1b[32mLoading\x1b[0m {total:.2f} euros")
    return convert(int(total), {"USD": 1.0})


@flow(log_prints=True)
def nightly(day: str = "2026-01-31") -> float:
    """The orders of a website, checked, converted to euros and loaded into a warehouse."""
    print(f"Orders of {day}")
    tables = [extract(name) for name in ("countries", "customers", "products", "coupons", "orders", "lines")]
    checked = [validate(rows) for rows in tables]
    joined = join(checked)
    for name in ("audit", "history", "stock"):
        extract(name)
    with tags("external"):
        rates = fetch_rates(day)
    total = convert(joined, rates)
    load_warehouse(total)
    totals = [revenue.submit(country, total) for country in ("Germany", "France", "Italy", "Spain")]
    publish([each.result() for each in totals])
    return total


@task
def shout(text: str) -> str:
    """Log what it is told."""
    get_run_logger().error(text)
    create_markdown_artifact(HOSTILE_MARKDOWN, key="hostile", description=HOSTILE_MARKDOWN)
    return text


@flow
def hostile() -> None:
    """Leaves what an attacker would."""
    logging.getLogger("dalsegno").debug("begins")
    shout(HOSTILE)
    raise ValueError(HOSTILE)


@task
def step(number: int) -> int:
    """Nothing much."""
    return number


@flow
def wide(count: int = 10_000) -> None:
    """Very many task runs, some of which need others."""
    last = 0
    for number in range(count):
        last = step(last if number % 10 else number)


@flow
def talks(lines: int, folder: str) -> None:
    """Log so many lines, and one more when it is told to."""
    log = get_run_logger()
    for number in range(lines):
        log.warning("line %d of many", number) if number % 100 == 0 else log.info("line %d of many", number)
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    log.info("the last word")


class Approval(RunInput):
    """What a person decides."""

    approved: bool
    reason: str
    copies: int = 1


@flow
def asks() -> str:
    """Wait for a person's word."""
    step(1)
    approval = pause_flow_run(wait_for_input=Approval.with_initial_data("Publish the **report**?"), timeout=120)
    return f"{approval.approved} {approval.reason} {approval.copies}"


@flow
def waits(folder: str) -> None:
    """Run until it is told to stop."""
    step(1)
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    step(2)


if __name__ == "__main__":
    nightly()
