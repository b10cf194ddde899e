"""The names that every file of flows imports."""

from __future__ import annotations

from prefect import flow, task

if not callable(flow) or not callable(task):
    raise SystemExit("wrong outcome: the names are not there")
