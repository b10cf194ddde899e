"""A run that was started from another one, and then broke itself, is still answered by what the other completed."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from tests.guarantees.replay_attempts import Attempts

from dalsegno import flow, task
from dalsegno.exceptions import ObjectNotFound
from dalsegno.model.ids import id_text

CHAIN = """
from fractions import Fraction

@task
def extract(day):
    here().say(("extract", day))
    return Fraction(1000 + day)

@task
def clean(rows):
    here().say(("clean", int(rows)))
    return rows + 1

@task
def total(rows):
    here().say(("total", int(rows)))
    return rows * 2

@flow
def part(day):
    here().say(("part", day))
    return total(clean.submit(extract.submit(day)).result())

@flow
def main(day=1, early=(), late=(1,)):
    rows = extract.submit(0)
    if here().number in early:
        raise ValueError("broken early")
    cleaned = clean.submit(rows)
    found = total(cleaned) + part(5) + day
    if here().number in late:
        raise ValueError("broken late")
    return found
"""
TOTAL = 2002 + 2012


def newest(attempts: Attempts) -> str:
    return id_text(max(run.id for run in attempts.runs.flow_runs("main")))


def test_what_the_new_run_did_not_come_to_is_answered_by_the_old_one(attempts: Attempts) -> None:
    attempts.first(attempts.load(CHAIN))
    assert len(attempts.said) == 7
    assert attempts.again(parameters={"day": 2, "early": [2]}).is_failed()
    assert attempts.again(of=newest(attempts)).result() == TOTAL + 2
    assert attempts.said == []
    forked = max(run.id for run in attempts.runs.flow_runs("main"))
    rows = Counter(run.task_name for run in attempts.runs.task_runs() if run.root_run_id == forked)
    assert rows == {"extract": 1, "clean": 1, "total": 1, "part": 1}


def test_through_a_chain_of_runs_each_started_from_the_one_before(attempts: Attempts) -> None:
    attempts.first(attempts.load(CHAIN))
    for number in (2, 3, 4):
        of = newest(attempts)
        assert attempts.again(of=of, parameters={"day": number, "early": [2, 3, 4, 5]}).is_failed()
        assert attempts.said == []
    assert attempts.again(of=newest(attempts)).is_failed()
    assert attempts.again(of=newest(attempts)).result() == TOTAL + 4
    assert attempts.said == []
    assert len(attempts.runs.flow_runs("main")) == 4
    newest_run = max(run.id for run in attempts.runs.flow_runs("main"))
    rows = Counter(run.task_name for run in attempts.runs.task_runs() if run.root_run_id == newest_run)
    assert rows == {"extract": 1, "clean": 1, "total": 1, "part": 1}


def test_what_the_old_run_had_done_inside_of_what_broke(attempts: Attempts) -> None:
    @task
    def piece(number: int) -> Fraction:
        attempts.say(number)
        if number == 3:
            attempts.fail(1)
        return Fraction(number)

    @task
    def outer() -> Fraction:
        return piece(1) + piece(2)

    @flow
    def part() -> Fraction:
        attempts.fail(2)
        return outer() + piece(2) + piece(3)

    @flow
    def main(day: int = 1) -> Fraction:
        return part() + day

    attempts.first(main)
    assert attempts.said == [1, 2, 2, 3]
    assert attempts.again(parameters={"day": 2}).is_failed()
    assert attempts.said == []
    assert attempts.again(of=newest(attempts)).result() == 10
    assert attempts.said == [3]


def test_what_was_to_run_again_in_the_new_run_still_is_when_that_is_retried(attempts: Attempts) -> None:
    attempts.first(attempts.load(CHAIN))
    again = attempts.again(parameters={"day": 2, "early": [2]}, from_="clean")
    assert again.is_failed()
    assert attempts.said == []
    assert attempts.again(of=newest(attempts)).result() == TOTAL + 2
    assert attempts.said == [("clean", 1000), ("total", 1001), ("part", 5), ("clean", 1005), ("total", 1006)]
    assert attempts.again(of=newest(attempts)).result() == TOTAL + 2
    assert attempts.said == []


def test_a_new_run_from_scratch_stays_so(attempts: Attempts) -> None:
    attempts.first(attempts.load(CHAIN))
    attempts.again(parameters={"day": 2, "early": [2]}, scratch=True)
    assert attempts.again(of=newest(attempts)).result() == TOTAL + 2
    assert len(attempts.said) == 6


def test_from_a_task_that_only_the_old_run_came_to(attempts: Attempts) -> None:
    attempts.first(attempts.load(CHAIN))
    attempts.again(parameters={"day": 2, "early": [2]})
    assert attempts.again(of=newest(attempts), from_="total").result() == TOTAL + 2
    assert attempts.said == [("total", 1001), ("part", 5), ("total", 1006)]
    with pytest.raises(ObjectNotFound, match="no task or task run totl"):
        attempts.again(of=newest(attempts), from_="totl")


def test_changed_is_measured_at_the_run_that_the_result_is_from(attempts: Attempts) -> None:
    attempts.first(attempts.load(CHAIN))
    edited = attempts.load(CHAIN.replace("return rows + 1", "return rows + 5"))
    assert attempts.again(edited, parameters={"day": 2, "late": [2]}).is_failed()
    assert attempts.said == []
    assert attempts.again(edited, of=newest(attempts), changed=True).result() == TOTAL + 2 + 16
    assert attempts.said == [("clean", 1000), ("total", 1005), ("part", 5), ("clean", 1005), ("total", 1010)]


def test_the_flows_own_retries_are_answered_by_the_old_run_too(attempts: Attempts) -> None:
    bodies: list[int] = []

    @task
    def extract(day: int) -> Fraction:
        attempts.say(day)
        return Fraction(day)

    @flow(retries=1)
    def main(day: int = 1) -> Fraction:
        bodies.append(attempts.number)
        if bodies.count(2) == 1:
            raise ValueError("broken early")
        found = extract(1) + extract(2)
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.said == [1, 2]
    assert attempts.again(parameters={"day": 2}).result() == 3
    assert attempts.said == []


def test_equal_calls_are_answered_in_their_order(attempts: Attempts) -> None:
    numbers = iter(range(100))

    @task
    def draw() -> int:
        attempts.say("draw")
        return 1000 + next(numbers)

    @flow
    def main(day: int = 1) -> list[int]:
        found = [draw(), draw()]
        attempts.fail(2)
        found += [draw(), draw()]
        attempts.fail(1)
        return found

    attempts.first(main)
    attempts.again(parameters={"day": 2})
    assert attempts.again(of=newest(attempts)).result() == [1000, 1001, 1002, 1003]
    assert attempts.said == []
