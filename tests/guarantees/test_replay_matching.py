"""Which recorded call answers which: by task and inputs, whatever the order, and never by a stale input."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.guarantees.replay_attempts import Attempts

from dalsegno import flow, task

LARGE = 300 * 1024  # bytes; more than what counts by content


def test_coroutines_of_a_gather_may_swap_their_order(attempts: Attempts) -> None:
    @task
    async def fetch(url: str) -> str:
        attempts.say(url)
        await asyncio.sleep(0)
        return url.upper()

    @flow
    async def main() -> list[str]:
        urls = ["a", "b", "c"] if attempts.number == 1 else ["c", "a", "b"]
        pages = await asyncio.gather(*(fetch(url) for url in urls))
        attempts.fail()
        return pages

    assert attempts.first(main).is_failed()
    assert attempts.again().result() == ["C", "A", "B"]
    assert attempts.said == []


def test_swapped_and_inserted_steps_keep_their_records(attempts: Attempts) -> None:
    tasks = """
@task
def extract(day):
    here().say(("extract", day))
    return day * 100

@task
def clean(rows):
    here().say(("clean", rows))
    return rows + 1

@task
def audit(rows):
    here().say(("audit", rows))
"""
    before = "@flow\ndef main():\n    a = extract(1)\n    b = clean(a)\n    c = extract(2)\n    here().fail()\n"
    after = "@flow\ndef main():\n    c = extract(2)\n    audit(c)\n    a = extract(1)\n    return clean(a), clean(c)\n"
    attempts.first(attempts.load(tasks + before))
    assert attempts.again(attempts.load(tasks + after)).result() == (101, 201)
    assert attempts.said == [("audit", 200), ("clean", 200)]


def test_the_nth_call_with_equal_inputs_takes_the_nth_record(attempts: Attempts) -> None:
    @task
    def draw(box: str) -> int:
        attempts.say(box)
        return 1000 + len(attempts.said)

    @flow
    def main() -> list[int]:
        drawn = [draw("red"), draw("blue"), draw("red"), draw("red")]
        if attempts.number > 1:
            drawn.append(draw("red"))
        attempts.fail()
        return drawn

    attempts.first(main)
    assert attempts.again().result() == [1001, 1002, 1003, 1004, 1001]
    assert attempts.said == ["red"]


def test_equal_calls_keep_their_order_whichever_thread_is_first(attempts: Attempts) -> None:
    @task
    def wait() -> None:
        if attempts.number == 1:
            second_began.wait(10)

    @task
    def draw(box: str) -> int:
        attempts.say("draw")
        if attempts.said.count("draw") == 1:
            second_began.set()
        return attempts.said.count("draw")

    @task
    def left(number: int) -> tuple[str, int]:
        attempts.say("left")
        return "left", number

    @task
    def right(number: int) -> tuple[str, int]:
        attempts.say("right")
        return "right", number

    @flow
    def main() -> list[tuple[str, int]]:
        slow = draw.submit("red", wait_for=[wait.submit()])
        quick = draw.submit("red")
        ends = [left.submit(slow), right.submit(quick)]
        found = [end.result() for end in ends]
        attempts.fail()
        return found

    second_began = threading.Event()
    attempts.first(main)
    assert attempts.again().result() == [("left", 2), ("right", 1)]
    assert attempts.said == []


def test_an_argument_changed_in_place_between_two_calls_makes_two_inputs(attempts: Attempts) -> None:
    @task
    def total(rows: list[int]) -> int:
        attempts.say(list(rows))
        return sum(rows)

    @flow
    def main() -> tuple[int, int]:
        rows = [1, 2]
        first = total(rows)
        rows.append(30)
        second = total(rows)
        attempts.fail()
        return first, second

    attempts.first(main)
    assert attempts.said == [[1, 2], [1, 2, 30]]
    assert attempts.again().result() == (3, 33)
    assert attempts.said == []


def test_an_argument_changed_before_the_first_call_is_not_answered_by_the_record_of_the_old_one(
    attempts: Attempts,
) -> None:
    @task
    def total(rows: list[int]) -> int:
        attempts.say(list(rows))
        return sum(rows)

    @flow
    def main() -> int:
        rows = [1, 2]
        if attempts.number > 1:
            rows[0] = 100
        found = total(rows)
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again().result() == 102
    assert attempts.said == [[100, 2]]


def test_what_is_downstream_of_another_value_runs_again(attempts: Attempts) -> None:
    @task(persist_result=False)
    def rate() -> float:
        return 1.0 + attempts.number

    @task
    def convert(amount: int, rate: float) -> float:
        attempts.say(("convert", amount, rate))
        return amount * rate

    @task
    def publish(amount: float) -> float:
        attempts.say(("publish", amount))
        return amount

    @flow
    def main() -> float:
        found = publish(convert(10, rate()))
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again().result() == 30.0
    assert attempts.said == [("convert", 10, 3.0), ("publish", 30.0)]


def test_what_takes_a_future_of_something_that_ran_again_runs_again_though_the_value_is_equal(
    attempts: Attempts,
) -> None:
    @task(persist_result=False)
    def extract() -> int:
        attempts.say("extract")
        return 5000

    @task
    def clean(rows: int) -> int:
        attempts.say("clean")
        return rows + 1

    @task
    def count(rows: int) -> int:
        attempts.say("count")
        return rows

    @flow
    def main() -> int:
        rows = extract.submit()
        cleaned = clean.submit(rows)
        counted = count(rows.result())
        attempts.fail()
        return cleaned.result() + counted

    attempts.first(main)
    assert attempts.again().result() == 10001
    assert attempts.said == ["extract", "clean"]


def test_a_large_list_that_is_passed_on_unchanged_does_not_make_its_consumer_run_again(attempts: Attempts) -> None:
    @task
    def extract() -> list[int]:
        attempts.say("extract")
        return list(range(LARGE))

    @task
    def total(rows: list[int]) -> int:
        attempts.say("total")
        return sum(rows)

    @flow
    def main() -> int:
        found = total(extract())
        attempts.fail(1, 2)
        return found

    attempts.first(main)
    attempts.again()
    assert attempts.again().result() == sum(range(LARGE))
    assert attempts.said == []


CORRECTED = {
    "a large list": (
        "list(range(300 * 1024))",
        "rows[0] = 1",
        "sum(rows)",
        sum(range(LARGE)) + 1,
    ),
    "a large frame": (
        "__import__('pandas').DataFrame({'price': range(300 * 1024)})",
        "rows.loc[0, 'price'] = 1",
        "int(rows['price'].sum())",
        sum(range(LARGE)) + 1,
    ),
}


@pytest.mark.parametrize("kind", CORRECTED)
def test_a_large_value_that_is_corrected_in_the_flows_body_is_not_taken_for_the_old_one(
    attempts: Attempts, kind: str
) -> None:
    made, correction, summed, expected = CORRECTED[kind]
    if kind == "a large frame":
        pytest.importorskip("pandas")
    tasks = f"""
@task
def extract():
    here().say("extract")
    return {made}

@task
def total(rows):
    here().say("total")
    return {summed}
"""
    before = "@flow\ndef main():\n    rows = extract()\n    found = total(rows)\n    here().fail()\n    return found\n"
    after = f"@flow\ndef main():\n    rows = extract()\n    {correction}\n    found = total(rows)\n    return found\n"
    attempts.first(attempts.load(tasks + before))
    assert attempts.said == ["extract", "total"]
    assert attempts.again(attempts.load(tasks + after)).result() == expected
    assert attempts.said == ["total"]


def test_a_correction_counts_also_when_an_attempt_failed_between(attempts: Attempts) -> None:
    tasks = f"""
@task
def extract():
    return list(range({LARGE}))

@task
def total(rows):
    here().say("total")
    return sum(rows)
"""
    before = "@flow\ndef main():\n    rows = extract()\n    found = total(rows)\n    here().fail()\n    return found\n"
    after = (
        "@flow\ndef main():\n    rows = extract()\n    rows[0] = 1\n    here().fail(2)\n"
        "    found = total(rows)\n    here().fail(3)\n    return found\n"
    )
    attempts.first(attempts.load(tasks + before))
    edited = attempts.load(tasks + after)
    assert attempts.again(edited).is_failed()
    assert attempts.said == []
    assert attempts.again(edited).is_failed()
    assert attempts.said == ["total"], "the record was made of the list as it was before"
    assert attempts.again(edited).result() == sum(range(LARGE)) + 1
    assert attempts.said == [], "the code is what it was in the attempt before"


def test_a_large_value_of_the_bodys_own_making_runs_its_consumer_again_and_the_log_says_so(
    attempts: Attempts,
) -> None:
    @task
    def total(rows: list[int]) -> int:
        attempts.say("total")
        return sum(rows)

    @flow
    def main() -> int:
        found = total(list(range(LARGE)))
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again().result() == sum(range(LARGE))
    assert attempts.said == ["total"]
    assert any("'total' will run again" in line and "nobody's result" in line for line in attempts.messages())


def test_what_cannot_be_serialized_counts_by_its_type(attempts: Attempts) -> None:
    @task
    def connect() -> object:
        attempts.say("connect")
        return threading.Lock()

    @task
    def extract(connection: object, day: int) -> int:
        attempts.say("extract")
        return day * 1000

    @flow
    def main() -> int:
        found = extract(connect(), 3)
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again().result() == 3000
    assert attempts.said == ["connect"]
    assert any("its result was not kept" in line for line in attempts.messages())
