"""Retries: the arguments are checked and become a policy, which says when and after which errors."""

from __future__ import annotations

import random
from statistics import mean
from typing import Any

import pytest

from dalsegno._engine.retrying import delay_for, exponential_backoff, retry_delays, retry_policy


def test_without_retries_there_is_no_policy() -> None:
    assert retry_policy(None) is None
    assert retry_policy(0, 10, retry_on=ValueError) is None


@pytest.mark.parametrize(
    ("given", "delays"),
    [
        (None, [0, 0, 0]),
        (0, [0, 0, 0]),
        (2, [2, 2, 2]),
        (0.5, [0.5, 0.5, 0.5]),
        ([1, 10], [1, 10, 10]),
        ((1, 2, 3), [1, 2, 3]),
        ([], [0, 0, 0]),
        (lambda retries: [retries] * retries, [3, 3, 3]),
        (lambda retries: 4, [4, 4, 4]),
        (exponential_backoff(10), [10, 20, 40]),
    ],
)
def test_delays_are_a_number_a_list_or_a_function(given: Any, delays: list[float]) -> None:
    policy = retry_policy(3, given)
    assert policy is not None
    assert [policy.delay(done) for done in range(3)] == delays


def test_exponential_backoff_doubles() -> None:
    assert exponential_backoff(10)(4) == [10, 20, 40, 80]
    assert exponential_backoff(0.5)(2) == [0.5, 1.0]


def test_exponential_backoff_serves_more_retries_than_there_can_be_delays() -> None:
    policy = retry_policy(1000, exponential_backoff(1))
    assert policy is not None
    assert policy.delay(999) == 2**49


def test_more_than_fifty_delays_are_refused() -> None:
    assert len(retry_delays(60, [1] * 50)) == 50
    with pytest.raises(ValueError, match="51 delays; there can be 50"):
        retry_policy(60, [1] * 51)
    with pytest.raises(ValueError, match="60 delays"):
        retry_policy(60, lambda retries: [1] * retries)


@pytest.mark.parametrize("delay", ["5", [1, "5"], {"a": 1}, True, [None], lambda retries: "soon"])
def test_delays_of_another_type_are_refused(delay: Any) -> None:
    with pytest.raises(TypeError, match="retry_delay_seconds must be a number of seconds, a list"):
        retry_policy(1, delay)


@pytest.mark.parametrize(
    "arguments",
    [
        {"retries": -1},
        {"retries": 1, "retry_delay_seconds": -1},
        {"retries": 1, "retry_delay_seconds": [1, float("inf")]},
        {"retries": 1, "retry_delay_seconds": float("nan")},
        {"retries": 1, "retry_jitter_factor": -0.1},
    ],
)
def test_negative_and_endless_numbers_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        retry_policy(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"retries": "3"},
        {"retries": 1.5},
        {"retries": True},
        {"retries": 1, "retry_jitter_factor": "much"},
        {"retries": 1, "retry_condition_fn": "yes"},
        {"retries": 1, "retry_on": "ValueError"},
        {"retries": 1, "give_up_on": (ValueError, int)},
        {"retries": 0, "retry_condition_fn": 1},
    ],
)
def test_arguments_of_another_type_are_refused_even_without_retries(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=list(arguments)[-1]):
        retry_policy(**arguments)


@pytest.mark.parametrize("factor", [0.3, 1, 5])
def test_jitter_keeps_the_average_and_never_passes_its_bound(factor: float) -> None:
    source = random.Random(7)
    drawn = [delay_for(0, [10], factor, source) for _ in range(5_000)]
    assert min(drawn) >= 0
    assert max(drawn) <= 10 * (1 + factor)
    assert mean(drawn) == pytest.approx(10, rel=0.03)
    assert len(set(drawn)) > 4_000


def test_without_jitter_nothing_is_drawn() -> None:
    delays = {delay_for(0, [10], factor) for factor in (None, 0) for _ in range(20)}
    assert delays == {10}
    assert delay_for(0, [], 0.5) == 0


def test_the_users_seed_does_not_decide_the_jitter() -> None:
    drawn: set[float] = set()
    for _ in range(5):
        random.seed(1)
        drawn.add(delay_for(0, [10], 0.5))
    assert len(drawn) > 1


def test_the_body_runs_again_while_retries_are_left() -> None:
    policy = retry_policy(2)
    assert policy is not None
    assert [policy.should_retry(done, ValueError()) for done in range(3)] == [True, True, False]
    assert policy.should_retry(0, None)


def test_only_the_named_errors_are_retried() -> None:
    policy = retry_policy(1, retry_on=(OSError, ValueError))
    assert policy is not None
    assert policy.should_retry(0, ConnectionError())
    assert policy.should_retry(0, ValueError())
    assert not policy.should_retry(0, KeyError())
    assert not policy.should_retry(0, None)


def test_giving_up_wins_over_retrying() -> None:
    policy = retry_policy(1, retry_on=OSError, give_up_on=[FileNotFoundError])
    assert policy is not None
    assert policy.should_retry(0, PermissionError())
    assert not policy.should_retry(0, FileNotFoundError())


def test_a_condition_is_kept_for_the_engine_to_ask() -> None:
    def condition(task: Any, task_run: Any, state: Any) -> bool:
        return True

    policy = retry_policy(1, retry_condition_fn=condition)
    assert policy is not None
    assert policy.condition is condition
