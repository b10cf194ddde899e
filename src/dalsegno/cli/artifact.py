"""`dalsegno artifact`: what runs left for people to look at."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.as_json import show_json, to_json
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.filters import check_limit
from dalsegno.cli.flow_run_page import moment
from dalsegno.cli.listing import Table, pages, show_list, with_one_more
from dalsegno.cli.lookup import as_id, find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, Limit, Output, group
from dalsegno.cli.run_tables import shown_ids
from dalsegno.cli.screen import Screen, standard_output
from dalsegno.cli.tables import Column, page, table
from dalsegno.model.ids import id_text
from dalsegno.model.views import ArtifactView, Page

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

NONE = "No artifacts: a flow makes one with `create_table_artifact` and its like of `dalsegno.artifacts`."

BEGINNING = re.compile(r"[0-9a-f-]{1,36}", re.IGNORECASE)
SHOWN = 10

app = group("artifact", "List and inspect artifacts.")


@app.command
def ls(
    *,
    key: Annotated[str | None, Parameter(help="Only those of this key.")] = None,
    flow_run: Annotated[str | None, Parameter(help="Only those of this flow run.")] = None,
    latest: Annotated[bool, Parameter(help="Of each key only the newest.")] = False,
    limit: Limit = 20,
    all: All = False,
    output: Output = "table",
) -> None:
    """List artifacts, newest first."""
    shown, asked = with_one_more(check_limit(limit), all)
    backend = open_backend(runs=flow_run is not None)
    run_id = None if flow_run is None else find_flow_run(backend, flow_run).id
    found = pages(
        lambda page: backend.list_artifacts(key=key, flow_run_id=run_id, latest_only=latest, page=page), asked
    )
    show_list(found, shown, output, artifact_rows, empty=NONE)


@app.command
def inspect(
    artifact: Annotated[str, Parameter(help="Key (the newest of it), id, or beginning of an id.")],
    /,
    *,
    output: Output = "table",
) -> None:
    """Show one artifact."""
    found = find_artifact(open_backend(runs=False), artifact)
    if output == "json":
        show_json(found)
    else:
        print(artifact_page(found, standard_output()))


def find_artifact(backend: Backend, text: str) -> ArtifactView:
    """Return the artifact with that id, or the newest with that key. Raises CommandError if there is none."""
    id = as_id(text)
    found = backend.read_artifact(id) if id else None
    if found is not None:
        return found
    keyed = backend.list_artifacts(key=text, page=Page(limit=1))
    if keyed:
        return keyed[0]
    return by_beginning(backend, text)


def by_beginning(backend: Backend, text: str) -> ArtifactView:
    """Return the artifact whose id begins so."""
    found = begun_with(backend, text.replace("-", "").lower()) if BEGINNING.fullmatch(text) else []
    if not found:
        raise CommandError(
            f"There is no artifact with the key, or an id that begins with, {text!r}; "
            "`dalsegno artifact ls` lists them.",
            ExitCode.NOT_FOUND,
        )
    if len(found) > 1:
        raise CommandError(
            f"{text!r} fits more than one artifact; give one of their ids:",
            details=[f"  {id_text(one.id)}  {one.type}  {one.key or ''}" for one in found],
        )
    return found[0]


def begun_with(backend: Backend, digits: str) -> list[ArtifactView]:
    """Return artifacts whose id begins with these digits: ids are in order, so one page tells."""
    above = int(digits.ljust(32, "f"), 16) + 1
    after = above.to_bytes(16, "big") if above < 1 << 128 else None
    newest = backend.list_artifacts(page=Page(after=after, limit=SHOWN))
    return [artifact for artifact in newest if artifact.id.hex().startswith(digits)]


def artifact_rows(artifacts: Sequence[ArtifactView], screen: Screen) -> Table:
    """Return artifacts as rows."""
    at = times.now()
    heads = (
        Column("ID"),
        Column("TYPE"),
        Column("KEY", shrinks=True),
        Column("UPDATED"),
        Column("DESCRIPTION", shrinks=True),
    )
    ids = shown_ids(artifacts, screen)
    rows = [
        [
            ids[artifact.id],
            artifact.type,
            artifact.key or "",
            times.ago(artifact.updated, at),
            (artifact.description or "").partition("\n")[0],
        ]
        for artifact in artifacts
    ]
    return Table(heads, rows)


def artifact_page(artifact: ArtifactView, screen: Screen) -> str:
    """Return an artifact as text: what it is, then what it holds."""
    at = times.now()
    head = page(
        [
            ("Artifact", artifact.key or artifact.type),
            ("ID", id_text(artifact.id)),
            ("Type", artifact.type),
            ("Created", moment(artifact.created, at)),
            ("Updated", moment(artifact.updated, at) if artifact.updated != artifact.created else None),
            ("Flow run", id_text(artifact.flow_run_id) if artifact.flow_run_id else None),
            ("Task run", id_text(artifact.task_run_id) if artifact.task_run_id else None),
            ("Description", artifact.description),
        ]
    )
    return f"{head}\n\n{data_text(artifact, screen)}"


def data_text(artifact: ArtifactView, screen: Screen) -> str:
    """Return what an artifact holds, in the way of its type."""
    data = to_json(artifact)["data"]
    if artifact.type == "table" and (rows := table_rows(data)):
        heads = [Column(name, shrinks=True) for name in dict.fromkeys(name for row in rows for name in row)]
        cells = [[_text(row.get(head.title, "")) for head in heads] for row in rows]
        return table(heads, cells, screen)
    if artifact.type == "progress" and isinstance(data, int | float):
        return f"{data:g} %"
    return _text(data)


def table_rows(data: Any) -> list[dict[str, Any]]:
    """Return a table's data (a list of rows, or a dict of columns) as rows; none for anything else."""
    if isinstance(data, dict):
        return rows_of_columns(cast("dict[str, Any]", data))
    rows = cast("list[Any]", data) if isinstance(data, list) else []
    if all(isinstance(row, dict) for row in rows):
        return rows
    if all(isinstance(row, list) for row in rows):
        return [{str(index): value for index, value in enumerate(row)} for row in rows]
    return []


def rows_of_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a dict of columns as rows; short columns end early."""
    if not all(isinstance(column, list) for column in columns.values()):
        return []
    height = max(map(len, columns.values()), default=0)
    return [{name: column[index] for name, column in columns.items() if index < len(column)} for index in range(height)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
