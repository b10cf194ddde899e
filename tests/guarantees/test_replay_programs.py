"""Whatever a program does, and however it is broken off and edited: what completed does not run again, what must
run does, and the records say so.
"""

from __future__ import annotations

import ast
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from tests.guarantees import replay_process, replay_world
from tests.guarantees.model import MAIN, Model, Outcome, Plan, Program, undisturbed, without_dangling
from tests.guarantees.replay_programs import edits, plans, programs, source_of, tolerates_failures
from tests.guarantees.replay_world import World

from dalsegno import flow_runs
from dalsegno._backend.embedded import StoreBackend
from dalsegno._backend.protocol import Backend
from dalsegno.flows import load_flow_from_entrypoint
from dalsegno.model.ids import parse_id
from dalsegno.model.states import STATE_NAMES, TERMINAL_TYPES, may_follow
from dalsegno.model.views import FlowRunView, Page, RunFilter, TaskRunView
from dalsegno.testing import harness

ROOT = Path(__file__).resolve().parents[2]
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


def tree(backend: Backend, flow_run_id: bytes) -> tuple[Any, ...]:
    """Return the records of a root flow run as `Model.tree` does."""
    everything = Page(limit=100_000)
    flows = {view.id: view for view in backend.list_flow_runs(RunFilter(), everything)}
    by_scope: dict[bytes, list[TaskRunView]] = {}
    for run in backend.list_task_runs(RunFilter(), everything):
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


def check_histories(backend: Backend) -> None:
    """Assert that every run's states followed each other as the table of states allows.

    Each attempt starts anew, and so does a call that a flow's own retry comes to again: with Pending.
    """
    everything = Page(limit=100_000)
    views = [
        *map(backend.read_flow_run, (run.id for run in backend.list_flow_runs(RunFilter(), everything))),
        *map(backend.read_task_run, (run.id for run in backend.list_task_runs(RunFilter(), everything))),
    ]
    for view in views:
        assert view is not None
        assert view.states, view.name
        for old, new in pairwise([None, *view.states]):
            assert new is not None
            began = old is None or old.attempt != new.attempt or new.name == "Pending"
            assert may_follow(None if began else old.type, new.type), f"{view.name}: {old} to {new}"
            assert new.name in STATE_NAMES[new.type]
            assert began or new.timestamp >= old.timestamp, f"{view.name}: {old} to {new}"
        assert (view.states[-1].type, view.states[-1].name) == (view.state.type, view.state.name), view.name
        assert view.state.type in TERMINAL_TYPES or view.state.name == "NotReady", view.name


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
            assert tree(runs.backend, parse_id(world.flow_run_id)) == records, f"records after attempt {number}"
        check_histories(runs.backend)
    if story.only_main_edited and not any(map(tolerates_failures, story.versions)):
        assert expected[-1][0].value == undisturbed(story.versions[-1])


def check_in_processes(story: Story, folder: Path) -> None:
    """Let a story happen, each attempt in a process of its own; some are killed by SIGKILL."""
    expected = attempts_of(story)
    assume(any(outcome.state == "Crashed" for outcome, _ in expected))
    note(repr(story))
    (folder / replay_process.PLAN).write_bytes(pickle.dumps(story.plan))
    backend = StoreBackend.in_file(str(folder / "runs.db"))
    environment = {
        **os.environ,
        "DALSEGNO_HOME": str(folder / "home"),
        "DALSEGNO_DATABASE_URL": backend.url,
        "PYTHONPATH": str(ROOT),
    }
    try:
        for number, (outcome, records) in enumerate(expected, 1):
            (folder / replay_process.SCRIPT).write_text(source_of(story.version(number)), encoding="utf-8")
            for name in (replay_process.RAN, replay_process.OUTCOME):
                (folder / name).write_text("", encoding="utf-8")
            command = [sys.executable, "-m", "tests.guarantees.replay_process", str(folder)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            killed = outcome.state == "Crashed"
            assert done.returncode == (-signal.SIGKILL if killed else 0), done.stderr
            backend.find_crashed()
            ran = (folder / replay_process.RAN).read_text(encoding="utf-8").splitlines()
            assert Counter(map(ast.literal_eval, ran)) == Counter(outcome.ran), f"bodies of attempt {number}"
            if not killed:
                text = (folder / replay_process.OUTCOME).read_text(encoding="utf-8")
                assert ast.literal_eval(text) == (outcome.state, outcome.value), f"attempt {number}"
            flow_run_id = parse_id((folder / replay_process.RUN_ID).read_text(encoding="utf-8"))
            assert tree(backend, flow_run_id) == records, f"records after attempt {number}"
        check_histories(backend)
    finally:
        backend.close()


FEW = settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
MANY = settings(max_examples=1000, suppress_health_check=list(HealthCheck), deadline=None)


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


@pytest.mark.embedded
@settings(FEW, max_examples=3)
@given(story=stories(most_edits=1))
def test_a_killed_process_is_picked_up_as_the_model_says(
    story: Story, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_in_processes(story, tmp_path_factory.mktemp("story"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(FEW, max_examples=40)
@given(story=stories())
def test_many_killed_processes_are_picked_up_as_the_model_says(
    story: Story, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_in_processes(story, tmp_path_factory.mktemp("story"))
