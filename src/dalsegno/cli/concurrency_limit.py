"""`dalsegno concurrency-limit`: limits on tags, which task runs wait for before they run."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli import limit_tables
from dalsegno.cli.filters import check_limit
from dalsegno.cli.listing import show_list, with_one_more
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import All, Limit, Output, group
from dalsegno.model.limits import LimitChange, NewLimit

NONE = "No tags are limited yet: limit one with `dalsegno concurrency-limit create TAG N`."

app = group("concurrency-limit", "Limits on tags of task runs.")


@app.command
def create(
    tag: str, limit: Annotated[int, Parameter(help="Task runs with the tag that may run at once; 0: none.")], /
) -> None:
    """Limit how many task runs with a tag run at once; a limit that exists is changed."""
    backend = open_backend(runs=False)
    found = backend.find_limit("tag", tag)
    if found is None:
        backend.create_limit(NewLimit(name=tag, limit=limit, kind="tag"))
    else:
        backend.update_limit(found.id, LimitChange(limit=limit))
    print(f"At most {limit} task runs with the tag {tag!r} run at once.")


@app.command
def ls(*, limit: Limit = 50, all: All = False, output: Output = "table") -> None:
    """List the tags that are limited, with how many task runs hold a slot."""
    shown, asked = with_one_more(check_limit(limit), all)
    found = limit_tables.limits(open_backend(), "tag", asked)
    show_list(found, shown, output, limit_tables.limit_rows, empty=NONE)


@app.command
def inspect(tag: str, /, *, output: Output = "table") -> None:
    """Show the limit of a tag and which task runs hold its slots."""
    backend = open_backend()
    limit_tables.show(backend, limit_tables.find(backend, "tag", tag), output)


@app.command
def reset(tag: str, /) -> None:
    """Take all slots of a tag from those who hold them: others may run at once."""
    backend = open_backend(runs=False)
    freed = backend.reset_limit(limit_tables.find(backend, "tag", tag).id)
    print(f"The tag {tag!r} is free again: {freed} held slots.")


@app.command
def delete(tag: str, /) -> None:
    """Limit a tag no longer."""
    backend = open_backend(runs=False)
    backend.delete_limit(limit_tables.find(backend, "tag", tag).id)
    print(f"The tag {tag!r} is not limited any more.")
