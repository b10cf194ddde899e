"""Picking up: which calls of an earlier run of a body answer calls of this one.

Matching is by (scope, task key, fingerprint of the inputs): the n-th call with a fingerprint takes the n-th recorded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterator

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno.model.ids import id_text
from dalsegno.model.records import default_task_run_name, unpack_upstream
from dalsegno.model.states import STATE_CODES, StateType
from dalsegno.model.views import ReplayEntry

_COMPLETED = STATE_CODES[StateType.COMPLETED]
_NEVER_STARTED = b"never started"
_EXECUTION = 20  # bytes of an execution id: the run's id and a count
_PAGE = 5000
_AHEAD = 500  # results that are read at once, in the order in which the calls were recorded


class RerunPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to run again although it completed; what depends on it runs again with it."""

    from_: frozenset[str] = frozenset()
    """Names of tasks, names of task runs, or ids (text) of task runs."""
    changed: bool = False
    """Whatever has another source than when it ran."""

    def applies(self, entry: ReplayEntry, names: Collection[str], source_hash: str | None) -> bool:
        if self.changed and entry.source_hash != source_hash:
            return True
        return bool(self.from_) and not self.from_.isdisjoint(names)


class Recorded:
    """An entry that answers or continues a call."""

    __slots__ = ("entry", "answers")

    def __init__(self, entry: ReplayEntry, answers: bool) -> None:
        self.entry = entry
        self.answers = answers
        """Whether it completed and its result is to be used; else the call runs, and its row goes on."""


class ReplayIndex:
    """What was recorded under one root run, or one flow run below it, before this run of the body began."""

    def __init__(
        self,
        backend: Backend,
        root_run_id: bytes,
        *,
        within: bytes | None = None,
        policy: RerunPolicy | None = None,
        same_attempt: bool = False,
    ) -> None:
        self._backend = backend
        self._policy = policy
        self._lock = threading.Lock()
        self._groups: dict[tuple[bytes, str], dict[bytes | None, deque[ReplayEntry]]] = {}
        self._order: list[bytes] = []
        self._place: dict[bytes, int] = {}
        self._results: dict[bytes, bytes] = {}
        self._again: set[bytes] = set()
        self._entries: dict[bytes, ReplayEntry] = {}
        self._unknown: set[str] = set()
        self.same_attempt = same_attempt
        self.foreign = False
        """The entries are another run's: what they answer is recorded anew."""
        self.root_run_id = root_run_id
        self.task_names: set[str] = set()
        self._stands_for: dict[bytes, bytes] = {}
        self._enter: set[bytes] = set()
        self._originals: dict[bytes, bytes] = {}
        self._told: set[str] = set()
        entries = [entry for entry in _subtree(_read(backend, root_run_id), within) if not entry.superseded]
        for entry in self._without_rerun(entries) if policy is not None else entries:
            self._add(entry)

    def _without_rerun(self, entries: list[ReplayEntry]) -> list[ReplayEntry]:
        """Apply the policy's names: what is inside of something that runs again is left out, and what has something
        inside that runs again is entered rather than answered as a whole.
        """
        assert self._policy is not None
        wanted = self._policy.from_
        self._unknown = set(wanted)
        owners: dict[bytes, bytes] = {}
        fresh: set[bytes] = set()
        kept: list[ReplayEntry] = []
        for entry in entries:
            owners[entry.id] = entry.scope_id
            inside = [entry.id] if entry.child_flow_run_id is None else [entry.id, entry.child_flow_run_id]
            if entry.child_flow_run_id is not None:
                owners[entry.child_flow_run_id] = entry.id
            names = _names(entry)
            self.task_names.add(entry.task_name)
            if entry.scope_id in fresh:
                fresh.update(inside)
                continue
            kept.append(entry)
            if wanted.isdisjoint(names):
                continue
            self._unknown -= names
            fresh.update(inside)
            above: bytes | None = entry.scope_id
            while above is not None:
                self._enter.add(above)
                above = owners.get(above)
        return kept

    def unknown_names(self) -> set[str]:
        """Return the names of the policy that are no task's and no task run's."""
        return self._unknown

    def stands_for(self, new_id: bytes, recorded_id: bytes) -> None:
        """Say that a scope of a new run is to be answered by the entries of a recorded one."""
        self.foreign = True
        self._stands_for[new_id] = recorded_id

    def answered(self, execution_id: bytes, entry: ReplayEntry) -> None:
        """Note that an execution of a new run is a recorded one."""
        self._originals[execution_id] = entry.id + entry.run_count.to_bytes(4, "big")

    def original(self, identity: bytes | None) -> bytes | None:
        """Return what the recorded run knew an execution by; what follows the execution's id stays."""
        if identity is None:
            return None
        return self._originals.get(identity[:_EXECUTION], identity[:_EXECUTION]) + identity[_EXECUTION:]

    def is_first_word_of(self, task_key: str) -> bool:
        """Tell whether nothing was said yet of a task's change; from now on something was."""
        with self._lock:
            first = task_key not in self._told
            self._told.add(task_key)
            return first

    def _add(self, entry: ReplayEntry) -> None:
        group = self._groups.setdefault((entry.scope_id, entry.task_key), {})
        never_started = entry.fingerprint is None and entry.run_count == 0
        group.setdefault(_NEVER_STARTED if never_started else entry.fingerprint, deque()).append(entry)
        self._entries[entry.id] = entry
        if entry.state_type == _COMPLETED and entry.has_result:
            self._place[entry.id] = len(self._order)
            self._order.append(entry.id)

    def take(
        self, scope_id: bytes, task_key: str, task_name: str, fingerprint: bytes | None, source_hash: str | None
    ) -> Recorded | None:
        """Return what was recorded of a call, and count it as used."""
        with self._lock:
            group = self._groups.get((self._stands_for.get(scope_id, scope_id), task_key))
            if group is None:
                return None
            entry = self._next(group, fingerprint)
            if entry is None:
                return None
            del self._entries[entry.id]
            completed = entry.state_type == _COMPLETED and entry.fingerprint is not None
            return Recorded(entry, completed and not self._must_run_again(entry, task_name, source_hash))

    def _next(self, group: dict[bytes | None, deque[ReplayEntry]], fingerprint: bytes | None) -> ReplayEntry | None:
        if fingerprint is not None and group.get(fingerprint):
            return group[fingerprint].popleft()
        # A call that was not ready or skipped for an upstream has no inputs to speak of: any such row may go on.
        waiting = group.get(_NEVER_STARTED)
        return waiting.popleft() if waiting else None

    def _must_run_again(self, entry: ReplayEntry, task_name: str, source_hash: str | None) -> bool:
        if entry.state_name == "RolledBack":
            self._again.add(entry.id)
            return True
        if self._policy is None:
            return False
        upstream = {id_ for _, id_ in unpack_upstream(entry.upstream)}
        names = {task_name, *_names(entry)}
        # What is changed inside of a nested flow is seen only by entering it.
        enter = entry.id in self._enter or (self._policy.changed and entry.child_flow_run_id is not None)
        if enter or self._policy.applies(entry, names, source_hash) or not self._again.isdisjoint(upstream):
            self._again.add(entry.id)
            return True
        return False

    def result(self, entry: ReplayEntry) -> bytes | None:
        """Return the packed result of a completed call; None if it was not kept."""
        if not entry.has_result:
            return None
        with self._lock:
            found = self._results.pop(entry.id, None)
            if found is not None:
                return found
            at = self._place[entry.id]
            wanted = [id_ for id_ in self._order[at : at + _AHEAD] if id_ not in self._results]
        results = self._backend.read_results(wanted)
        with self._lock:
            self._results.update(results)
            return self._results.pop(entry.id, None)

    def unused(self, scope_id: bytes) -> list[bytes]:
        """Return the task runs of a scope that no call came to, and that did not complete."""
        with self._lock:
            return [
                entry.id
                for entry in self._entries.values()
                if entry.scope_id == self._stands_for.get(scope_id, scope_id)
                and not self.foreign
                and entry.state_type != _COMPLETED
            ]

    def __len__(self) -> int:
        return len(self._entries)


def _names(entry: ReplayEntry) -> set[str]:
    """Return by what a person may call a task run: its task's name, its own, its id."""
    own = entry.name or default_task_run_name(entry.task_name, entry.id)
    return {entry.task_name, own, id_text(entry.id)}


def _read(backend: Backend, root_run_id: bytes) -> Iterator[ReplayEntry]:
    after: bytes | None = None
    while True:
        page = backend.replay_entries(root_run_id, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _subtree(entries: Iterator[ReplayEntry], within: bytes | None) -> Iterator[ReplayEntry]:
    """Leave out what is not below a flow run. Ids are in time order, so that parents come before children."""
    if within is None:
        yield from entries
        return
    scopes = {within}
    for entry in entries:
        if entry.scope_id in scopes:
            scopes.add(entry.id)
            if entry.child_flow_run_id is not None:
                scopes.add(entry.child_flow_run_id)
            yield entry
