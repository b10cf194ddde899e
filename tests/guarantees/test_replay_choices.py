"""What a person may choose when a run is tried again: from where, what changed, all of it, with other parameters."""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.guarantees.replay_attempts import Attempts

from dalsegno import flow, task
from dalsegno.exceptions import ObjectNotFound
from dalsegno.flow_runs import set_task_result
from dalsegno.model.ids import id_text

PIPELINE = """
@task
def extract(day):
    here().say("extract")
    return 1000 + day

@task
def clean(rows):
    here().say("clean")
    return rows + 1

@task
def count(rows):
    here().say("count")
    return rows + 2

@task
def load(rows, total):
    here().say("load")
    return rows + total

@flow
def main(day=1):
    rows = extract(day)
    cleaned = clean(rows)
    total = count.submit(rows)
    found = load(cleaned, total)
    here().fail()
    return found
"""
TOTAL = 1002 + 1003


def test_without_a_choice_it_is_picked_up_from_the_failure(attempts: Attempts) -> None:
    attempts.first(attempts.load(PIPELINE))
    assert attempts.again().result() == TOTAL
    assert attempts.said == []


def test_from_a_task_that_task_and_what_depends_on_it_run_again(attempts: Attempts) -> None:
    attempts.first(attempts.load(PIPELINE))
    assert attempts.again(from_="clean").result() == TOTAL
    assert attempts.said == ["clean", "load"]
    assert [(run.task_name, run.run_count) for run in attempts.runs.task_runs()] == [
        ("extract", 1),
        ("clean", 2),
        ("count", 1),
        ("load", 2),
    ]


@pytest.mark.parametrize("named", ["id", "name"])
def test_from_a_task_run_by_its_id_or_name(attempts: Attempts, named: str) -> None:
    attempts.first(attempts.load(PIPELINE))
    (run,) = attempts.task_runs("count")
    assert attempts.again(from_=[id_text(run.id) if named == "id" else run.name]).result() == TOTAL
    assert attempts.said == ["count", "load"]


def test_from_a_name_that_is_not_there_names_those_that_are(attempts: Attempts) -> None:
    attempts.first(attempts.load(PIPELINE))
    with pytest.raises(ObjectNotFound, match="no task or task run cleen.*clean, count, extract, load"):
        attempts.again(from_="cleen")


def test_changed_tasks_and_what_depends_on_them_run_again(attempts: Attempts) -> None:
    attempts.first(attempts.load(PIPELINE))
    edited = attempts.load(PIPELINE.replace("return rows + 1", "return rows + 5"))
    assert attempts.again(edited, changed=True).result() == TOTAL + 4
    assert attempts.said == ["clean", "load"]


def test_what_changed_within_a_nested_flow_is_found(attempts: Attempts) -> None:
    nested = """
@task
def extract(day):
    here().say("extract")
    return 1000 + day

@task
def clean(rows):
    here().say("clean")
    return rows + 1

@flow
def part(day):
    here().say("part")
    return clean(extract(day))

@flow
def main():
    found = part(1)
    here().fail()
    return found
"""
    attempts.first(attempts.load(nested))
    edited = attempts.load(nested.replace("return rows + 1", "return rows + 5"))
    assert attempts.again(edited, changed=True).result() == 1006
    assert attempts.said == ["part", "clean"]


def test_from_a_task_within_a_nested_flow_enters_that_flow(attempts: Attempts) -> None:
    @task
    def extract(day: int) -> int:
        attempts.say(("extract", day))
        return 1000 + day

    @task
    def clean(rows: int) -> int:
        attempts.say(("clean", rows))
        return rows + 1

    @flow
    def part(day: int) -> int:
        return clean(extract(day))

    @flow
    def other() -> int:
        attempts.say("other")
        return 1

    @flow
    def main() -> int:
        found = part(1) + other()
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again(from_="clean").result() == 1003
    assert attempts.said == [("clean", 1001)]


def test_from_a_nested_flow_runs_all_of_it_again(attempts: Attempts) -> None:
    @task
    def extract() -> int:
        attempts.say("extract")
        return 1000

    @flow
    def part() -> int:
        attempts.say("part")
        return extract()

    @flow
    def main() -> int:
        found = part() + extract()
        attempts.fail()
        return found

    attempts.first(main)
    assert attempts.again(from_="part").result() == 2000
    assert attempts.said == ["part", "extract"]


def test_from_scratch_everything_runs_again(attempts: Attempts) -> None:
    attempts.first(attempts.load(PIPELINE))
    assert attempts.again(scratch=True).result() == TOTAL
    assert sorted(attempts.said) == ["clean", "count", "extract", "load"]
    assert attempts.again().result() == TOTAL
    assert attempts.said == []


def test_other_parameters_make_a_new_run_that_takes_what_has_the_same_inputs(attempts: Attempts) -> None:
    @task
    def extract(day: int) -> int:
        attempts.say(("extract", day))
        return 1000 + day

    @task
    def rates() -> int:
        attempts.say("rates")
        return 2

    @task
    def convert(rows: int, rate: int) -> int:
        attempts.say(("convert", rows))
        return rows * rate

    @flow
    def main(day: int, other: int = 5) -> list[int]:
        rate = rates.submit()
        found = [convert(extract(each), rate) for each in (day, other)]
        attempts.fail()
        return found

    attempts.first(main, 1)
    assert attempts.again(parameters={"day": 2}).result() == [2004, 2010]
    assert attempts.said == [("extract", 2), ("convert", 1002)]
    first, second = attempts.runs.flow_runs()
    assert second.forked_from == first.id
    assert first.state.name == "Failed"
    assert second.task_run_counts in (None, {"Completed": 5})
    assert {run.state.name for run in attempts.runs.task_runs() if run.flow_run_id == second.id} == {"Completed"}


def test_a_new_run_with_other_parameters_can_be_picked_up_itself(attempts: Attempts) -> None:
    @task
    def extract(day: int) -> Fraction:  # pickled, and so signed for the run that it is of
        attempts.say(("extract", day))
        return Fraction(1000 + day)

    @task
    def double(rows: Fraction) -> Fraction:
        attempts.say(("double", rows))
        return rows * 2

    @flow
    def part(day: int) -> Fraction:
        attempts.say(("part", day))
        return double(extract(day))

    @flow
    def main(days: list[int]) -> list[Fraction]:
        futures = [double.submit(extract.submit(day)) for day in days]
        found = [future.result() for future in futures] + [part(days[0])]
        attempts.fail(1, 2)
        return found

    attempts.first(main, [1])
    assert attempts.again(parameters={"days": [1, 2]}).is_failed()
    assert sorted(attempts.said) == [("double", 1002), ("extract", 2)]
    forked = id_text(attempts.runs.flow_runs("main")[-1].id)
    assert attempts.again(of=forked).result() == [2002, 2004, 2002]
    assert attempts.said == []


def test_a_result_given_by_hand_is_used_for_the_task_run_that_failed(attempts: Attempts) -> None:
    @task
    def rate() -> float:
        attempts.say("rate")
        raise ConnectionError("the bank does not answer")

    @task
    def convert(amount: int, rate: float) -> float:
        attempts.say(("convert", rate))
        return amount * rate

    @flow
    def main() -> float:
        return convert.submit(10, rate.submit()).result()

    assert attempts.first(main).is_failed()
    set_task_result(attempts.task_runs("rate")[0].id, 1.5)
    assert attempts.again().result() == 15.0
    assert attempts.said == [("convert", 1.5)]
    assert {run.state.name for run in attempts.runs.task_runs()} == {"Completed"}
