"""A transaction and what is inside of it: committing them, or taking them back, as one.

Lives of steps, like those of runs: whoever has a transaction drives them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from dalsegno._engine.steps import Block, Life, Step
from dalsegno._engine.transaction_states import DECIDED, TransactionState

if TYPE_CHECKING:
    from dalsegno._engine.task_transactions import TaskPart
    from dalsegno._engine.transacting import BaseTransaction

T = TypeVar("T")
Hook = Callable[..., Any]
Steps = Generator[Step, Any, T]


def doom(top: BaseTransaction) -> str | None:
    """Return why a group cannot commit; None if it can."""
    for child in top.children:
        if child.part is not None:
            reason = child.part.doom()
            if reason is None and child.is_rolled_back():
                reason = f"{child.part.run.name!r} was rolled back"
        else:
            reason = "a transaction in it was rolled back" if child.is_rolled_back() else doom(child)
        if reason is not None:
            return reason
    return None


def commit_group(top: BaseTransaction) -> Steps[bool]:
    """Commit what is open in a group, children first; roll it back if a hook fails or a record cannot be written."""
    yield Block(lambda: _recall(top))
    members = list(_ready(top))
    parts = [member.part for member in members if member.part is not None]
    hooks = any(member.on_commit_hooks for member in members)
    if parts and (hooks or any(member.writes for member in members)):
        # What hooks and records announce must not be lost to a crash.
        yield Block(lambda: _barrier(parts))
    with _settled(members):
        try:
            for member in members:
                for hook in member.on_commit_hooks:
                    yield from member.run_one(hook)
            for member in members:
                yield from member.write()
        except Exception as error:
            top.log(logging.ERROR, "The transaction could not be committed: %r", error, exc_info=error)
            yield from roll_back_group(top, f"it could not be committed ({error!r})")
            return False
    for member in members:
        member.state = TransactionState.COMMITTED
        member.unlock()
    in_block = top.part is None
    if parts and (in_block or hooks):
        for part in parts:
            part.note_committed()
    if parts and in_block:
        yield Block(lambda: _barrier(parts))
    return bool(members)


def roll_back_group(top: BaseTransaction, reason: str) -> Steps[bool]:
    """Take back what is open in a group: its own hooks, last listed first, then its children, the last one first."""
    yield Block(lambda: _recall(top))
    members = list(_open(top))
    completed = [member.part for member in members if member.part is not None and member.part.completed]
    for part in completed:
        yield from part.mark_rolled_back(reason)
    if any(part.has_rollback_hooks for part in completed):
        # A retry must find that these are to be taken back, even if this process ends while it does so.
        yield Block(lambda: _barrier(completed))
    for member in members:
        member.state = TransactionState.ROLLED_BACK
    with _settled(members):
        for member in members:
            if member.part is None or member.part.completed:
                yield from run_rollback_hooks(member)
            if member.part is not None:
                member.part.let_go()
            member.unlock()
    return bool(members)


def run_rollback_hooks(member: BaseTransaction) -> Life:
    """Call the rollback hooks of one transaction. One that fails is logged; the others still run."""
    for hook in reversed(member.on_rollback_hooks):
        try:
            yield from member.run_one(hook)
        except Exception as error:
            name = getattr(hook, "__name__", repr(hook))
            member.log(logging.ERROR, "The rollback hook %r failed: %r", name, error, exc_info=error)
    if member.part is not None:
        member.part.note_taken_back()


def _ready(top: BaseTransaction) -> Iterator[BaseTransaction]:
    """Give what may be committed, children first."""
    for child in list(top.children):
        if child.closed or (child.part is not None and child.part.run.ended):
            yield from _ready(child)
    if top.state not in DECIDED:
        yield top


def _open(top: BaseTransaction) -> Iterator[BaseTransaction]:
    """Give what may be taken back, in that order. Task runs that have not ended see to it themselves at their end."""
    if top.state not in DECIDED:
        yield top
    for child in reversed(list(top.children)):
        if child.part is None or child.part.run.ended:
            yield from _open(child)


def below(top: BaseTransaction) -> Iterator[BaseTransaction]:
    """Give all that is inside."""
    for child in list(top.children):
        yield child
        yield from below(child)


def _recall(top: BaseTransaction) -> None:
    """Read what the records say of task runs that were answered by an earlier attempt."""
    for member in (top, *below(top)):
        if member.part is not None and member.state not in DECIDED:
            member.part.recall()


def _barrier(parts: list[TaskPart]) -> None:
    for journal in {id(part.session.journal): part.session.journal for part in parts}.values():
        journal.barrier()


class _settled:
    """Marks transactions whose hooks run."""

    def __init__(self, members: list[BaseTransaction]) -> None:
        self.members = [member for member in members if not member.settling]

    def __enter__(self) -> None:
        for member in self.members:
            member.settling = True

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.settling = False


def commit_by_hand(transaction: BaseTransaction) -> Steps[bool]:
    if transaction.state in DECIDED:
        return False
    reason = doom(transaction)
    if reason is None:
        return (yield from commit_group(transaction))
    transaction.log(logging.WARNING, "The transaction is rolled back: %s.", reason)
    yield from roll_back_group(transaction, reason)
    return False


def roll_back_by_hand(transaction: BaseTransaction) -> Steps[bool]:
    if transaction.state in DECIDED:
        return False
    return (yield from roll_back_group(transaction, "rollback() was called"))
