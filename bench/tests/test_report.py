"""The report says what was measured: ratios the right way round, budgets judged, nothing invented."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCH))

import budgets  # noqa: E402
import catalogue  # noqa: E402
import report  # noqa: E402
from comparison import Outcome  # noqa: E402

MACHINE: dict[str, str | int | float] = {
    "cores": 2,
    "cpu": "a processor",
    "memory_gib": 24.0,
    "system": "Linux",
    "load_before": 0.1,
    "fsync_ms": 0.5,
}
COST = catalogue.Case("direct_1000", "calls", (catalogue.Figure("wall_us", "µs"),), ("dalsegno", "prefect"))
RATE = catalogue.Case(
    "flow_runs",
    "runs",
    (catalogue.Figure("flow_runs_per_minute", "per minute", True),),
    ("dalsegno", "prefect"),
)


def outcome(figure: str, *values: float, notes: tuple[str, ...] = ()) -> Outcome:
    return Outcome(samples=[{figure: value} for value in values], notes=list(notes))


def run(date: str, **wall_us: float) -> report.Run:
    results = {case: {"dalsegno": outcome("wall_us", value)} for case, value in wall_us.items()}
    return report.Run(report.About(MACHINE, {"dalsegno": "0.1.0"}, {}, date), results)


def cells(case: catalogue.Case, **outcomes: Outcome) -> list[str]:
    (_, row) = report.table([case], {case.name: outcomes})
    return row[1:]


def test_a_peer_that_costs_ten_times_as_much_is_ten_times_worse() -> None:
    row = cells(COST, dalsegno=outcome("wall_us", 20, 25, 900), prefect=outcome("wall_us", 250))
    assert row == ["25", "250 (×10)", "-", "-", "≤ 30", "yes"]


def test_a_peer_that_does_a_tenth_as_many_is_ten_times_worse() -> None:
    row = cells(
        RATE,
        dalsegno=outcome("flow_runs_per_minute", 3_000),
        prefect=outcome("flow_runs_per_minute", 300),
    )
    assert row == ["3,000", "300 (×10)", "-", "-", "≥ 20,000", "NO"]


def test_a_figure_that_some_process_did_not_give_has_no_median() -> None:
    outcome = Outcome(samples=[{"wall_us": 20, "per_second": 5}, {"wall_us": 30}])
    assert outcome.medians() == {"wall_us": 25}


def test_what_was_too_slow_is_said_and_not_guessed() -> None:
    row = cells(COST, dalsegno=outcome("wall_us", 20), prefect=outcome("wall_us", notes=("not run: too slow",)))
    assert row[1] == "not run: too slow"


def test_bare_python_is_taken_off_where_the_case_says_so() -> None:
    case = catalogue.Case(
        "import_package",
        "import",
        (catalogue.Figure("process_wall_ms", "ms"),),
        ("dalsegno",),
        over_bare_python=True,
    )
    row = cells(case, bare=outcome("process_wall_ms", 10), dalsegno=outcome("process_wall_ms", 35))
    assert row[0] == "25"


def test_a_case_whose_dalsegno_figures_are_missing_has_no_verdict() -> None:
    row = cells(COST, prefect=outcome("wall_us", 250))
    assert row == ["-", "250", "-", "-", "", ""]


@pytest.mark.parametrize(("cpu", "met"), [(45.0, True), (46.0, False)])
def test_the_cpu_of_a_call_may_be_half_as_much_again_as_its_wall_time(cpu: float, met: bool) -> None:
    assert budgets.verdict("direct_1000", "cpu_us", {"wall_us": 30.0, "cpu_us": cpu}) == ("≤ 1.5 × wall", met)


def test_every_budget_belongs_to_a_figure_that_is_measured() -> None:
    measured = {(case.name, figure.key) for case in catalogue.CASES for figure in case.figures}
    assert {(budget.case, budget.figure) for budget in budgets.BUDGETS} <= measured


def test_every_peer_of_a_case_has_a_command_or_a_script() -> None:
    for case in catalogue.CASES:
        for peer in case.peers:
            script = BENCH / "cases" / (case.folder or case.name) / f"with_{peer}.py"
            assert peer in case.commands or script.exists(), f"{case.name} has nothing to run for {peer}"


def test_the_results_replace_only_what_is_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    report.write_readme(page, [run("2026-01-31", direct_1000=25)])
    text = page.read_text()
    assert text.startswith("before\n\n")
    assert text.endswith("\n\nafter\n")
    assert "old" not in text
    assert "| 1,000 direct calls: wall, µs per task | 25 |" in text


def test_a_partial_run_replaces_its_own_cases_and_leaves_the_others() -> None:
    runs = report.replaced([run("2026-01-31", direct_1000=25, map_1000=40)], run("2026-02-28", map_1000=50))
    assert [each.about.date for each in runs] == ["2026-01-31", "2026-02-28"]
    medians = {case: by["dalsegno"].medians()["wall_us"] for case, by in report.merged(runs).items()}
    assert medians == {"direct_1000": 25, "map_1000": 50}


def test_a_full_run_leaves_nothing_of_earlier_ones() -> None:
    newest = run("2026-02-28", direct_1000=24, map_1000=50)
    assert report.replaced([run("2026-01-31", direct_1000=25, map_1000=40)], newest) == [newest]


def test_the_page_says_which_cases_were_measured_when(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"{report.BEGIN}\n{report.END}")
    report.write_readme(page, [run("2026-01-31", direct_1000=25), run("2026-02-28", map_1000=50)])
    (second,) = [line for line in page.read_text().splitlines() if line.startswith("2026-02-28")]
    assert second.endswith(" Measured then: map_1000.")


def test_what_is_written_is_read_again_without_cases_that_are_no_more(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert report.read_json(path) == []
    report.write_json(path, [run("2026-01-31", direct_1000=25, given_up=1)])
    assert report.read_json(path) == [run("2026-01-31", direct_1000=25)]


def test_the_kept_results_can_be_read() -> None:
    cases = report.merged(report.read_json(BENCH / "results.json"))
    assert cases["direct_1000"]["dalsegno"].medians()["wall_us"] > 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.0, "1"), (12.34, "12.3"), (99.96, "100"), (12_345.0, "12,300")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert report.number(value) == text
