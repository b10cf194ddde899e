"""What runs again on request, and what depends on it: by futures, and by values that are passed on by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.guarantees.replay_attempts import Attempts

from dalsegno import flow, task
from dalsegno.model.ids import id_text


@dataclass
class Box:
    inside: Any


def bodies(attempts: Attempts, values: list[Any]) -> Any:
    """Return a task that gives a value of its own in each run, the last one for ever."""

    @task
    def make() -> Any:
        attempts.say("make")
        return values.pop(0) if len(values) > 1 else values[0]

    return make


@pytest.mark.parametrize("wrapped", ["plain", "list", "deep", "dataclass", "part", "deep part"])
def test_an_equal_value_that_is_passed_on_by_hand(attempts: Attempts, wrapped: str) -> None:
    make = bodies(attempts, [{"rows": ["a" * 20, {"deep": "b" * 20}]}])

    @task
    def use(value: Any) -> int:
        attempts.say("use")
        return 7000

    @task
    def other(value: Any) -> int:
        attempts.say("other")
        return 1

    @flow
    def main() -> int:
        made = make()
        forms: dict[str, Any] = {
            "plain": made,
            "list": [made],
            "deep": {"a": [1, (made,)]},
            "dataclass": [Box(made)],
            "part": made["rows"][0],
            "deep part": [made["rows"][1]["deep"]],
        }
        found = use(forms[wrapped])
        other("c" * 20)
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again(from_="make").result() == 7000
    assert attempts.said == ["make", "use"]


def test_what_runs_with_another_value_has_what_follows_run_again(attempts: Attempts) -> None:
    """The middle one runs with another value and gives the same: what is given that runs again all the same."""
    make = bodies(attempts, [1000, 2000])

    @task
    def middle(value: int) -> str:
        attempts.say("middle")
        return "the same text"

    @task
    def end(text: str) -> str:
        attempts.say("end")
        return text

    @flow
    def main() -> str:
        found = end(middle(make()))
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again(from_="make").result() == "the same text"
    assert attempts.said == ["make", "middle", "end"]


def test_small_numbers_count_by_their_content(attempts: Attempts) -> None:
    make = bodies(attempts, [1, 1, 2])

    @task
    def use(value: int) -> int:
        attempts.say("use")
        return value

    @flow
    def main() -> int:
        found = use(make())
        attempts.fail()
        return found

    attempts.first(main)
    attempts.again(from_="make")
    assert attempts.said == ["make"]  # the same number: nothing tells that it is the same one
    assert attempts.again(from_="make").result() == 2
    assert attempts.said == ["make", "use"]


def test_values_that_reach_a_nested_flow_by_hand(attempts: Attempts) -> None:
    make = bodies(attempts, [["x" * 20, "y" * 20]])

    @task
    def use(value: str) -> str:
        attempts.say(("use", value[0]))
        return value

    @flow
    def part(texts: list[str]) -> list[str]:
        attempts.say("part")
        return [use(text) for text in texts]

    @flow
    def main() -> list[str]:
        found = part(make())
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again(from_="make").result() == ["x" * 20, "y" * 20]
    assert attempts.said == ["make", "part", ("use", "x"), ("use", "y")]


def test_what_was_to_run_again_still_is_in_the_flows_own_retry(attempts: Attempts) -> None:
    broken: list[int] = []

    @task
    def first() -> int:
        attempts.say("first")
        return 1000

    @task
    def second() -> int:
        attempts.say("second")
        return 2000

    @flow(retries=1)
    def main() -> int:
        found = first()
        broken.append(attempts.number)
        if broken.count(2) == 1:
            raise ValueError("broken between")
        found += second()
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again(from_=["first", "second"]).result() == 3000
    assert attempts.said == ["first", "second"]


def test_a_task_in_another_process_runs_again_with_all_that_is_inside(attempts: Attempts) -> None:
    program = """
from dalsegno.task_runners import ProcessPoolTaskRunner

@task
def inner():
    return 1000

@task
def outer():
    return inner()

@flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
def main():
    found = outer.submit().result()
    here().fail()
    return found
"""
    attempts.first(attempts.load(program))
    assert attempts.again(from_="outer").result() == 1000
    inner = attempts.task_runs("inner")
    assert sorted(run.superseded_by is None for run in inner) == [False, True]


@pytest.mark.parametrize("how", [{"from_": "part"}, {"scratch": True}])
def test_the_newest_of_what_ran_more_than_once_answers(attempts: Attempts, how: dict[str, Any]) -> None:
    make = bodies(attempts, [1000, 2000, 3000])

    @flow
    def part() -> int:
        found = make()
        attempts.fail(2)
        return found

    @flow
    def main() -> int:
        found = part()
        attempts.fail(1)
        return found

    attempts.first(main)
    assert attempts.again(**how).is_failed()
    assert attempts.said == ["make"]
    assert attempts.again().result() == 2000
    assert attempts.said == []
    shown = [run for run in attempts.task_runs("make") if run.superseded_by is None]
    assert len(shown) == 1
    assert id_text(shown[0].id)
