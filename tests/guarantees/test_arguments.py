"""Wherever futures and states stand among the arguments, the body gets their results, and the caller's own
collections stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from dalsegno import allow_failure, flow, quote, task
from dalsegno.testing import harness

SOURCES = 4
"""So many submitted tasks; the last one fails."""


@dataclass(frozen=True)
class Source:
    """Stands for the future of a task in a drawn argument."""

    number: int
    how: str
    """As a "future", a "state", "allowed" to fail, or "quoted"."""


@dataclass
class Order:
    lines: Any
    note: Any = None


class Basket(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    lines: Any
    note: Any = None


PLAIN = st.none() | st.booleans() | st.integers(-5, 1000) | st.text(max_size=4) | st.floats(allow_nan=False)
GOOD = st.builds(Source, st.integers(0, SOURCES - 2), st.sampled_from(["future", "state", "allowed", "quoted"]))
BAD = st.builds(Source, st.just(SOURCES - 1), st.sampled_from(["allowed", "quoted"]))
ARGUMENTS = st.recursive(
    PLAIN | GOOD | BAD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 3), inner, max_size=3)
        | st.builds(Order, inner, inner)
        | st.builds(lambda lines, note: Basket(lines=lines, note=note), inner, inner)
    ),
    max_leaves=12,
)


def replaced(value: Any, replace: Any) -> Any:
    """Return a drawn argument with something in place of each source: by rules of this test's own."""
    if isinstance(value, Source):
        return replace(value)
    if isinstance(value, list | tuple):
        return type(value)(replaced(item, replace) for item in value)
    if isinstance(value, dict):
        return {key: replaced(item, replace) for key, item in value.items()}
    if is_dataclass(value):
        return Order(*(replaced(getattr(value, field.name), replace) for field in fields(value)))
    if isinstance(value, BaseModel):
        return Basket.model_construct(**{name: replaced(item, replace) for name, item in value})
    return value


def same(found: Any, expected: Any) -> bool:
    """Compare; exceptions by type and text."""
    if isinstance(expected, BaseException):
        return type(found) is type(expected) and str(found) == str(expected)
    if isinstance(expected, list | tuple):
        return type(found) is type(expected) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, Order | Basket):
        return type(found) is type(expected) and same(found.lines, expected.lines) and same(found.note, expected.note)
    return found is expected or (type(found) is type(expected) and found == expected)


@task
def source(number: int) -> dict[str, int]:
    if number == SOURCES - 1:
        raise ValueError(f"source {number}")
    return {"number": 1000 + number}


@task
def consume(first: Any, second: Any = None) -> Any:
    return quote([first, second])


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(drawn=st.lists(st.tuples(ARGUMENTS, ARGUMENTS), min_size=1, max_size=6), submitted=st.booleans())
def test_results_stand_in_place_of_futures_and_states(drawn: list[tuple[Any, Any]], submitted: bool) -> None:
    @flow
    def main() -> None:
        futures = [source.submit(number) for number in range(SOURCES)]
        if not submitted:
            for future in futures:
                future.wait()

        def placed(each: Source) -> Any:
            future = futures[each.number]
            if each.how == "state":
                future.wait()
                return future.state
            return {"allowed": allow_failure, "quoted": quote}.get(each.how, lambda x: x)(future)

        def expected(each: Source) -> Any:
            future = futures[each.number]
            return future if each.how == "quoted" else future.result(raise_on_failure=False)

        for pair in drawn:
            arguments = [replaced(value, placed) for value in pair]
            before = repr(arguments)
            found = consume.submit(*arguments).result() if submitted else consume(*arguments)
            assert same(found, [replaced(value, expected) for value in pair])
            assert repr(arguments) == before

    with harness() as runs:
        main()
        upstreams = {
            run.id: {id_ for _, id_ in run.upstream} for run in runs.task_runs("consume") if run.upstream is not None
        }
        sources = [run.id for run in runs.task_runs("source")]
    for pair, linked in zip(drawn, upstreams.values(), strict=True):
        named = {sources[each.number] for each in _sources_in(pair) if each.how != "quoted"}
        assert named <= linked


def _sources_in(value: Any) -> list[Source]:
    found: list[Source] = []
    replaced(value, found.append)
    return found
