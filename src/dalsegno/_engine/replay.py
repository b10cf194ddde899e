"""Picking up: what one run recorded before this run of a body began, and what of it answers which call.

Matching is by (scope, task key, fingerprint of the inputs): the n-th call with a fingerprint takes the n-th recorded.
`lineage` puts the indexes of a run and of the runs that it started from together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterator, Set

import msgspec

from dalsegno._backend.protocol import Backend
from dalsegno.model.ids import id_text
from dalsegno.model.records import default_task_run_name, unpack_upstream
from dalsegno.model.states import STATE_CODES, StateRecord, StateType
from dalsegno.model.views import Page, ReplayEntry, RunFilter

_COMPLETED = STATE_CODES[StateType.COMPLETED]
_NEVER_STARTED = b"never started"
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

    def joined(self, other: RerunPolicy) -> RerunPolicy:
        """Return the policy that has run again what either has."""
        return RerunPolicy(from_=self.from_ | other.from_, changed=self.changed or other.changed)


NOTHING_AGAIN = RerunPolicy()


class ReplayIndex:
    """What was recorded under one root run, or one flow run below it, before this run of the body began."""

    def __init__(
        self,
        backend: Backend,
        root_run_id: bytes,
        *,
        within: bytes | None = None,
        policy: RerunPolicy = NOTHING_AGAIN,
        subject: Set[bytes] | None = None,
        elder: bool = False,
        begins: bool = False,
    ) -> None:
        self._backend = backend
        self.policy = policy
        self._subject = subject
        """The entries that the policy is about; None: all."""
        self._elder = elder
        """It answers the calls of another run, which started from this one."""
        self._lock = threading.Lock()
        self._groups: dict[tuple[bytes, str], dict[bytes | None, deque[ReplayEntry]]] = {}
        self._order: list[bytes] = []
        self._place: dict[bytes, int] = {}
        self._results: dict[bytes, bytes] = {}
        self._states: dict[bytes, StateRecord] = {}
        self._entries: dict[bytes, ReplayEntry] = {}
        self._gone: dict[bytes, ReplayEntry] = {}
        self.root_run_id = root_run_id
        self.unknown_names: set[str] = set(policy.from_)
        """The names of the policy that are no task's and no task run's."""
        self.task_names: set[str] = set()
        self._stands_for: dict[bytes, bytes] = {}
        self._enter: set[bytes] = set()
        self._left_out: dict[bytes, list[bytes]] = {}
        if begins:
            return
        entries = [entry for entry in _subtree(_read(backend, root_run_id), within) if not entry.superseded]
        for entry in self._without_rerun(entries) if policy.from_ else entries:
            self._add(entry)

    def _without_rerun(self, entries: list[ReplayEntry]) -> list[ReplayEntry]:
        """Apply the policy's names: what is inside of something that runs again is left out, and what has something
        inside that runs again is entered rather than answered as a whole.
        """
        owners: dict[bytes, bytes] = {}
        fresh: dict[bytes, bytes] = {}  # what runs again, and the scopes inside: by the outermost task run of them
        kept: list[ReplayEntry] = []
        for entry in entries:
            owners[entry.id] = entry.scope_id
            inside = [entry.id] if entry.child_flow_run_id is None else [entry.id, entry.child_flow_run_id]
            if entry.child_flow_run_id is not None:
                owners[entry.child_flow_run_id] = entry.id
            self.task_names.add(entry.task_name)
            outermost = fresh.get(entry.scope_id)
            if outermost is not None:
                fresh.update(dict.fromkeys(inside, outermost))
                self._left_out.setdefault(outermost, []).append(entry.id)
                continue
            kept.append(entry)
            if not self._is_subject(entry) or self.policy.from_.isdisjoint(names := _names(entry)):
                continue
            self.unknown_names -= names
            fresh.update(dict.fromkeys(inside, entry.id))
            above: bytes | None = entry.scope_id
            while above is not None:
                self._enter.add(above)
                above = owners.get(above)
        return kept

    def _is_subject(self, entry: ReplayEntry) -> bool:
        return self._subject is None or entry.id in self._subject

    def _add(self, entry: ReplayEntry) -> None:
        group = self._groups.setdefault((entry.scope_id, entry.task_key), {})
        never_started = entry.fingerprint is None and entry.run_count == 0
        group.setdefault(_NEVER_STARTED if never_started else entry.fingerprint, deque()).append(entry)
        self._entries[entry.id] = entry
        if entry.state_type == _COMPLETED:
            self._place[entry.id] = len(self._order)
            self._order.append(entry.id)

    # --- scopes

    def stands_for(self, new_id: bytes, recorded_id: bytes) -> None:
        """Say that a scope of another run is to be answered by the entries of a recorded one."""
        self._stands_for[new_id] = recorded_id

    def knows(self, id_: bytes) -> bool:
        """Tell whether a task run is one of these; of an index that is used by another run."""
        return id_ in self._entries or id_ in self._gone

    # --- entries

    def take(self, scope_id: bytes, task_key: str, fingerprint: bytes | None) -> ReplayEntry | None:
        """Return what was recorded of a call, and count it as used."""
        group = self._groups.get((self._stands_for.get(scope_id, scope_id), task_key))
        if group is None:
            return None
        found = group.get(fingerprint) if fingerprint is not None else None
        if not found and not self._elder:
            # A call that was not ready or skipped for an upstream has no inputs to speak of: any such row may go on.
            found = group.get(_NEVER_STARTED)
        while found:
            entry = found.popleft()
            if self._entries.pop(entry.id, None) is not None:
                if self._elder:
                    self._gone[entry.id] = entry
                return entry
        return None

    def use(self, id_: bytes) -> None:
        """Count an entry as used: another run has taken it before."""
        entry = self._entries.pop(id_, None)
        if entry is not None:
            self._gone[id_] = entry

    def used(self, id_: bytes) -> ReplayEntry | None:
        """Return an entry that another run has taken."""
        return self._gone.get(id_)

    def is_to_run_again(
        self,
        entry: ReplayEntry,
        task_name: str,
        source_hash: str | None,
        again: Set[bytes],
        policy: RerunPolicy | None = None,
    ) -> bool:
        """Tell whether a completed call is to be run all the same; `again` has what is run again before it."""
        policy = policy or self.policy
        if entry.state_name == "RolledBack":
            return True
        if not self._is_subject(entry):
            return False
        # What is changed inside of a nested flow is seen only by entering it.
        if entry.id in self._enter or (policy.changed and entry.child_flow_run_id is not None):
            return True
        if policy.applies(entry, {task_name, *_names(entry)}, source_hash):
            return True
        return not again.isdisjoint([id_ for _, id_ in unpack_upstream(entry.upstream)])

    def inside(self, id_: bytes) -> list[bytes]:
        """Return what was recorded inside of a task run that is run again from its beginning."""
        return self._left_out.pop(id_, [])

    def untaken(self) -> set[bytes]:
        """Return the entries that no call came to until now."""
        return set(self._entries)

    def unused(self, scope_id: bytes) -> list[bytes]:
        """Return the task runs of a scope that no call came to, and that did not complete."""
        return [
            entry.id
            for entry in list(self._entries.values())
            if entry.scope_id == scope_id and entry.state_type != _COMPLETED
        ]

    # --- what they hold

    def result(self, entry: ReplayEntry) -> bytes | None:
        """Return the packed result of a completed call; None if it was not kept."""
        if not entry.has_result:
            return None
        with self._lock:
            found = self._results.pop(entry.id, None)
            if found is not None:
                return found
            wanted = [id_ for id_ in self._following(entry) if id_ not in self._results]
        results = self._backend.read_results(wanted)
        with self._lock:
            self._results.update(results)
            return self._results.pop(entry.id, None)

    def state(self, entry: ReplayEntry) -> StateRecord | None:
        """Return the state of a completed call as it is recorded; None if it is gone meanwhile."""
        with self._lock:
            found = self._states.pop(entry.id, None)
            if found is not None:
                return found
            wanted = self._following(entry)
        views = self._backend.list_task_runs(RunFilter(ids=wanted), Page(limit=len(wanted)))
        with self._lock:
            self._states = {view.id: view.state for view in views}
            return self._states.pop(entry.id, None)

    def _following(self, entry: ReplayEntry) -> list[bytes]:
        at = self._place[entry.id]
        return self._order[at : at + _AHEAD]

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
