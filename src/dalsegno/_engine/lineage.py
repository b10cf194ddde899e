"""What answers the calls of a body: the run's own earlier rows first, then those of the runs that it started from.

A run that was started from another one (a fork) has rows of its own only for the calls that it came to. What it did
not come to is still answered by what the other run completed, however often it is tried again. Each run knows
executions by ids of its own, so a call is sought in each under the fingerprint that it has there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno._engine.replay import ReplayIndex, RerunPolicy
from dalsegno.model.ids import id_text, parse_id
from dalsegno.model.records import TaskDefinition
from dalsegno.model.states import STATE_CODES, StateType
from dalsegno.model.views import FlowRunView, Page, ReplayEntry, RunFilter, TaskRunView

_COMPLETED = STATE_CODES[StateType.COMPLETED]
_EXECUTION = 20  # bytes of an execution id: the run's id and a count
_DEEPEST = 16  # runs that started one from another; what is further back answers nothing
_PAGE = 1000
TAKEN_FROM = "taken_from"
"""Where the record of a task run says of which execution of another run it is a copy."""
STARTED_WITH = "started_with"
"""Where the record of a flow run says what was to run again when it was started from another one."""


class Recorded:
    """An entry that answers or continues a call."""

    __slots__ = ("entry", "index", "answers", "is_own")

    def __init__(self, entry: ReplayEntry, index: ReplayIndex, answers: bool, is_own: bool) -> None:
        self.entry = entry
        self.index = index
        self.answers = answers
        """Whether it completed and its result is to be used; else the call runs."""
        self.is_own = is_own
        """Whether its row is this run's, and goes on; else what it answers is recorded anew."""


class Sought(msgspec.Struct, frozen=True, gc=False):
    """A call that is looked for."""

    scope_id: bytes
    run_id: bytes
    definition: TaskDefinition
    fingerprints: Sequence[bytes | None]
    """In the run itself, then in each that it started from."""
    upstream: Sequence[bytes]
    """The task runs whose results it is known to be given."""


class Replay:
    """The indexes of a run and of its elders, the runs that it started from, nearest first."""

    def __init__(
        self, own: ReplayIndex, elders: Sequence[ReplayIndex] = (), taken: dict[bytes, bytes] | None = None
    ) -> None:
        self.own = own
        self.elders = tuple(elders)
        self.same_attempt = False
        self._taken = taken or {}
        """Execution id of a copy to that of what it was copied from."""
        self._again: set[bytes] = set()
        """The task runs that run again although they completed, with what depends on them."""
        self._anew: set[bytes] = set()
        """Those of which nothing that was recorded inside is used."""
        self._aligned: set[bytes] = set()
        """The task runs whose counterparts in the elders are counted as used."""
        self._nested: dict[bytes, list[tuple[ReplayIndex, bytes]]] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def successor(self, backend: Backend, within: bytes) -> Replay:
        """Return what answers the next run of a body in the same attempt.

        What was to run again and has not been come to is still to; what this run of the body did is not done again.
        """
        own = ReplayIndex(
            backend, self.own.root_run_id, within=within, policy=self.own.policy, subject=self.own.untaken()
        )
        new = Replay(own, self.elders, self._taken)
        new.same_attempt = True
        new._again, new._anew, new._aligned, new._nested = self._again, self._anew, self._aligned, self._nested
        return new

    # --- a call

    def take(self, call: Sought) -> Recorded | None:
        """Return what was recorded of a call, and count it as used."""
        with self._lock:
            forced = not self._again.isdisjoint(call.upstream)
            found = self._find(call)
            if found is None:
                if forced:
                    self._again.add(call.run_id)
                if self.elders:
                    self._aligned.add(call.run_id)
                return None
            depth, entry = found
            index = (self.own, *self.elders)[depth]
            completed = entry.state_type == _COMPLETED and entry.fingerprint is not None
            again = forced or (completed and self._is_to_run_again(index, entry, call.definition))
            run_id = entry.id if depth == 0 else call.run_id
            if again:
                self._again.update((entry.id, run_id))
            if self.elders:
                self._align(call, depth, entry, run_id, answers=completed and not again)
            return Recorded(entry, index, completed and not again, depth == 0)

    def take_waiting(self, scope_id: bytes, task_key: str) -> ReplayEntry | None:
        """Return the row of a call that could not start in an earlier attempt."""
        with self._lock:
            return self.own.take(scope_id, task_key, None)

    def _find(self, call: Sought) -> tuple[int, ReplayEntry] | None:
        for depth, index in enumerate((self.own, *self.elders)):
            entry = index.take(call.scope_id, call.definition.key, call.fingerprints[depth])
            if entry is not None:
                return depth, entry
        return None

    def _is_to_run_again(self, index: ReplayIndex, entry: ReplayEntry, definition: TaskDefinition) -> bool:
        if index.is_to_run_again(entry, definition.name, definition.source_hash, self._again):
            return True
        # A copy has the source of the moment when it was copied: what it was copied from tells of a change since.
        policy = self.own.policy
        return any(
            elder.is_to_run_again(original, definition.name, definition.source_hash, self._again, policy)
            for elder, original in self._copied_from(entry)
        )

    def _copied_from(self, entry: ReplayEntry) -> list[tuple[ReplayIndex, ReplayEntry]]:
        """Return, in the elders, what an entry is a copy of."""
        found: list[tuple[ReplayIndex, ReplayEntry]] = []
        execution = self._taken.get(entry.id + entry.run_count.to_bytes(4, "big"))
        for index in self.elders:
            original = None if execution is None else index.used(execution[:16])
            if original is not None and execution is not None:
                found.append((index, original))
                execution = self._taken.get(execution)
        return found

    def _align(self, call: Sought, depth: int, entry: ReplayEntry, run_id: bytes, *, answers: bool) -> None:
        """Count as used, in the older indexes, what is the same call; where it runs, have it answer what is inside."""
        if run_id in self._aligned:
            return
        self._aligned.add(run_id)
        same = [(self.elders[depth - 1], entry)] if depth else []
        copied = dict(self._copied_from(entry))
        for number, index in enumerate(self.elders[depth:], depth + 1):
            other = copied.get(index)
            if other is None:
                other = index.take(call.scope_id, call.definition.key, call.fingerprints[number])
                if other is not None:
                    self._again.add(other.id)  # it ran in a younger run, and so does what depends on it
            elif not answers:
                self._again.add(other.id)
            if other is not None:
                same.append((index, other))
        if answers:
            return
        for index, other in same:
            index.stands_for(run_id, other.id)
            if other.child_flow_run_id is not None:
                self._nested.setdefault(run_id, []).append((index, other.child_flow_run_id))

    def replaced_by(self, recorded: Recorded) -> list[bytes]:
        """Return what was recorded inside of a call that runs again from its beginning, and is not used any more."""
        inside = recorded.index.inside(recorded.entry.id) if recorded.is_own else []
        if inside:
            self._anew.add(recorded.entry.id)
        return inside

    def enter_flow(self, stand_in: bytes, flow_run_id: bytes) -> None:
        """Say that a nested flow run begins: what the elders recorded of it answers its calls."""
        for index, recorded in self._nested.get(stand_in, ()):
            index.stands_for(flow_run_id, recorded)

    # --- executions

    def copied(self, execution_id: bytes, entry: ReplayEntry) -> None:
        """Note that an execution is a copy of a recorded one."""
        self._taken[execution_id] = entry.id + entry.run_count.to_bytes(4, "big")

    def known_as(self, index: ReplayIndex, identity: bytes | None) -> bytes | None:
        """Return what an elder knows an execution by; what follows the execution's id stays."""
        if identity is None:
            return None
        execution: bytes | None = identity[:_EXECUTION]
        for _ in range(_DEEPEST + 1):
            if execution is None:
                return identity
            if index.knows(execution[:16]):
                return execution + identity[_EXECUTION:]
            execution = self._taken.get(execution)
        return identity

    @property
    def reruns(self) -> bool:
        """Whether anything runs again although it had completed."""
        return bool(self._again)

    def begins_anew(self, run_id: bytes) -> bool:
        """Tell whether a task run is run again from its beginning, with all that is inside."""
        return run_id in self._anew

    def runs_again(self, run_id: bytes) -> bool:
        """Tell whether a task run runs again although it, or what it is given, had completed."""
        return run_id in self._again

    # --- the end

    def unused(self, scope_id: bytes) -> list[bytes]:
        """Return the run's own task runs of a scope that no call came to, and that did not complete."""
        with self._lock:
            return self.own.unused(scope_id)

    def is_first_word_of(self, task_key: str) -> bool:
        """Tell whether nothing was said yet of a task's change; from now on something was."""
        with self._lock:
            first = task_key not in self._told
            self._told.add(task_key)
            return first

    def unknown_names(self) -> set[str]:
        """Return the names that were to run again and are no task's and no task run's."""
        unknown = set(self.own.unknown_names)
        return unknown.intersection(*(index.unknown_names for index in self.elders))

    def task_names(self) -> set[str]:
        return self.own.task_names.union(*(index.task_names for index in self.elders))


def replay_of(backend: Backend, view: FlowRunView, policy: RerunPolicy) -> Replay:
    """Return what answers the next attempt of a root flow run."""
    own = ReplayIndex(backend, view.id, policy=policy)
    elders, taken = _elders(backend, view, policy)
    return Replay(own, elders, taken)


def replay_for_fork(backend: Backend, view: FlowRunView, new_id: bytes, policy: RerunPolicy) -> Replay:
    """Return what answers a new root flow run that starts from another one."""
    nearest = ReplayIndex(backend, view.id, policy=policy, elder=True)
    elders, taken = _elders(backend, view, policy)
    for index in (nearest, *elders):
        index.stands_for(new_id, index.root_run_id)
    return Replay(ReplayIndex(backend, new_id, policy=policy, begins=True), (nearest, *elders), taken)


def _elders(backend: Backend, view: FlowRunView, policy: RerunPolicy) -> tuple[list[ReplayIndex], dict[bytes, bytes]]:
    """Return the indexes of the runs that a run started from, and what it and they copied from each other."""
    found: list[ReplayIndex] = []
    taken: dict[bytes, bytes] = {}
    root = view
    while view.forked_from is not None and len(found) < _DEEPEST:
        started_with = view.extra.get(STARTED_WITH, {})
        elder = None if started_with.get("scratch") else backend.read_flow_run(view.forked_from)
        if elder is None:
            break
        _read_copies(backend, view.id, taken)
        policy = policy.joined(
            RerunPolicy(from_=frozenset(started_with.get("from", ())), changed=bool(started_with.get("changed")))
        )
        found.append(ReplayIndex(backend, elder.id, policy=policy, elder=True))
        view = elder
    for index in found:
        index.stands_for(root.id, index.root_run_id)
        for original in taken.values():
            index.use(original[:16])
    return found, taken


def _read_copies(backend: Backend, root_run_id: bytes, taken: dict[bytes, bytes]) -> None:
    after: bytes | None = None
    while True:
        page = backend.list_task_runs(
            RunFilter(root_run_ids=[root_run_id]), Page(limit=_PAGE, after=after, oldest_first=True)
        )
        for run in page:
            _read_copy(run, taken)
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _read_copy(run: TaskRunView, taken: dict[bytes, bytes]) -> None:
    note = run.extra.get(TAKEN_FROM)
    if note is not None:
        id_, _, count = note.rpartition(".")
        number = int(count).to_bytes(4, "big")
        taken[run.id + number] = parse_id(id_) + number


def taken_from(entry: ReplayEntry) -> str:
    """Return what the record of a copy says of where it is from. The copy has the same run count."""
    return f"{id_text(entry.id)}.{entry.run_count}"


def started_with(policy: RerunPolicy | None) -> dict[str, Any]:
    """Return what the record of a fork says of how it was started; None: nothing of the other run was to be used."""
    if policy is None:
        return {"scratch": True}
    return {
        **({"from": sorted(policy.from_)} if policy.from_ else {}),
        **({"changed": True} if policy.changed else {}),
    }
