"""Transactions: what is done inside of one stands as a whole or is taken back as a whole.

Written once, as lives of steps; `transaction_kinds` only drives them. How many commit or roll back together is in
`transaction_groups`, what a task run adds in `task_transactions`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from dalsegno._engine import logs
from dalsegno._engine.context import Scope, TaskRunContext, current_scope
from dalsegno._engine.options import not_set
from dalsegno._engine.steps import Block, Invoke, Life, WaitFor
from dalsegno._engine.transaction_groups import Hook, Steps, below, commit_group, doom, roll_back_group
from dalsegno._engine.transaction_states import DECIDED, CommitMode, IsolationLevel, TransactionState
from dalsegno.exceptions import ConfigurationError, MissingResult, RunFenced
from dalsegno.model.ids import id_text, new_id

if TYPE_CHECKING:
    from dalsegno._engine.task_transactions import TaskPart
    from dalsegno.results import ResultRecord, ResultStore


_current: ContextVar[BaseTransaction | None] = ContextVar("dalsegno_transaction", default=None)

open_transaction = _current.get
"""Gives the innermost block that is open somewhere around; what `innermost` makes of it depends on the scope."""


def innermost(scope: Scope | None, *, create: bool = False) -> BaseTransaction | None:
    """Return the transaction that code in a scope stands in; with `create` the task run's own, made if need be."""
    found = _current.get()
    while found is not None and found.scope is not scope:
        found = found.parent
    if found is not None or scope is None:
        return found
    if create and scope.transaction is None and isinstance(scope, TaskRunContext):
        from dalsegno._engine.transaction_kinds import transaction_class

        scope.transaction = transaction_class(scope.is_async)()
        scope.transaction.begin_task(scope)
    return scope.transaction


def to_join(scope: Scope | None, *, create: bool = False) -> BaseTransaction | None:
    """Return the transaction that what is begun in a scope becomes part of.

    What a hook begins is no part of the transaction that it is a hook of.
    """
    found = innermost(scope, create=create)
    while found is not None and found.settling:
        found = found.parent
    return found


class BaseTransaction:
    """What Transaction and AsyncTransaction share: all but the driving.

    Attributes: `key`, `store`, `state`, `parent`, `children`, `commit_mode`, `isolation_level`, `overwrite`,
    `write_on_commit`, `logger`, `on_commit_hooks`, `on_rollback_hooks`, and `task_run`, the run that it is of.
    """

    def __init__(
        self,
        key: str | None = None,
        store: ResultStore | None = None,
        commit_mode: CommitMode | None = None,
        isolation_level: IsolationLevel | None = None,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: Any = None,
    ) -> None:
        self.key = key
        self.store = store
        self.commit_mode = commit_mode
        self.isolation_level = isolation_level
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self.logger = logger
        self.state = TransactionState.PENDING
        self.parent: BaseTransaction | None = None
        self.children: list[BaseTransaction] = []
        self.on_commit_hooks: list[Hook] = []
        self.on_rollback_hooks: list[Hook] = []
        self.values: dict[str, Any] = {}
        self.part: TaskPart | None = None
        """The task run that this is the transaction of; None for a block."""
        self.scope: Scope | None = None
        self.settling = False
        self.closed = False
        """Its block, or the body of its task run, has ended."""
        self._before: BaseTransaction | None = None
        self._value: Any = None
        self._holder: str | None = None

    # --- what it is

    def is_pending(self) -> bool:
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Whether it was committed: by an earlier run already, where there is a record under its key."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        return self.state is TransactionState.ROLLED_BACK

    @property
    def task_run(self) -> Any:
        """The task run that it is the transaction of, or in whose body it was begun; None elsewhere."""
        if self.part is not None:
            return self.part.run
        return None if self.scope is None else self.scope.task_run

    def get_parent(self) -> BaseTransaction | None:
        """Return the transaction around it, or None."""
        return self.parent

    @classmethod
    def get_active(cls) -> BaseTransaction | None:
        """Return the innermost transaction here, or None."""
        return innermost(current_scope(), create=True)

    def add_child(self, transaction: BaseTransaction) -> None:
        """Have another transaction commit and roll back with this one."""
        transaction.parent = self
        self.children.append(transaction)

    # --- what it holds

    def set(self, name: str, value: Any) -> None:
        """Set a value, for the hooks and for the transactions inside.

        Example:
            >>> get_transaction().set("table", "orders_tmp")
        """
        self.values[name] = value

    def get(self, name: str, default: Any = not_set) -> Any:
        """Return a value that was set here, or a copy of one that was set in a transaction around it.

        What cannot be copied is given as it is. Raises ValueError for an unknown name without a default.
        """
        if name in self.values:
            return self.values[name]
        above = self.parent
        while above is not None:
            if name in above.values:
                return _copied(above.values[name])
            above = above.parent
        if default is not not_set:
            return default
        raise ValueError(f"The transaction has no value {name!r}: call set({name!r}, ...) before, or give a default.")

    def stage(
        self, value: Any, on_rollback_hooks: Iterable[Hook] | None = None, on_commit_hooks: Iterable[Hook] | None = None
    ) -> None:
        """Set the value that a commit writes under the key, and add hooks: ``fn(transaction)``."""
        if self.state in DECIDED:
            return
        self._value = value
        self.on_rollback_hooks += on_rollback_hooks or ()
        self.on_commit_hooks += on_commit_hooks or ()
        self.state = TransactionState.STAGED

    # --- its life, in steps

    def enter(self) -> Life:
        """Begin, and stand in it from here on."""
        yield from self.open()
        parent = to_join(current_scope(), create=True)
        if parent is not None:
            parent.add_child(self)
        self._before = _current.get()
        _current.set(self)

    def open(self) -> Life:
        """Become active, or committed if there is a record under the key; where isolation asks for it, lock the key."""
        self.scope = current_scope()
        self._take_over(to_join(self.scope, create=True))
        if self.isolation_level is IsolationLevel.SERIALIZABLE:
            yield from self._lock()
        exists = False
        if self.key is not None and not self.overwrite:
            store, key = self._store(), self.key
            try:
                exists = yield Block(lambda: store.exists(key))
            except BaseException:
                self.unlock()
                raise
        self.state = TransactionState.COMMITTED if exists else TransactionState.ACTIVE
        self.closed = False

    def begin_task(self, scope: Scope) -> None:
        """Become active as the transaction of the task run whose body is executed in a scope."""
        self.scope = scope
        self.closed = False
        self.state = TransactionState.ACTIVE

    def record(self) -> Steps[ResultRecord[Any] | None]:
        """Return the record under the key; None if there is none."""
        if self.key is None:
            return None
        store, key = self._store(), self.key
        try:
            return (yield Block(lambda: store.read(key)))
        except MissingResult:
            return None

    def leave(self, error: BaseException | None) -> Life:
        """Come to the end of the block: wait for what was begun in it, then commit, stage or roll back."""
        try:
            if self.scope is not None and self.scope.session.stop is RunFenced:
                # What was done belongs to the attempt that took over.
                for member in below(self):
                    member.unlock()
                return
            try:
                yield from self.wait()
            except BaseException as problem:
                yield from roll_back_group(self, f"it was broken off ({type(problem).__name__})")
                raise
            yield from self._settle(error)
        finally:
            self.close()

    def _settle(self, error: BaseException | None) -> Life:
        if error is not None:
            yield from roll_back_group(self, f"{type(error).__name__}: {error}")
        elif self.is_rolled_back():
            yield from roll_back_group(self, "rollback() was called")
        elif self.commit_mode is CommitMode.OFF:
            yield from roll_back_group(self, "commit() was not called")
        elif (reason := doom(self)) is not None:
            self.log(logging.WARNING, "The transaction is rolled back: %s.", reason)
            yield from roll_back_group(self, reason)
        elif self.parent is None or self.commit_mode is CommitMode.EAGER:
            yield from commit_group(self)
        elif self.state not in DECIDED:
            self.state = TransactionState.STAGED

    def close(self) -> None:
        """Stand in it no longer."""
        self.closed = True
        if self.state in DECIDED or self.parent is None:
            self.unlock()
        if _current.get() is self:
            _current.set(self._before)

    def wait(self) -> Life:
        """Wait for what was submitted inside."""
        submissions = None if self.scope is None else self.scope.submissions
        if submissions is None:
            return
        inside = {id(member.part.run) for member in below(self) if member.part is not None}
        while waiting := [future for future in list(submissions.open_futures) if id(future.run) in inside]:
            yield WaitFor(waiting)

    # --- its parts

    def run_one(self, hook: Hook) -> Life:
        """Call a hook."""
        yield Invoke(hook, (self,), self.scope)

    def write(self) -> Life:
        """Write the record, or the cached result of the task run."""
        if self.part is not None:
            yield from self.part.write()
        elif self.key is not None and self.write_on_commit:
            store, key, value = self._store(), self.key, self._value
            yield Block(lambda: store.write(value, key=key, holder=self._held_by(self)))

    @property
    def writes(self) -> bool:
        return self.key is not None and self.write_on_commit

    def log(self, level: int, message: str, *args: Any, exc_info: Any = None) -> None:
        run = self.task_run or (None if self.scope is None else self.scope.flow_run)
        if self.logger is not None:
            self.logger.log(level, message, *args, exc_info=exc_info)
        elif run is not None:
            logs.write(run, level, message, *args, exc_info=exc_info)
        else:
            logging.getLogger("dalsegno.transactions").log(level, message, *args, exc_info=exc_info)

    def _take_over(self, parent: BaseTransaction | None) -> None:
        """Settle what was left to the defaults, which depend on the transaction around."""
        if self.commit_mode is None:
            self.commit_mode = CommitMode.EAGER if parent is None else CommitMode.LAZY
        if self.store is None and self.key is not None and parent is not None:
            self.store = parent.store
        if self.isolation_level is None:
            inherited = None if parent is None else parent.isolation_level
            self.isolation_level = inherited or IsolationLevel.READ_COMMITTED
        elif self.isolation_level is IsolationLevel.SERIALIZABLE:
            self._check_isolation()
        if self.key is not None:
            self._check_isolation()

    def _check_isolation(self) -> None:
        if self.isolation_level is IsolationLevel.SERIALIZABLE and not self._store().supports_isolation:
            raise ConfigurationError(
                f"The transaction {self.key!r} is SERIALIZABLE, but its store has no lock manager. Give it a store "
                "that has one: store=ResultStore(lock_manager=FileSystemLockManager(folder))."
            )

    def _store(self) -> ResultStore:
        if self.store is None:
            from dalsegno.results import get_result_store

            self.store = get_result_store()
        return self.store

    def _lock(self) -> Life:
        """Lock the key, unless a transaction around this one has it locked already."""
        if self.key is None or self._held_by(to_join(self.scope)) is not None:
            return
        store, key = self._store(), self.key
        holder = id_text(new_id())
        yield Block(lambda: store.acquire_lock(key, holder))
        self._holder = holder

    def _held_by(self, at: BaseTransaction | None) -> str | None:
        """Return who holds the lock of the key: a transaction, or one around it."""
        while at is not None:
            if at.key == self.key and at._holder is not None:
                return at._holder
            at = at.parent
        return None

    def unlock(self) -> None:
        """Let go of the key."""
        holder, self._holder = self._holder, None
        if holder is not None and self.key is not None and self._store().is_lock_holder(self.key, holder):
            self._store().release_lock(self.key, holder)


def _copied(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # copying is up to the value's class, which may raise anything
        return value
