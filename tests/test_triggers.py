"""Whether a task runs, is skipped or is NotReady follows from its trigger and its upstreams."""

from __future__ import annotations

import pickle
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from dalsegno import triggers
from dalsegno._engine.triggering import check_trigger
from dalsegno.exceptions import Skip
from dalsegno.model.states import StateType
from dalsegno.triggers import Verdict, evaluate

RUN, SKIP, NOT_READY = Verdict.RUN, Verdict.SKIP, Verdict.NOT_READY


def state(type_: StateType, name: str) -> Any:
    return SimpleNamespace(type=type_, name=name)


LETTERS = {
    "c": state(StateType.COMPLETED, "Completed"),
    "k": state(StateType.COMPLETED, "Cached"),
    "s": state(StateType.COMPLETED, "Skipped"),
    "f": state(StateType.FAILED, "Failed"),
    "t": state(StateType.FAILED, "TimedOut"),
    "x": state(StateType.CRASHED, "Crashed"),
    "a": state(StateType.CANCELLED, "Cancelled"),
    "n": state(StateType.PENDING, "NotReady"),
}


def upstreams(letters: str) -> list[tuple[str, Any]]:
    return [(f"step-{number}", LETTERS[letter]) for number, letter in enumerate(letters)]


TABLE = [
    (
        triggers.all_successful,
        {"": RUN, "ck": RUN, "cf": NOT_READY, "cs": SKIP, "sf": NOT_READY, "n": NOT_READY},
    ),
    (triggers.all_finished, {"": RUN, "cfs": RUN, "n": RUN, "xa": RUN}),
    (triggers.any_successful, {"": SKIP, "cf": RUN, "cs": RUN, "ff": NOT_READY, "s": SKIP, "sf": NOT_READY}),
    (
        triggers.any_failed,
        {"": SKIP, "cf": RUN, "cc": SKIP, "s": SKIP, "ct": RUN, "x": RUN, "a": RUN, "n": RUN},
    ),
    (triggers.all_failed, {"ff": RUN, "fx": RUN, "cf": SKIP, "fs": SKIP, "cc": SKIP}),
    (triggers.none_failed, {"": RUN, "cs": RUN, "ss": RUN, "cf": NOT_READY, "n": NOT_READY}),
    (triggers.some_successful(), {"": SKIP, "cf": RUN, "ff": NOT_READY}),
    (triggers.some_successful(2), {"ccf": RUN, "cf": NOT_READY, "cs": SKIP, "c": SKIP}),
    (triggers.some_successful(at_most=1), {"": RUN, "cf": RUN, "cc": SKIP, "ccf": SKIP}),
    (triggers.some_successful(0.5), {"cf": RUN, "cff": NOT_READY, "ccf": RUN, "css": SKIP}),
    (triggers.some_successful(1.0), {"cc": RUN, "cf": NOT_READY}),
    (triggers.some_successful(1, 0.5), {"cf": RUN, "ccf": SKIP, "ff": NOT_READY}),
    (triggers.some_successful(at_least=0.1), {"c" * 3 + "f" * 27: RUN, "c" * 2 + "f" * 28: NOT_READY}),
    (triggers.some_failed(), {"": SKIP, "cf": RUN, "cc": SKIP}),
    (triggers.some_failed(at_least=2), {"ff": RUN, "cf": SKIP}),
    (triggers.some_failed(at_most=1), {"cf": RUN, "cc": RUN, "ff": NOT_READY}),
    (triggers.some_failed(0.25, 0.5), {"cccf": RUN, "ccff": RUN, "cfff": NOT_READY, "cccc": SKIP}),
]
CASES = [(trigger, letters, verdict) for trigger, rows in TABLE for letters, verdict in rows.items()]


@pytest.mark.parametrize(("trigger", "letters", "verdict"), CASES)
def test_the_table_of_triggers(trigger: Any, letters: str, verdict: Verdict) -> None:
    assert evaluate(trigger, upstreams(letters)).kind is verdict
    assert trigger([state for _, state in upstreams(letters)]) is verdict


def test_the_default_is_all_successful_and_costs_nothing() -> None:
    assert check_trigger(None) is check_trigger(triggers.all_successful) is None
    assert evaluate(None, upstreams("cf")) == evaluate(triggers.all_successful, upstreams("cf"))


def test_aliases_are_the_same_trigger() -> None:
    assert triggers.all_done is triggers.always_run is triggers.all_finished


def test_a_message_names_the_upstream_that_did_not_complete() -> None:
    decision = evaluate(None, [("extract-9f5", LETTERS["c"]), ("clean-1a0", LETTERS["t"])])
    assert decision.message == "An upstream run did not complete: 'clean-1a0' is TimedOut."


def test_a_message_names_the_upstream_that_was_skipped() -> None:
    assert evaluate(None, upstreams("cs")).message == "An upstream run was skipped: 'step-1' is Skipped."


def test_a_message_names_the_trigger_and_a_few_upstreams_only() -> None:
    message = evaluate(triggers.any_failed, upstreams("c" * 10)).message
    assert message is not None
    assert "any_failed: 'step-0' is Completed, 'step-1' is Completed, 'step-2' is Completed, and 7 more" in message
    message = evaluate(triggers.some_successful(0.5), upstreams("fff")).message
    assert message is not None
    assert "(trigger: some_successful(at_least=0.5))" in message
    assert "there are none" in str(evaluate(triggers.any_failed, []).message)


@pytest.mark.parametrize(
    ("answer", "letters", "verdict"),
    [
        (True, "cf", RUN),
        (False, "cf", NOT_READY),
        (False, "cs", SKIP),
        (SKIP, "cf", SKIP),
        (NOT_READY, "cc", NOT_READY),
    ],
)
def test_a_function_of_the_states_decides(answer: Any, letters: str, verdict: Verdict) -> None:
    seen: list[list[Any]] = []

    def weekday(states: list[Any]) -> Any:
        seen.append(states)
        return answer

    decision = evaluate(weekday, upstreams(letters))
    assert decision.kind is verdict
    assert seen == [[state for _, state in upstreams(letters)]]
    assert verdict is RUN or "weekday" in str(decision.message)


def test_triggers_can_be_combined_in_a_function() -> None:
    def mixed(states: list[Any]) -> Any:
        return triggers.any_failed(states) and triggers.any_successful(states)

    assert [evaluate(mixed, upstreams(letters)).kind for letters in ("cf", "cc", "ff")] == [
        RUN,
        SKIP,
        NOT_READY,
    ]


def test_a_function_may_skip_with_a_message_of_its_own() -> None:
    def weekend(states: list[Any]) -> bool:
        raise Skip("no reports on weekends")

    decision = evaluate(weekend, upstreams("c"))
    assert (decision.kind, decision.message) == (SKIP, "no reports on weekends")


def test_an_error_in_a_function_goes_to_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        evaluate(lambda states: 1 // 0, upstreams("c"))


@pytest.mark.parametrize("bound", [-1, 1.5, -0.1, float("nan")])
def test_bounds_out_of_range_are_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="at_least must be"):
        triggers.some_successful(at_least=bound)


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="at_least=3 is more than at_most=2"):
        triggers.some_failed(3, 2)


@pytest.mark.parametrize("bound", ["2", True, [1]])
def test_bounds_of_another_type_are_refused(bound: Any) -> None:
    with pytest.raises(TypeError, match="at_most must be a number"):
        triggers.some_failed(at_most=bound)


def test_what_is_no_trigger_is_refused() -> None:
    with pytest.raises(TypeError, match="trigger must be one of dalsegno.triggers"):
        check_trigger("any_failed")
    assert check_trigger(triggers.any_failed) is triggers.any_failed


def test_triggers_travel_to_other_processes() -> None:
    trigger = triggers.some_failed(2)
    assert pickle.loads(pickle.dumps(trigger)) == trigger
    assert repr(trigger) == "some_failed(at_least=2)"


def test_triggers_are_light_to_import() -> None:
    heavy = {"pydantic", "sqlalchemy", "asyncio", "rich", "fsspec"}
    code = f"import sys, dalsegno.triggers; assert not {heavy!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
