"""Transactions: what a block does stands as a whole, or is taken back as a whole when something in it fails.

Each task run is a transaction of its own; inside of a block it commits, or is rolled back, with the block.
"""

from __future__ import annotations

from typing import Any

from dalsegno._engine.context import current_scope
from dalsegno._engine.transacting import BaseTransaction, innermost
from dalsegno._engine.transaction_kinds import AsyncTransaction, Transaction
from dalsegno._engine.transaction_states import CommitMode, IsolationLevel, TransactionState
from dalsegno.results import ResultStore

__all__ = [
    "AsyncTransaction",
    "BaseTransaction",
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "atransaction",
    "get_transaction",
    "transaction",
]


def transaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: Any = None,
) -> Transaction:
    """Make a transaction, to be used by ``with``. It works in flows, in tasks, and outside of runs.

    At the end of the block it waits for the task runs that were begun inside. If none of them failed it commits: the
    commit hooks of the task runs are called, then its own. Else, or when the block raises, everything is rolled back,
    the last step first, and the task runs end as RolledBack: a retry runs them again.

    Args:
        key: What names the work across runs: if it was committed before, ``is_committed()`` is true from the start.
        store: Where the record under the key is; by default that of the transaction around, else
            `dalsegno.results.get_result_store()`.
        commit_mode: By default LAZY inside of another transaction, else EAGER.
        isolation_level: By default that of the transaction around, else READ_COMMITTED.
        overwrite: Take no notice of a record that exists.
        write_on_commit: Whether the commit writes the record: what `stage` was given, or None.
        logger: What is told of hooks that fail; by default the run's logger.

    Raises:
        ConfigurationError: SERIALIZABLE with a store that has no lock manager (when the block is entered).

    Example:
        >>> with transaction():
        ...     book_train(city)
        ...     pay(budget)
    """
    return Transaction(key, store, commit_mode, isolation_level, overwrite, write_on_commit, logger)


def atransaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: Any = None,
) -> AsyncTransaction:
    """Make a transaction, to be used by ``async with``; all else is as with `transaction`.

    Example:
        >>> async with atransaction():
        ...     await pay(budget)
    """
    return AsyncTransaction(key, store, commit_mode, isolation_level, overwrite, write_on_commit, logger)


def get_transaction() -> Any:
    """Return the innermost transaction (a Transaction, in async code an AsyncTransaction), or None.

    In the body of a task, outside of blocks in it, that is the transaction of the task run: what is set there, the
    task's hooks find.

    Example:
        >>> get_transaction().set("table", "orders_tmp")
    """
    return innermost(current_scope(), create=True)
