"""Each small example runs as its first lines say, prints what it promises, and leaves the records of it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Terminal


def test_mapping_makes_one_task_run_for_each_file_found(terminal: Terminal) -> None:
    done = terminal.run_example("dynamic_mapping.py")
    assert done.stdout.splitlines() == [
        "april: 11.00",
        "february: 7.00",
        "january: 5.00",
        "march: 9.00",
        "all: 32.00",
    ]
    names = {run["name"] for run in terminal.list_records("task-run", "ls")}
    assert {"add up april", "add up february", "add up january", "add up march"} < names
    assert len(names) == 5


def test_branch_takes_the_way_that_the_price_says(terminal: Terminal) -> None:
    assert terminal.run_example("branch_with_fallback.py").stdout.splitlines() == [
        "the price service does not answer; taking the last price of tea",
        "ordering tea",
        "books of tea closed",
        "the price service does not answer; taking the last price of coffee",
        "coffee is dear: asking the buyer",
        "waking someone for coffee",
        "books of coffee closed",
    ]


def test_branch_leaves_records_of_what_was_fallen_back_on_failed_and_skipped(terminal: Terminal) -> None:
    terminal.run_example("branch_with_fallback.py")
    states = Counter((run["task_name"], run["state"]["name"]) for run in terminal.list_records("task-run", "ls"))
    assert states == {
        ("fetch_price", "Fallback"): 2,
        ("order_now", "Completed"): 1,
        ("ask_buyer", "Failed"): 1,
        ("wake_someone", "Skipped"): 1,
        ("wake_someone", "Completed"): 1,
        ("close_books", "Completed"): 2,
    }


def test_fan_out_waits_for_all_requests_at_once(terminal: Terminal) -> None:
    total, seconds = terminal.run_example("async_fan_out.py").stdout.splitlines()
    assert total == f"{sum(range(200))} things in 200 shops"
    measured = re.match(r"([\d.]+) s, where one request after the other would have taken 20 s", seconds)
    assert measured
    assert float(measured[1]) < 10
    runs = terminal.list_records("task-run", "ls")
    assert {run["name"] for run in runs} == {f"stock of shop {shop}" for shop in range(200)}
    assert {run["state"]["name"] for run in runs} == {"Completed"}


def test_transaction_takes_back_what_was_done_before_the_failure(terminal: Terminal) -> None:
    assert terminal.run_example("transaction_rollback.py").stdout.splitlines() == [
        "booked the train to Lyon",
        "booked the hotel in Lyon",
        "paid",
        "booked the train to Rome",
        "booked the hotel in Rome",
        "cancelled the hotel in Rome",
        "cancelled the train to Rome",
        "no trip to Rome: the card has 100, the trip costs 300",
        "booked in the end: train to Lyon, hotel in Lyon",
    ]
    states = Counter((run["task_name"], run["state"]["name"]) for run in terminal.list_records("task-run", "ls"))
    assert states == {
        ("book_train", "Completed"): 1,
        ("book_hotel", "Completed"): 1,
        ("pay", "Completed"): 1,
        ("book_train", "RolledBack"): 1,
        ("book_hotel", "RolledBack"): 1,
        ("pay", "Failed"): 1,
    }
