"""`dalsegno flow-run logs`: what a run wrote, from its beginning or its end, or as it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from dalsegno._backend.changes import Changes
from dalsegno.cli.as_json import show_json_list
from dalsegno.cli.failures import CommandError
from dalsegno.cli.following import has_ended
from dalsegno.cli.log_lines import LogPrinter, read_level
from dalsegno.cli.lookup import find_flow_run
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import FlowRunTarget, Output, OutputFormat
from dalsegno.cli.screen import standard_output
from dalsegno.model.views import LogView

if TYPE_CHECKING:
    from dalsegno._backend.protocol import Backend

PAGE = 500
Fetch = Callable[..., Sequence[LogView]]


def logs(
    run: FlowRunTarget,
    /,
    *,
    head: Annotated[int | None, Parameter(help="Only the first N lines.")] = None,
    tail: Annotated[int | None, Parameter(help="Only the last N lines.")] = None,
    reverse: Annotated[bool, Parameter(help="Newest first.")] = False,
    level: Annotated[str, Parameter(help="Lowest level: DEBUG, INFO, WARNING, ERROR, CRITICAL.")] = "DEBUG",
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], help="Go on until the run ends.")] = False,
    output: Output = "table",
) -> None:
    """Show the log of a flow run, of its tasks and of the flows that it called."""
    check(head, tail, reverse, follow, output)
    min_level = read_level(level)
    backend = open_backend()
    found = find_flow_run(backend, run)

    def fetch(**options: object) -> Sequence[LogView]:
        return backend.list_logs(flow_run_id=found.id, min_level=min_level, **options)  # pyright: ignore[reportArgumentType]

    last, printer = show_log(backend, chosen(fetch, head, tail, reverse), output, quiet=follow)
    if follow:
        follow_logs(backend, found.id, fetch, printer, last)


def show_log(
    backend: Backend, lines: Iterator[LogView], output: OutputFormat, *, quiet: bool = False
) -> tuple[LogView | None, LogPrinter]:
    """Print lines, and unless `quiet` say if there are none; return the last one and the printer."""
    printer = LogPrinter(backend, standard_output())
    if output == "json":
        show_json_list(lines)
        return None, printer
    last = printer.show(lines)
    if last is None and not quiet:
        print("No log lines.")
    return last, printer


def check(
    head: int | None, tail: int | None, reverse: bool, follow: bool = False, output: OutputFormat = "table"
) -> None:
    """Raise CommandError for options that make no sense together."""
    if head is not None and tail is not None:
        raise CommandError("Give --head or --tail, not both.")
    if any(number is not None and number < 1 for number in (head, tail)):
        raise CommandError("--head and --tail take a number of at least 1.")
    if follow and output == "json":
        raise CommandError("--follow and --output json do not go together.")
    if follow and (head is not None or reverse):
        raise CommandError("--follow shows lines as they come: it goes with --tail and --level only.")


def chosen(fetch: Fetch, head: int | None, tail: int | None, reverse: bool) -> Iterator[LogView]:
    """Yield the lines that were asked for, in the order that was asked for."""
    if tail is not None:
        newest = list(log_pages(fetch, tail, newest_first=True))
        return iter(newest if reverse else newest[::-1])
    if head is not None and reverse:
        return iter(list(log_pages(fetch, head))[::-1])
    return log_pages(fetch, head, newest_first=reverse)


def log_pages(
    fetch: Fetch,
    limit: int | None = None,
    *,
    newest_first: bool = False,
    after: tuple[int, int] | None = None,
) -> Iterator[LogView]:
    """Yield lines page by page, `limit` at most (None: all), those after the cursor `after`."""
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        found = fetch(after=after, limit=size, newest_first=newest_first)
        yield from found
        if len(found) < size:
            return
        after = cursor(found[-1])
        left = None if left is None else left - size


def cursor(line: LogView) -> tuple[int, int]:
    """Return the place of a line in the log."""
    return line.timestamp, line.nonce


def follow_logs(backend: Backend, flow_run_id: bytes, fetch: Fetch, printer: LogPrinter, last: LogView | None) -> None:
    """Print lines as they are written, until the run has ended and all of them are shown."""
    for _ in Changes(backend):
        ended = has_ended(backend.read_flow_run(flow_run_id))
        last = printer.show(log_pages(fetch, after=None if last is None else cursor(last))) or last
        if ended:
            return
