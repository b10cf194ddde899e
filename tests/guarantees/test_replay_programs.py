"""Whatever a program does, and however it is broken off and edited: what completed does not run again, what must
run does, and the records say so.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from tests.guarantees import replay_world
from tests.guarantees.model import MAIN, Model, Outcome, Plan, Program, undisturbed, without_dangling
from tests.guarantees.replay_programs import edits, plans, programs, source_of, tolerates_failures
from tests.guarantees.replay_world import World

from dalsegno import flow_runs
from dalsegno.flows import load_flow_from_entrypoint
from dalsegno.model.ids import parse_id
from dalsegno.model.views import FlowRunView, TaskRunView
from dalsegno.testing import harness
from dalsegno.testing.harness import Harness

MOST_ATTEMPTS = 8


class Story:
    """A program, what goes wrong in it, and its edits: one program for each attempt, the last one repeated."""

    def __init__(self, versions: list[Program], plan: Plan, only_main_edited: bool) -> None:
        self.versions = [without_dangling(version) for version in versions]
        self.plan = plan
        self.only_main_edited = only_main_edited

    def version(self, attempt: int) -> Program:
        return self.versions[min(attempt, len(self.versions)) - 1]

    def __repr__(self) -> str:
        return "\n\n".join([str(self.plan), *(source_of(version) for version in self.versions)])


@st.composite
def stories(draw: Any, most_edits: int = 2) -> Story:
    program = draw(programs(strict=draw(st.booleans())))
    plan = draw(plans(program))
    versions, only_main = [program], True
    for _ in range(draw(st.integers(0, most_edits))):
        edited, main = draw(edits(versions[-1]))
        versions.append(edited)
        only_main = only_main and main
    return Story(versions, plan, only_main)


def attempts_of(story: Story) -> list[tuple[Outcome, tuple[Any, ...]]]:
    """Return what each attempt comes to by the model, until one completes, and one more after that."""
    model = Model(story.plan)
    expected: list[tuple[Outcome, tuple[Any, ...]]] = []
    completed = 0
    while completed < 2:
        outcome = model.run(story.version(model.attempt + 1))
        expected.append((outcome, model.tree()))
        assume(len(expected) < MOST_ATTEMPTS)
        completed += outcome.state == "Completed" and len(expected) >= len(story.versions)
    return expected


def tree(runs: Harness, flow_run_id: bytes) -> tuple[Any, ...]:
    """Return the records of a root flow run as `Model.tree` does."""
    flows = {view.id: view for view in runs.flow_runs()}
    by_scope: dict[bytes, list[TaskRunView]] = {}
    for run in runs.task_runs():
        by_scope.setdefault(run.parent_task_run_id or run.flow_run_id or b"", []).append(run)

    def below(scope: bytes) -> tuple[Any, ...]:
        return tuple(sorted(described(run) for run in by_scope.get(scope, ())))

    def of_flow(view: FlowRunView) -> tuple[Any, ...]:
        return (view.flow_name, view.state.name, view.run_count, below(view.id))

    def described(run: TaskRunView) -> tuple[Any, ...]:
        child = () if run.child_flow_run_id is None else of_flow(flows[run.child_flow_run_id])
        return (
            *(run.task_name, run.state.name, run.run_count, run.attempt, run.superseded_by or 0),
            child,
            below(run.id),
        )

    return of_flow(flows[flow_run_id])


def run_attempt(script: Path, world: World, number: int) -> tuple[str, Any]:
    """Make one attempt; return the state that the run is in after it, and its value."""
    world.ran.clear()
    try:
        if number == 1:
            state = load_flow_from_entrypoint(f"{script}:{MAIN}")(return_state=True)
        else:
            assert world.flow_run_id is not None
            state = flow_runs.retry_flow_run(world.flow_run_id, return_state=True)
    except SystemExit:
        return "Crashed", None
    return state.name, state.result() if state.is_completed() else None


def check(story: Story, folder: Path) -> None:
    """Let a story happen, and compare each attempt with the model."""
    expected = attempts_of(story)
    note(repr(story))
    script = folder / "pipeline.py"
    world = World(story.plan)
    replay_world.enter(world)
    with harness() as runs:
        for number, (outcome, records) in enumerate(expected, 1):
            script.write_text(source_of(story.version(number)), encoding="utf-8")
            found = run_attempt(script, world, number)
            assert world.flow_run_id is not None
            assert Counter(world.ran) == Counter(outcome.ran), f"bodies of attempt {number}"
            assert found == (outcome.state, outcome.value), f"attempt {number}"
            assert tree(runs, parse_id(world.flow_run_id)) == records, f"records after attempt {number}"
    if story.only_main_edited and not any(map(tolerates_failures, story.versions)):
        assert expected[-1][0].value == undisturbed(story.versions[-1])


FEW = settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
MANY = settings(max_examples=2000, suppress_health_check=list(HealthCheck), deadline=None)


@FEW
@given(story=stories())
def test_any_program_is_picked_up_as_the_model_says(story: Story, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(story, tmp_path_factory.mktemp("story"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@MANY
@given(story=stories(most_edits=3))
def test_many_programs_are_picked_up_as_the_model_says(story: Story, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(story, tmp_path_factory.mktemp("story"))
