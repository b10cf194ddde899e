"""The page at `/`: until the web page is built, what the server is and where to go on, without any script."""

from __future__ import annotations

from html import escape
from typing import Any

from litestar import MediaType, Request, get

import dalsegno
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.server.asking import ask

_SHOWN = 20
_TEMPLATE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Dalsegno</title><meta name="viewport" content="width=device-width"></head>
<body>
<h1>Dalsegno {version}</h1>
<p>The server runs. The API is described at <a href="/api/docs">/api/docs</a>.</p>
<h2>Latest flow runs</h2>
<table>
<thead><tr><th>Flow</th><th>Run</th><th>State</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>Show one with <code>dalsegno flow-run inspect NAME</code>; pick up a failed one with
<code>dalsegno flow-run retry NAME</code>.</p>
</body>
</html>
"""


@get("/", media_type=MediaType.HTML, include_in_schema=False)
async def status_page(request: Request[Any, Any, Any]) -> str:
    """Show that the server runs, and the latest flow runs."""
    runs = await ask(request, request.app.state.backend.list_flow_runs, RunFilter(top_level=True), Page(limit=_SHOWN))
    return _TEMPLATE.format(
        version=escape(dalsegno.__version__),
        rows="\n".join(map(_row, runs)) or '<tr><td colspan="3">None yet.</td></tr>',
    )


def _row(run: FlowRunView) -> str:
    cells = (run.flow_name, run.name, run.state.name)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


routes = [status_page]
