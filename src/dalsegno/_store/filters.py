"""Turns a RunFilter into conditions of SQL, with parameters only."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store.connection import Connection, Dialect
from dalsegno._store.rows import TASK_RUN_ROOT
from dalsegno.model.ids import new_id
from dalsegno.model.states import DEFAULT_NAMES, STATE_CODES
from dalsegno.model.views import RunFilter

_DEFAULT_NAME_CODES = {name: STATE_CODES[type_] for type_, name in DEFAULT_NAMES.items()}
_HAS_TAG: dict[Dialect, str] = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each({tags}) WHERE value = ?)",
    "postgresql": "EXISTS (SELECT 1 FROM json_array_elements_text({tags}::json) AS tag WHERE tag = ?)",
}
_IN_EXTRA: dict[Dialect, str] = {
    "sqlite": "instr(run.extra, ?)",
    "postgresql": "position(? IN run.extra) > 0",
}
_HEX: dict[Dialect, str] = {"sqlite": "lower(hex(run.id))", "postgresql": "encode(run.id, 'hex')"}


class Conditions:
    """A conjunction of conditions and the values of their parameters."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.values: list[Any] = []

    def add(self, text: str, *values: Any) -> None:
        """Add a condition."""
        self.texts.append(text)
        self.values.extend(values)

    def add_any(self, column: str, values: list[Any]) -> None:
        """Add: the column is one of these."""
        self.add(f"{column} IN ({','.join('?' * len(values))})", *values)

    def where(self, first: str = "TRUE") -> str:
        """Return the WHERE clause, with another condition before these."""
        return f" WHERE {' AND '.join([first, *self.texts])}"


Alternative = tuple[str, list[Any]]
"""One of several conditions that exclude each other, and its values; each has an index that is in the order
of ids."""


def flow_run_alternatives(connection: Connection, filter: RunFilter) -> list[Alternative]:
    """Return what to look through for a filter of flow runs."""
    if filter.flow_names:
        return [("run.flow_id = ?", [id]) for id in _flow_ids(connection, filter.flow_names)]
    if filter.state_types:
        return [("run.state_type = ?", [code]) for code in filter.state_types]
    return [("TRUE", [])]


def task_run_alternatives(connection: Connection, filter: RunFilter) -> list[Alternative]:
    """Return what to look through for a filter of task runs."""
    if filter.flow_run_ids:
        numbers = _flow_run_numbers(connection, filter.flow_run_ids)
        return [("run.flow_run = ?", [number]) for number in numbers.values()]
    if filter.root_run_ids:
        return _of_roots(connection, filter.root_run_ids)
    if filter.task_names:
        return [("run.task = ?", [number]) for number in _task_numbers(connection, filter.task_names)]
    if filter.state_types:
        return [("run.state_type = ?", [code]) for code in filter.state_types]
    return [("TRUE", [])]


def flow_run_conditions(dialect: Dialect, filter: RunFilter) -> Conditions:
    """Return the conditions on ``flow_run AS run`` beside the alternatives; `flow_run_ids` are its parents."""
    conditions = _common(dialect, filter)
    if filter.name is not None:
        conditions.add("run.name = ?", filter.name)
    if filter.flow_run_ids:
        conditions.add_any("run.parent_flow_run_id", filter.flow_run_ids)
    if filter.root_run_ids:
        marks = ",".join("?" * len(filter.root_run_ids))
        conditions.add(
            f"run.id IN (SELECT id FROM flow_run WHERE id IN ({marks})"
            f" UNION ALL SELECT id FROM flow_run WHERE root_run_id IN ({marks}))",
            *filter.root_run_ids,
            *filter.root_run_ids,
        )
    for tag in filter.tags:
        conditions.add(_HAS_TAG[dialect].format(tags="run.tags"), tag)
    if filter.top_level:
        conditions.add("run.root_run_id IS NULL")
    return conditions


def task_run_conditions(dialect: Dialect, filter: RunFilter) -> Conditions:
    """Return the conditions on ``task_run AS run`` beside the alternatives; `flow_run_ids` are its flow runs."""
    conditions = _common(dialect, filter)
    if filter.name is not None:
        # The default name ends in digits of the id and is not stored.
        conditions.add(f"coalesce(run.name, task.name || '-' || substr({_HEX[dialect]}, 30)) = ?", filter.name)
    if filter.flow_names:
        marks = ",".join("?" * len(filter.flow_names))
        conditions.add(f"owner.flow_id IN (SELECT id FROM flow WHERE name IN ({marks}))", *filter.flow_names)
    if filter.root_run_ids:
        conditions.add_any(TASK_RUN_ROOT[dialect], filter.root_run_ids)
    if filter.task_names:
        conditions.add_any(_aside(dialect, "task.name"), filter.task_names)
    for tag in filter.tags:
        # Definitions keep their tags as JSON, runs among what is rare, as msgpack: there the bytes of a text
        # follow its length.
        conditions.add(
            f"({_HAS_TAG[dialect].format(tags='task.tags')} OR {_IN_EXTRA[dialect]})",
            tag,
            msgspec.msgpack.encode(tag),
        )
    if filter.top_level:
        conditions.add("run.parent_task_run_id IS NULL")
    if not filter.include_superseded:
        conditions.add("run.superseded IS NULL")
    return conditions


def id_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the lowest and the highest id whose text begins so. Raises ValueError if no id can."""
    digits = prefix.replace("-", "").lower()
    if len(digits) > 32:
        raise ValueError(f"{prefix!r} is longer than an id.")
    return bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))


def _common(dialect: Dialect, filter: RunFilter) -> Conditions:
    conditions = Conditions()
    if filter.ids:
        conditions.add_any("run.id", filter.ids)
    if filter.id_prefix is not None:
        try:
            conditions.add("run.id BETWEEN ? AND ?", *id_range(filter.id_prefix))
        except ValueError:
            conditions.add("FALSE")
    # An id begins with its time in milliseconds.
    if filter.after is not None:
        conditions.add("run.id >= ?", _id_bound(filter.after))
    if filter.before is not None:
        conditions.add("run.id < ?", _id_bound(filter.before))
    if filter.state_types:
        # Aside, for an index by state is of use only as an alternative of its own.
        conditions.add_any(_aside(dialect, "run.state_type"), filter.state_types)
    if filter.state_names:
        _add_state_names(dialect, conditions, filter.state_names)
    return conditions


def _add_state_names(dialect: Dialect, conditions: Conditions, names: list[str]) -> None:
    """Add: the state has one of these names, which are not stored where they are the default of the type."""
    values: list[Any] = [*names]
    name, code = _aside(dialect, "run.state_name"), _aside(dialect, "run.state_type")
    texts = [f"{name} IN ({','.join('?' * len(names))})"]
    codes = [_DEFAULT_NAME_CODES[name] for name in names if name in _DEFAULT_NAME_CODES]
    if codes:
        texts.append(f"run.state_name IS NULL AND {code} IN ({','.join('?' * len(codes))})")
        values.extend(codes)
    conditions.add(f"({' OR '.join(texts)})", *values)


def _aside(dialect: Dialect, column: str) -> str:
    """Return a column so that SQLite does not take an index by it; PostgreSQL knows how many rows it would save."""
    return f"+{column}" if dialect == "sqlite" else column


def _id_bound(moment: int) -> bytes:
    return new_id(moment * 1000)[:8] + bytes(8)


def _of_roots(connection: Connection, ids: list[bytes]) -> list[Alternative]:
    if connection.dialect == "postgresql":
        return [("run.root_run_id = ?", [id]) for id in ids]
    numbers = _flow_run_numbers(connection, ids)
    return [
        *(("run.flow_run = ? AND run.root IS NULL", [number]) for number in numbers.values()),
        *(("run.root = ?", [root]) for root in [*numbers.values(), *ids]),
        *(("run.id = ? AND run.flow_run IS NULL", [id]) for id in ids),
    ]


def _flow_run_numbers(connection: Connection, ids: list[bytes]) -> dict[bytes, int]:
    marks = ",".join("?" * len(ids))
    return dict(connection.execute(f"SELECT id, number FROM flow_run WHERE id IN ({marks})", ids).fetchall())


def _task_numbers(connection: Connection, names: list[str]) -> list[int]:
    marks = ",".join("?" * len(names))
    return [row[0] for row in connection.execute(f"SELECT number FROM task WHERE name IN ({marks})", names)]


def _flow_ids(connection: Connection, names: list[str]) -> list[int]:
    marks = ",".join("?" * len(names))
    return [row[0] for row in connection.execute(f"SELECT id FROM flow WHERE name IN ({marks})", names)]
