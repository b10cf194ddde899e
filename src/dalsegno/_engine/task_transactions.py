"""Task runs as parts of transactions: joining, staging, being taken back, and what is remembered of it for a retry.

A task run outside of transactions and without hooks on them has no transaction until it asks for one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from dalsegno._engine import caching, drivers, hooks, logs
from dalsegno._engine.context import Scope, TaskRunContext
from dalsegno._engine.runs import COMPLETED, PENDING, full_entry, now
from dalsegno._engine.steps import Block, Call, Life
from dalsegno._engine.transacting import BaseTransaction, to_join
from dalsegno._engine.transaction_groups import commit_group, doom, roll_back_group, run_rollback_hooks
from dalsegno._engine.transaction_kinds import transaction_class
from dalsegno._engine.transaction_states import TransactionState
from dalsegno.exceptions import DalsegnoException, EncryptionKeyError, RunFenced, SerializationError
from dalsegno.model.ids import id_text
from dalsegno.model.views import TaskRunView
from dalsegno.results.encoding import cache_address, encode_result
from dalsegno.results.limits import current_limits

if TYPE_CHECKING:
    from dalsegno._engine.lineage import Recorded
    from dalsegno._engine.runs import FlowRun
    from dalsegno._engine.task_life import TaskExecution

ROLLED_BACK = "RolledBack"
_NOTE = "transaction"
"""Where the record says how far the transaction has come: "committed", "rolling back", "rolled back"."""
_VALUES = "transaction_values"
_LARGEST = 1024 * 1024  # bytes of values that stand in a row


class TaskPart:
    """The task run of a transaction."""

    def __init__(self, x: TaskExecution, transaction: BaseTransaction) -> None:
        self.x = x
        self.run = x.run
        self.session = x.session
        self.transaction = transaction
        self.flow_run: FlowRun | None = None
        """The nested flow run, where the task run stands for one."""
        self.unfinished_rollback = False
        """An earlier attempt rolled this run back, or had begun to."""
        self._recalled = False

    @property
    def completed(self) -> bool:
        """Whether there is something to commit or to take back: what was cached or skipped did nothing."""
        code, _, name, _, _ = full_entry(self.run.history[-1])
        return code == COMPLETED and self.run.run_count > 0 and name not in ("Cached", "Skipped")

    @property
    def has_rollback_hooks(self) -> bool:
        return bool(self.transaction.on_rollback_hooks)

    def doom(self) -> str | None:
        """Return why the transactions around cannot commit: the run did not complete."""
        code, _, name, _, _ = full_entry(self.run.history[-1])
        if (code == PENDING and name == "NotReady") or (self.run.ended and code != COMPLETED):
            return f"{self.run.name!r} is {self.run.state_name}"
        return None

    # --- commit

    def write(self) -> Life:
        """Write the cached result, which waits for the commit."""
        if self.x.cache is not None:
            yield from caching.store(self.x)
            self.x.cache = None

    def note_committed(self) -> None:
        """Have a retry know that the commit hooks ran and that there is nothing to take back."""
        if self.completed and not self.run.refused:
            self._note("committed")
        elif self.completed and self.x.answered_by is not None:
            self._write_again()
            self._note("committed")

    def keep_values(self) -> None:
        """Have a retry know the values, which the hooks may need."""
        transaction = self.transaction
        limits = msgspec.structs.replace(current_limits(), inline=_LARGEST, blob=_LARGEST, largest=_LARGEST)
        try:
            encoded = encode_result(
                transaction.values,
                task_run_id=self.run.id_bytes,
                run_count=self.run.run_count,
                root_run_id=self.session.root_run_id,
                signer=self.session.keeper.signer,
                key_address=self._address,
                limits=limits,
            )
        except SerializationError as error:
            logs.write(
                self.run,
                logging.WARNING,
                "What %r set in its transaction cannot be kept, so its hooks will miss it after a crash: %s",
                self.run.name,
                error,
            )
            return
        self.run.note(_VALUES, encoded.packed)

    # --- rollback

    def mark_rolled_back(self, reason: str) -> Life:
        """Bring the run to RolledBack, so that a retry runs it again."""
        run, x = self.run, self.x
        if self.has_rollback_hooks:
            run.note(_NOTE, "rolling back")
        if run.refused and x.answered_by is not None:
            self._write_again()
        entry = (COMPLETED, now(), ROLLED_BACK, f"The transaction was rolled back: {reason}.")
        if x.task.state_handlers:
            yield from hooks.change_state(x.task, run, entry, run.value)
        else:
            run.history.append(entry)
            run.touch()
        if self.flow_run is not None and self.flow_run.ended:
            self.flow_run.history.append(entry)
            self.flow_run.touch()

    def note_taken_back(self) -> None:
        if self.has_rollback_hooks and self.completed:
            self._note("rolled back")

    def let_go(self) -> None:
        """Give up what waited for the commit."""
        if self.x.cache is not None:
            self.x.cache.release()
            self.x.cache = None

    # --- what an earlier attempt recorded

    def recall(self) -> None:
        """Of a run that was answered by the record: learn whether it was committed, and what it had set."""
        answered_by = self.x.answered_by
        if self._recalled or answered_by is None:
            return
        self._recalled = True
        if not answered_by.is_own:
            # What was done belongs to the run that this one started from.
            self.transaction.state = TransactionState.COMMITTED
            return
        view = self._view()
        if view is None:
            return
        run = self.run
        run.start_time_us, run.end_time_us = view.start_time, view.end_time
        run.extra = {name: value for name, value in view.extra.items() if name != "tags"} or None
        if view.extra.get(_NOTE) == "committed":
            self.transaction.state = TransactionState.COMMITTED
        self._load_values(view)

    def finish_rollback(self) -> Life:
        """Call the rollback hooks that an earlier attempt was to call when it ended, before the body runs again."""
        self.unfinished_rollback = False
        view = yield Block(self._view)
        if view is not None and view.extra.get(_NOTE) == "rolling back":
            self._load_values(view)
            yield from run_rollback_hooks(self.transaction)
        self.transaction.values.clear()

    def _view(self) -> TaskRunView | None:
        return recorded_view(self.x, self.run.id_bytes)

    def _load_values(self, view: TaskRunView) -> None:
        packed = view.extra.get(_VALUES)
        if packed is None:
            return
        try:
            self.transaction.values = self.session.keeper.decode(packed, self._address)
        except EncryptionKeyError:
            raise
        except DalsegnoException as error:
            logs.write(self.run, logging.WARNING, "What %r set in its transaction is lost: %s", self.run.name, error)

    def _write_again(self) -> None:
        """Let the row of a run that was answered change: what is in the history by now was recorded before."""
        run = self.run
        run.refused = False
        run.first_position -= len(run.history)
        run._sent = len(run.history)  # pyright: ignore[reportPrivateUsage]

    def _note(self, value: str) -> None:
        self.run.note(_NOTE, value)
        self.run.touch()

    @property
    def _address(self) -> bytes:
        return cache_address(f"transaction of {id_text(self.run.id_bytes)}")


def join(x: TaskExecution) -> BaseTransaction:
    """Make the transaction of a call, as a part of the one that the call stands in."""
    transaction = transaction_class(x.task.is_async)()
    bound(x, transaction)
    parent = to_join(x.parent, create=True)
    if parent is not None:
        parent.add_child(transaction)
    return transaction


def bound(x: TaskExecution, transaction: BaseTransaction) -> BaseTransaction:
    """Make a transaction that of a call, if it is not: its hooks are the task's."""
    if transaction.part is not None:
        return transaction
    transaction.part = TaskPart(x, transaction)
    transaction.on_commit_hooks = [*x.task.on_commit_hooks, *transaction.on_commit_hooks]
    transaction.on_rollback_hooks = [*x.task.on_rollback_hooks, *transaction.on_rollback_hooks]
    return transaction


def enter(transaction: BaseTransaction, scope: TaskRunContext) -> Life:
    """Begin with the body of the task run."""
    transaction.begin_task(scope)
    part = transaction.part
    assert part is not None
    if part.unfinished_rollback:
        yield from part.finish_rollback()


def around_flow(call: TaskExecution | None) -> BaseTransaction | None:
    """Return the transaction that the task runs of a flow's body are part of: the one that the flow was called in."""
    if call is None:
        return to_join(None)
    return None if call.transaction is None else call.transaction.parent


def must_enter(x: TaskExecution, recorded: Recorded) -> bool:
    """Tell whether a nested flow that completed is entered, and its task runs answered one by one.

    So it is until the block around has committed: what was done inside may have to be taken back.
    """
    if recorded.entry.child_flow_run_id is None or not recorded.is_own:
        return False
    view = recorded_view(x, recorded.entry.id)
    return view is not None and view.extra.get(_NOTE) != "committed"


def note_rollback(x: TaskExecution, recorded: Recorded) -> None:
    """Remember that the row that goes on is that of a run that was rolled back, or was to be."""
    if recorded.entry.state_name == ROLLED_BACK and recorded.is_own and x.transaction is not None:
        assert x.transaction.part is not None
        x.transaction.part.unfinished_rollback = True


def recorded_view(x: TaskExecution, id_: bytes) -> TaskRunView | None:
    """Return a task run as it is recorded; None, and a line in the log, if that cannot be read."""
    try:
        return x.session.backend.read_task_run(id_)
    except DalsegnoException as error:
        logs.write(x.run, logging.WARNING, "What was recorded of %r cannot be read: %s", x.run.name, error)
        return None


def keep_values(transaction: BaseTransaction) -> None:
    """Keep what the body set with its record, if a hook may need it after a crash."""
    needed = transaction.on_commit_hooks or (transaction.on_rollback_hooks and transaction.parent is not None)
    if transaction.values and needed and transaction.part is not None:
        transaction.part.keep_values()


def start_over(transaction: BaseTransaction, error: Any) -> Life:
    """Take back what a run of the body did that is to be retried."""
    yield from _roll_back_children(transaction, f"the task is run again after {error!r}")
    transaction.children.clear()
    transaction.values.clear()
    transaction.state = TransactionState.ACTIVE


def settle(x: TaskExecution) -> Life:
    """Come to the end of a task run: commit, or leave that to the transaction around; or take back what was inside."""
    transaction, run = x.transaction, x.run
    assert transaction is not None
    assert transaction.part is not None
    transaction.closed = True
    part = transaction.part
    if x.session.stop is RunFenced:
        return
    if not part.completed:
        yield from _roll_back_children(transaction, part.doom() or "its task did not complete")
        if x.cache is not None:
            yield from caching.store(x)
        if run.history[-1][0] == COMPLETED:
            transaction.state = TransactionState.COMMITTED
    elif transaction.is_rolled_back():
        transaction.state = TransactionState.ACTIVE
        yield from roll_back_group(transaction, "rollback() was called")
    else:
        yield from _stage(x, transaction, part)


def _stage(x: TaskExecution, transaction: BaseTransaction, part: TaskPart) -> Life:
    reason = doom(transaction)
    if reason is not None:
        # The task dealt with a failure inside of it, and completed: what was inside is taken back, the task stands.
        yield from _roll_back_children(transaction, reason)
    transaction.state = TransactionState.STAGED
    parent = transaction.parent
    if parent is None:
        yield from commit_group(transaction)
    elif parent.closed and parent.is_rolled_back():
        yield from roll_back_group(transaction, "the block that began it was rolled back before it ended")
    elif parent.closed and parent.is_committed():
        yield from commit_group(transaction)


def _roll_back_children(transaction: BaseTransaction, reason: str) -> Life:
    for child in reversed(list(transaction.children)):
        yield from roll_back_group(child, reason)


# --- bodies that run in another process


def call_elsewhere(step: Call) -> Any:
    """In the other process: call a body. The task runs that it began there commit, or are taken back, at its end."""
    try:
        value = drivers.call(step)
    except Exception as error:
        drivers.drive(_end_elsewhere(step.scope, f"{type(error).__name__}: {error}"))
        raise
    drivers.drive(_end_elsewhere(step.scope, None))
    return value


def _end_elsewhere(scope: Scope, failure: str | None) -> Life:
    transaction = scope.transaction
    if transaction is None:
        return
    yield from transaction.wait()
    reason = failure or doom(transaction)
    if reason is not None:
        yield from _roll_back_children(transaction, reason)
    else:
        for child in list(transaction.children):
            yield from commit_group(child)


def to_bring_home(scope: Scope) -> tuple[dict[str, Any], bool] | None:
    """Return what the transaction of a body in the other process holds; None if there is none."""
    transaction = scope.transaction
    return None if transaction is None else (transaction.values, transaction.is_rolled_back())


def bring_home(scope: Scope, brought: tuple[dict[str, Any], bool] | None) -> None:
    """Have the task run's transaction hold what its body set in another process."""
    if brought is not None and scope.transaction is not None:
        values, rolled_back = brought
        scope.transaction.values.update(values)
        if rolled_back:
            scope.transaction.state = TransactionState.ROLLED_BACK
