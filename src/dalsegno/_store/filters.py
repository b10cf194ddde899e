"""Turns a RunFilter into conditions of SQL, with parameters only."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from dalsegno.model.ids import new_id
from dalsegno.model.states import DEFAULT_NAMES, STATE_CODES
from dalsegno.model.views import RunFilter

_DEFAULT_NAME_CODES = {name: STATE_CODES[type_] for type_, name in DEFAULT_NAMES.items()}


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

    def where(self) -> str:
        """Return the WHERE clause."""
        return f" WHERE {' AND '.join(self.texts)}" if self.texts else ""


def flow_run_conditions(filter: RunFilter) -> Conditions:
    """Return the conditions on ``flow_run AS run``; `flow_run_ids` are its parents."""
    conditions = _common(filter)
    if filter.name is not None:
        conditions.add("run.name = ?", filter.name)
    if filter.flow_names:
        conditions.add(
            f"run.flow_id IN (SELECT id FROM flow WHERE name IN ({','.join('?' * len(filter.flow_names))}))",
            *filter.flow_names,
        )
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
        conditions.add("EXISTS (SELECT 1 FROM json_each(run.tags) WHERE value = ?)", tag)
    if filter.top_level:
        conditions.add("run.root_run_id IS NULL")
    return conditions


def task_run_conditions(filter: RunFilter) -> Conditions:
    """Return the conditions on ``task_run AS run`` joined with ``task``; `flow_run_ids` are its flow runs."""
    conditions = _common(filter)
    if filter.name is not None:
        # The default name ends in digits of the id and is not stored.
        conditions.add(
            "coalesce(run.name, task.name || '-' || substr(lower(hex(run.id)), 30)) = ?", filter.name
        )
    if filter.flow_names:
        marks = ",".join("?" * len(filter.flow_names))
        conditions.add(
            f"owner.flow_id IN (SELECT id FROM flow WHERE name IN ({marks}))",
            *filter.flow_names,
        )
    if filter.flow_run_ids:
        marks = ",".join("?" * len(filter.flow_run_ids))
        conditions.add(
            f"run.flow_run IN (SELECT number FROM flow_run WHERE id IN ({marks}))", *filter.flow_run_ids
        )
    if filter.root_run_ids:
        marks = ",".join("?" * len(filter.root_run_ids))
        conditions.add(
            f"coalesce(owner.root_run_id, owner.id, run.root, run.id) IN ({marks})", *filter.root_run_ids
        )
        conditions.add(
            f"(run.flow_run IN (SELECT number FROM flow_run WHERE id IN ({marks}))"
            f" OR run.root IN (SELECT number FROM flow_run WHERE id IN ({marks}) UNION ALL VALUES"
            f" {','.join(['(?)'] * len(filter.root_run_ids))}) OR run.id IN ({marks}))",
            *filter.root_run_ids * 4,
        )
    for tag in filter.tags:
        # Definitions keep their tags as JSON, runs among what is rare, as msgpack: a short string is its text after
        # a byte (or two) of length.
        conditions.add(
            "(EXISTS (SELECT 1 FROM json_each(task.tags) WHERE value = ?) OR instr(run.extra, ?))",
            tag,
            msgspec.msgpack.encode(tag),
        )
    if filter.top_level:
        conditions.add("run.parent_task_run_id IS NULL")
    if not filter.include_superseded:
        conditions.add("run.superseded IS NULL")
    return conditions


def task_numbers(connection: sqlite3.Connection, names: list[str]) -> list[int]:
    """Return the numbers of all versions of tasks with these names."""
    marks = ",".join("?" * len(names))
    return [row[0] for row in connection.execute(f"SELECT number FROM task WHERE name IN ({marks})", names)]


def id_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the lowest and the highest id whose text begins so. Raises ValueError if no id can."""
    digits = prefix.replace("-", "").lower()
    if len(digits) > 32:
        raise ValueError(f"{prefix!r} is longer than an id.")
    return bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))


def _common(filter: RunFilter) -> Conditions:
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
        conditions.add_any("run.state_type", filter.state_types)
    if filter.state_names:
        _add_state_names(conditions, filter.state_names)
    return conditions


def _add_state_names(conditions: Conditions, names: list[str]) -> None:
    """Add: the state has one of these names, which are not stored where they are the default of the type."""
    texts, values = [f"run.state_name IN ({','.join('?' * len(names))})"], [*names]
    codes = [_DEFAULT_NAME_CODES[name] for name in names if name in _DEFAULT_NAME_CODES]
    if codes:
        texts.append(f"run.state_name IS NULL AND run.state_type IN ({','.join('?' * len(codes))})")
        values.extend(codes)
    conditions.add(f"({' OR '.join(texts)})", *values)


def _id_bound(moment: int) -> bytes:
    return new_id(moment * 1000)[:8] + bytes(8)
