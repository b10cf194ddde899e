"""Every kind of step is picked up in its own way: nested flows, tasks in tasks, maps, sleeps, generators, retries."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.guarantees.replay_attempts import Attempts

import dalsegno
from dalsegno import flow, task, triggers
from dalsegno._engine.clock import fake_clock


def test_a_sleep_and_a_nested_flow_around_the_failure(attempts: Attempts) -> None:
    @task
    def extract(day: int) -> int:
        attempts.say("extract")
        return day

    @task
    def load(day: int) -> int:
        attempts.say("load")
        attempts.fail()
        return day

    @flow
    def before() -> int:
        attempts.say("before")
        return extract(1)

    @flow
    def around(day: int) -> int:
        attempts.say("around")
        dalsegno.sleep(600)
        return load(extract(day))

    @flow
    def main() -> int:
        dalsegno.sleep(3600)
        return before() + around(2)

    with fake_clock() as clock:
        began = clock.now()
        assert attempts.first(main).is_failed()
        assert attempts.said == ["before", "extract", "around", "extract", "load"]
        assert (clock.now() - began).total_seconds() == pytest.approx(4200, abs=2)
        assert attempts.again().result() == 3
        assert (clock.now() - began).total_seconds() == pytest.approx(4200, abs=2), "no sleep is slept again"
    assert attempts.said == ["around", "load"]
    assert [run.run_count for run in attempts.runs.flow_runs()] == [2, 1, 2]
    assert [run.state.name for run in attempts.runs.flow_runs()] == ["Completed"] * 3


def test_a_nested_flow_that_was_submitted_is_entered_again(attempts: Attempts) -> None:
    @task
    def load(region: str) -> str:
        attempts.say(region)
        if region == "south":
            attempts.fail()
        return region.upper()

    @flow
    def regional(region: str) -> list[str]:
        return [load("north"), load(region)]

    @flow
    def main() -> list[str]:
        runs = [regional.submit("south"), regional.submit("east")]
        return [name for run in runs for name in run.result()]

    assert attempts.first(main).is_failed()
    assert sorted(attempts.said) == ["east", "north", "north", "south"]
    assert attempts.again().result() == ["NORTH", "SOUTH", "NORTH", "EAST"]
    assert attempts.said == ["south"]


def test_tasks_in_a_task_that_failed_are_answered_when_it_runs_again(attempts: Attempts) -> None:
    @task
    def part(number: int) -> int:
        attempts.say(("part", number))
        return number * 10

    @task
    def whole() -> int:
        attempts.say("whole")
        found = part(1) + part.submit(2).result()
        attempts.fail()
        return found

    @flow
    def main() -> int:
        return whole() + part(1)

    attempts.first(main)
    assert attempts.again().result() == 40
    assert attempts.said == ["whole", ("part", 1)], "a call in the flow is not one in the task"


def test_only_the_children_of_a_map_that_failed_run_again(attempts: Attempts) -> None:
    @task
    def fetch(number: int) -> int:
        attempts.say(number)
        if number % 3 == 0:
            attempts.fail()
        return number * 100

    @task
    def double(value: int) -> int:
        attempts.say(value)
        return value * 2

    @flow
    def main() -> list[int]:
        return double.map(fetch.map(range(7))).result()

    assert attempts.first(main).is_failed()
    assert sorted(attempts.said) == [0, 1, 2, 3, 4, 5, 6, 100, 200, 400, 500]
    assert attempts.again().result() == [0, 200, 400, 600, 800, 1000, 1200]
    assert sorted(attempts.said) == [0, 0, 3, 6, 300, 600]
    assert len(attempts.task_runs("fetch")) == len(attempts.task_runs("double")) == 7


def test_generators_that_are_called_directly_run_again_and_submitted_ones_do_not(attempts: Attempts) -> None:
    @task
    def pages() -> Iterator[int]:
        attempts.say("pages")
        yield from (1, 2, 3)

    @task
    def load(page: int) -> int:
        attempts.say(page)
        return page

    @flow
    def main() -> tuple[list[int], list[int]]:
        streamed = [load(page) for page in pages()]
        drained = pages.submit().result()
        attempts.fail()
        return streamed, drained

    attempts.first(main)
    assert attempts.said == ["pages", 1, 2, 3, "pages"]
    assert attempts.again().result() == ([1, 2, 3], [1, 2, 3])
    assert attempts.said == ["pages"]


def test_a_result_that_was_not_kept_is_made_again_and_the_log_says_so(attempts: Attempts) -> None:
    @task
    def lock() -> object:
        attempts.say("lock")
        return threading.Lock()

    @task(persist_result=False)
    def secret() -> str:
        attempts.say("secret")
        return "s3cr3t"

    @task
    def load() -> int:
        attempts.say("load")
        return 1000

    @flow
    def main() -> int:
        lock()
        secret()
        found = load()
        attempts.fail()
        return found

    attempts.first(main)
    assert any("'lock" in line and "is not kept" in line for line in attempts.messages())
    assert attempts.again().result() == 1000
    assert attempts.said == ["lock", "secret"]
    again = [line for line in attempts.messages() if "its result was not kept" in line]
    assert len(again) == 2
    assert [(run.task_name, run.run_count) for run in attempts.runs.task_runs()] == [
        ("lock", 2),
        ("secret", 2),
        ("load", 1),
    ]


def test_a_flows_own_retries_pick_up_as_a_retry_does(attempts: Attempts) -> None:
    @task
    def extract(region: str) -> str:
        attempts.say(region)
        return region.upper()

    @task
    def load(rows: str) -> str:
        attempts.say("load")
        if attempts.said.count("load") < 3:
            raise ValueError("full")
        return rows

    @flow(retries=2)
    def main() -> str:
        return load(extract("north") + extract.submit("south").result())

    assert attempts.first(main).result() == "NORTHSOUTH"
    assert sorted(attempts.said) == ["load", "load", "load", "north", "south"]
    (loaded,) = attempts.task_runs("load")
    assert (loaded.run_count, loaded.attempt, loaded.state.name) == (3, 1, "Completed")
    assert attempts.again().result() == "NORTHSOUTH"
    assert attempts.said == []


def test_a_body_that_is_called_twice_in_one_attempt_runs_twice(attempts: Attempts) -> None:
    @task
    def part(number: int) -> int:
        attempts.say("part")
        return number

    @task(retries=1)
    def whole() -> int:
        part(1)
        if attempts.said.count("part") == 1:
            raise ValueError("once more")
        return 1000

    @flow
    def main() -> int:
        return whole()

    assert attempts.first(main).result() == 1000
    assert attempts.said == ["part", "part"]


def test_a_task_that_was_edited_is_replayed_with_one_line_that_names_it_and_the_command(attempts: Attempts) -> None:
    before = """
@task
def clean(number):
    here().say("clean")
    return number

@flow
def main():
    found = [clean(number) for number in (1000, 2000)]
    here().fail()
    return found
"""
    attempts.first(attempts.load(before))
    state = attempts.again(attempts.load(before.replace("return number", "return -number")))
    assert state.result() == [1000, 2000]
    assert attempts.said == []
    lines = [line for line in attempts.messages() if "was changed since it completed" in line]
    assert len(lines) == 1
    assert "'clean'" in lines[0]
    assert f"dalsegno flow-run retry {attempts.id} --from clean" in lines[0]


def test_comments_and_layout_are_no_change(attempts: Attempts) -> None:
    before = "\n@task\ndef clean(x):\n    return x\n\n@flow\ndef main():\n    clean(1000)\n    here().fail()\n"
    attempts.first(attempts.load(before))
    attempts.again(attempts.load(before.replace("    return x", "    # as it is\n\n    return (x)")))
    assert [line for line in attempts.messages() if "was changed" in line] == []


def test_a_nested_flow_that_was_edited_is_replayed_as_a_whole(attempts: Attempts) -> None:
    before = """
@task
def clean(number):
    here().say("clean")
    return number

@flow
def part():
    here().say("part")
    return clean(1000)

@flow
def main():
    found = part()
    here().fail()
    return found
"""
    attempts.first(attempts.load(before))
    assert attempts.again(attempts.load(before.replace("clean(1000)", "clean(3000)"))).result() == 1000
    assert attempts.said == []
    lines = [line for line in attempts.messages() if "was changed since it completed" in line]
    assert len(lines) == 1
    assert "'part'" in lines[0]
    assert "--from part" in lines[0]


def test_a_run_that_completed_runs_nothing_again(attempts: Attempts) -> None:
    @task
    def extract() -> int:
        attempts.say("extract")
        return 1000

    @flow
    def main() -> int:
        return extract()

    attempts.first(main)
    assert attempts.again().result() == 1000
    assert attempts.said == []


def test_what_did_not_start_goes_on_in_its_row_whatever_held_it_back(attempts: Attempts) -> None:
    @task
    def extract() -> int:
        attempts.fail(1, 2)
        return 1000

    @task
    def consumer(rows: int) -> int:
        attempts.say("consumer")
        return rows

    @task
    def check() -> bool:
        return True

    @task(trigger=triggers.any_failed)
    def alarm(checked: object) -> None:
        attempts.say("alarm")

    @flow
    def main() -> int:
        attempts.say("main")
        rows = extract.submit()
        found = consumer.submit(rows)
        alarm.submit(check.submit())
        return found.result()

    attempts.first(main)
    attempts.again()
    assert attempts.again().result() == 1000
    assert attempts.again().result() == 1000
    assert attempts.said == ["main"]
    assert [(run.task_name, run.state.name, run.run_count) for run in attempts.runs.task_runs()] == [
        ("extract", "Completed", 3),
        ("consumer", "Completed", 1),
        ("check", "Completed", 1),
        ("alarm", "Skipped", 0),
    ]
