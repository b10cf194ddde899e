"""Turns the outcomes into a table, for the terminal and for bench/README.md, and into bench/results.json.
Nothing is measured here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgets import verdict
from catalogue import CASES, Case, Figure
from comparison import Outcome
from environments import PEERS

BEGIN = "<!-- results: written by `make bench`, do not edit -->"
END = "<!-- end of results -->"
COLUMNS = ("dalsegno", "prefect", "dbos", "luigi")
NOT_APPLICABLE = "-"

Results = Mapping[str, Mapping[str, Outcome]]


@dataclass(frozen=True, slots=True)
class About:
    """Where and on what a run was made."""

    machine: Mapping[str, str | int | float]
    versions: Mapping[str, str]
    server: Mapping[str, float]
    date: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmark, or what is left of it."""

    about: About
    results: Results


def table(cases: Sequence[Case], results: Results, *, judged: bool = True) -> list[list[str]]:
    """The rows of the report, a heading first: what, a column per peer, the budget, whether it is met.

    Budgets are left out where the figures are not fit to be `judged`.
    """
    heading = ["what", *(PEERS[name].title for name in COLUMNS), "budget", "met"]
    rows = [_row(case, figure, results[case.name]) for case in cases for figure in case.figures]
    shown = [row for row in rows if any(cell != NOT_APPLICABLE for cell in row[1:5])]
    return [heading, *(shown if judged else ([*row[:5], "", ""] for row in shown))]


def _row(case: Case, figure: Figure, outcomes: Mapping[str, Outcome]) -> list[str]:
    values = {name: _value(case, figure, outcomes, name) for name in COLUMNS}
    cells = [_cell(case, figure, outcomes, values, name) for name in COLUMNS]
    own = {key: value for key, value in _own_medians(case, outcomes).items() if value is not None}
    judged = verdict(case.name, figure.key, own)
    return [
        figure.label,
        *cells,
        *(("", "") if judged is None else (judged[0], "yes" if judged[1] else "NO")),
    ]


def _own_medians(case: Case, outcomes: Mapping[str, Outcome]) -> dict[str, float | None]:
    if "dalsegno" not in outcomes:
        return {}
    return {figure.key: _value(case, figure, outcomes, "dalsegno") for figure in case.figures}


def _value(case: Case, figure: Figure, outcomes: Mapping[str, Outcome], name: str) -> float | None:
    if name not in outcomes:
        return None
    value = outcomes[name].medians().get(figure.key)
    if value is None or not case.over_bare_python:
        return value
    bare = outcomes["bare"].medians().get(figure.key) if "bare" in outcomes else None
    return None if bare is None else max(value - bare, 0.0)


def _cell(
    case: Case, figure: Figure, outcomes: Mapping[str, Outcome], values: Mapping[str, float | None], name: str
) -> str:
    if name not in outcomes:
        return NOT_APPLICABLE
    outcome, value = outcomes[name], values[name]
    if value is None:
        return "; ".join(outcome.notes) if outcome.notes and not outcome.samples else NOT_APPLICABLE
    ratio = _ratio(figure, values["dalsegno"], value) if name != "dalsegno" else None
    size = f" at {outcome.size:,}" if figure.names_size and outcome.size else ""
    return number(value) + size + (f" (×{number(ratio)})" if ratio is not None else "")


def _ratio(figure: Figure, own: float | None, other: float) -> float | None:
    """How many times worse than Dalsegno the other is; below 1 it is better."""
    if not figure.is_compared or not own or not other:
        return None
    return own / other if figure.more_is_better else other / own


def number(value: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123, 12,300."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100:
        return f"{rounded:,.0f}"
    return f"{rounded:.3g}"


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """The table in columns for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in ruled
    )


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The table in Markdown."""
    ruled = [rows[0], ["---", *("---:" for _ in rows[0][1:])], *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)


def headline(about: About) -> str:
    """The versions and the machine's shape, in a few sentences."""
    versions = ", ".join(f"{PEERS[name].title} {version}" for name, version in about.versions.items())
    machine = about.machine
    server = (
        f" The Prefect server was up {about.server['start_seconds']:.1f} s after its start,"
        f" and then had {about.server['memory_mb']:.0f} MB."
        if about.server
        else ""
    )
    return (
        f"{about.date}: {versions}, on {machine['cores']} cores ({machine['cpu']}),"
        f" {machine['memory_gib']} GiB, {machine['system']};"
        f" an fsync takes {machine['fsync_ms']} ms; load average before the run {machine['load_before']}.{server}"
    )


def write_readme(path: Path, runs: Sequence[Run]) -> None:
    """Put the results between the markers of the page; the rest of it is written by hand."""
    page = path.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, foot = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path.name} lacks the lines {BEGIN!r} and {END!r} that the results go between")
    told = "\n\n".join([*_headlines(runs), as_markdown(table(_known_cases(runs), merged(runs)))])
    path.write_text(f"{head}{BEGIN}\n\n{told}\n\n{END}{foot}")


def _headlines(runs: Sequence[Run]) -> list[str]:
    """Each run's; where there are several, of all but the first what was measured in it."""
    rest = [f"{headline(run.about)} Measured then: {', '.join(run.results)}." for run in runs[1:]]
    return [*(headline(run.about) for run in runs[:1]), *rest]


def _known_cases(runs: Sequence[Run]) -> list[Case]:
    measured = merged(runs)
    return [case for case in CASES if case.name in measured]


def merged(runs: Sequence[Run]) -> Results:
    """The results of several runs, which have no case in common."""
    return {case: outcomes for run in runs for case, outcomes in run.results.items()}


def replaced(runs: Sequence[Run], newer: Run) -> list[Run]:
    """What is known after a run: its own cases, and of earlier runs those that it did not measure again."""
    kept = [Run(run.about, {case: by for case, by in run.results.items() if case not in newer.results}) for run in runs]
    return [*(run for run in kept if run.results), newer]


def write_json(path: Path, runs: Sequence[Run]) -> None:
    """Every sample of every case, so that spread and odd values can be looked at."""
    path.write_text(json.dumps({"runs": [_plain_run(run) for run in runs]}, indent=1) + "\n")


def read_json(path: Path) -> list[Run]:
    """What `write_json` wrote, without cases that are no more; nothing where there is no such file."""
    if not path.exists():
        return []
    names = {case.name for case in CASES}
    runs = [_run(plain) for plain in json.loads(path.read_text())["runs"]]
    return [Run(run.about, {case: by for case, by in run.results.items() if case in names}) for run in runs]


def _plain_run(run: Run) -> dict[str, object]:
    about = run.about
    return {
        "date": about.date,
        "machine": dict(about.machine),
        "versions": dict(about.versions),
        "prefect_server": {name: round(value, 2) for name, value in about.server.items()},
        "cases": {case: {name: _plain(outcome) for name, outcome in by.items()} for case, by in run.results.items()},
    }


def _plain(outcome: Outcome) -> dict[str, object]:
    samples = [{key: float(f"{value:.5g}") for key, value in sample.items()} for sample in outcome.samples]
    return {"size": outcome.size, "notes": outcome.notes, "samples": samples}


def _run(plain: Mapping[str, Any]) -> Run:
    about = About(plain["machine"], plain["versions"], plain["prefect_server"], plain["date"])
    cases = plain["cases"].items()
    return Run(about, {case: {name: Outcome(**outcome) for name, outcome in by.items()} for case, by in cases})
