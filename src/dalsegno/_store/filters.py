"""Turns a RunFilter into conditions of SQL, with parameters only."""

from __future__ import annotations

from typing import Any

import msgspec

from dalsegno._store.connection import Connection, Dialect
from dalsegno._store.rows import TASK_RUN_ROOT
from dalsegno.model.ids import new_id
from dalsegno.model.states import DEFAULT_NAMES, STATE_CODES
from dalsegno.model.views import Page, RunFilter

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


def flow_run_conditions(dialect: Dialect, filter: RunFilter) -> Conditions:
    """Return the conditions on ``flow_run AS run`` beside its alternatives; `flow_run_ids` are its parents.

    Columns stand aside, so that no other index than the alternative's is walked.
    """
    conditions = _common(dialect, filter, "run.name")
    if filter.flow_names:
        conditions.add(f"{_aside(dialect, 'run.flow_id')} IN {_flows_named(filter)}", *filter.flow_names)
    if filter.flow_run_ids:
        conditions.add_any(_aside(dialect, "run.parent_flow_run_id"), filter.flow_run_ids)
    if filter.deployment_ids:
        conditions.add_any(_aside(dialect, "run.deployment_id"), filter.deployment_ids)
    if filter.root_run_ids:
        conditions.add_any("coalesce(run.root_run_id, run.id)", filter.root_run_ids)
    for tag in filter.tags:
        conditions.add(_HAS_TAG[dialect].format(tags="run.tags"), tag)
    if filter.top_level:
        conditions.add("run.root_run_id IS NULL")
    return conditions


def task_run_conditions(dialect: Dialect, filter: RunFilter) -> Conditions:
    """Return the conditions on ``task_run AS run`` beside its alternatives; `flow_run_ids` are its flow runs."""
    # The default name ends in digits of the id and is not stored.
    name = f"coalesce(run.name, task.name || '-' || substr({_HEX[dialect]}, 30))"
    conditions = _common(dialect, filter, name)
    if filter.flow_names:
        conditions.add(f"{_aside(dialect, 'owner.flow_id')} IN {_flows_named(filter)}", *filter.flow_names)
    if filter.flow_run_ids:
        conditions.add_any(_aside(dialect, "owner.id"), filter.flow_run_ids)
    if filter.root_run_ids:
        conditions.add_any(TASK_RUN_ROOT[dialect], filter.root_run_ids)
    if filter.parent_task_run_ids:
        conditions.add_any(_aside(dialect, "run.parent_task_run_id"), filter.parent_task_run_ids)
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


def _common(dialect: Dialect, filter: RunFilter, name: str) -> Conditions:
    conditions = Conditions()
    if filter.ids:
        conditions.add_any(_aside(dialect, "run.id"), filter.ids)
    if filter.name is not None:
        conditions.add(f"{_aside(dialect, name)} = ?", filter.name)
    if filter.name_prefix is not None:
        conditions.add(f"substr({name}, 1, {len(filter.name_prefix)}) = ?", filter.name_prefix)
    if filter.name_like is not None:
        conditions.add(f"lower({name}) LIKE ? ESCAPE '!'", like(filter.name_like))
    if filter.started_after is not None:
        conditions.add("run.start_time >= ?", filter.started_after)
    if filter.started_before is not None:
        conditions.add("run.start_time < ?", filter.started_before)
    if filter.state_types:
        conditions.add_any(_aside(dialect, "run.state_type"), filter.state_types)
    if filter.state_names:
        _add_state_names(dialect, conditions, filter.state_names)
    return conditions


def _add_state_names(dialect: Dialect, conditions: Conditions, names: list[str]) -> None:
    """Add: the state has one of these names, which are not stored where they are the default of the type."""
    values: list[Any] = [*names]
    name, code = _aside(dialect, "run.state_name"), _aside(dialect, "run.state_type")
    texts = [f"{name} IN ({','.join('?' * len(names))})"]
    codes = codes_of_default_names(names)
    if codes:
        texts.append(f"run.state_name IS NULL AND {code} IN ({','.join('?' * len(codes))})")
        values.extend(codes)
    conditions.add(f"({' OR '.join(texts)})", *values)


def like(text: str) -> str:
    """Return the pattern of LIKE, with ``!`` to escape, for a text that is part of another, in lower case."""
    return f"%{text.lower().replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def _flows_named(filter: RunFilter) -> str:
    return f"(SELECT id FROM flow WHERE name IN ({','.join('?' * len(filter.flow_names))}))"


def _aside(dialect: Dialect, column: str) -> str:
    """Return a column so that SQLite does not take an index by it; PostgreSQL knows how many rows it would save."""
    return f"+{column}" if dialect == "sqlite" else column


def _id_bound(moment: int) -> bytes:
    """Return the lowest id of a moment, which an id can only name from 1970 on and for 48 bits of milliseconds."""
    if moment <= 0:
        return bytes(16)
    if moment >= 2**48 * 1000:
        return b"\xff" * 16
    return new_id(moment * 1000)[:8] + bytes(8)


def codes_of_default_names(names: list[str]) -> list[int]:
    """Return the types of state of which these are the default names."""
    return [_DEFAULT_NAME_CODES[name] for name in names if name in _DEFAULT_NAME_CODES]


Bounds = tuple[bytes, bytes]
"""The lowest and the highest id that are looked at. One pair only in a statement: SQLite walks by the first."""


def id_bounds(filter: RunFilter, page: Page) -> Bounds:
    """Return within which ids a page of what a filter finds lies: an id begins with its time in milliseconds."""
    low, high = bytes(16), b"\xff" * 16
    if filter.id_prefix is not None:
        try:
            low, high = id_range(filter.id_prefix)
        except ValueError:
            return high, low
    if filter.after is not None:
        low = max(low, _id_bound(filter.after))
    if filter.before is not None:
        high = min(high, _next_to(_id_bound(filter.before), -1))
    if page.after is not None and page.oldest_first:
        low = max(low, _next_to(page.after, 1))
    elif page.after is not None:
        high = min(high, _next_to(page.after, -1))
    return low, high


def _next_to(id: bytes, step: int) -> bytes:
    return min(max(int.from_bytes(id, "big") + step, 0), 2**128 - 1).to_bytes(16, "big")


def flow_run_numbers(connection: Connection, ids: list[bytes]) -> list[int]:
    """Return the numbers of flow runs."""
    marks = ",".join("?" * len(ids))
    return [row[0] for row in connection.execute(f"SELECT number FROM flow_run WHERE id IN ({marks})", ids)]


def numbers_of_flows(connection: Connection, names: list[str], limit: int) -> list[int]:
    """Return the numbers of some flow runs of flows."""
    marks = ",".join("?" * len(names))
    return [
        row[0]
        for row in connection.execute(
            f"SELECT number FROM flow_run WHERE flow_id IN (SELECT id FROM flow WHERE name IN ({marks})) LIMIT ?",
            [*names, limit],
        )
    ]


def task_numbers(connection: Connection, names: list[str]) -> list[int]:
    """Return the numbers of the tasks of these names."""
    marks = ",".join("?" * len(names))
    return [row[0] for row in connection.execute(f"SELECT number FROM task WHERE name IN ({marks})", names)]


def tasks_with_tag(connection: Connection, tag: str) -> list[int]:
    """Return the numbers of the tasks whose runs all have a tag."""
    has_tag = _HAS_TAG[connection.dialect].format(tags="task.tags")
    return [row[0] for row in connection.execute(f"SELECT number FROM task WHERE {has_tag}", [tag])]


def flow_ids(connection: Connection, names: list[str]) -> list[int]:
    """Return the ids of the versions of flows."""
    marks = ",".join("?" * len(names))
    return [row[0] for row in connection.execute(f"SELECT id FROM flow WHERE name IN ({marks})", names)]
