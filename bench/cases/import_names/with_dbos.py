"""The name that every file of workflows imports."""

from __future__ import annotations

from dbos import DBOS

if not callable(DBOS.workflow) or not callable(DBOS.step):
    raise SystemExit("wrong outcome: the names are not there")
