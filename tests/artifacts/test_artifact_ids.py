"""The ids of artifacts: where in its run one was made, the same in every attempt."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from dalsegno._engine.artifact_records import artifact_id
from dalsegno.model.ids import id_time, new_id

MILLISECOND = 1_000_000


def test_the_same_place_gives_the_same_id() -> None:
    run = new_id()
    assert artifact_id(run, "table", "orders", 0) == artifact_id(run, "table", "orders", 0)


def test_other_places_give_other_ids() -> None:
    first, second = new_id(), new_id()
    places = [
        (run, type_, key, ordinal)
        for run in (first, second)
        for type_ in ("table", "markdown")
        for key in ("orders", "k", "", None)
        for ordinal in (0, 1, 5000, 5001)
    ]
    assert len({artifact_id(*place) for place in places}) == len(places)


@given(st.integers(min_value=0, max_value=2**40), st.integers(min_value=0, max_value=10_000))
def test_ids_are_those_of_their_run_in_time(milliseconds: int, ordinal: int) -> None:
    run = new_id(milliseconds * MILLISECOND + 1)
    made = artifact_id(run, "link", "a-key", ordinal)
    assert uuid.UUID(bytes=made).version == 7
    assert uuid.UUID(bytes=made).variant == uuid.RFC_4122
    assert id_time(made) // 1000 == milliseconds


def test_later_artifacts_of_a_run_and_of_later_runs_have_greater_ids() -> None:
    run, later = new_id(5 * MILLISECOND), new_id(6 * MILLISECOND)
    ids = [artifact_id(run, "link", "report", ordinal) for ordinal in range(50)]
    ids.append(artifact_id(later, "link", "report", 0))
    assert ids == sorted(ids)
