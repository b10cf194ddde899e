"""The budgets: what Dalsegno may cost, each tied to the figure that shows it.
Those of the page come with what measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Medians = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` (or at least, where more is better) of a figure of a case, in the figure's unit."""

    case: str
    figure: str
    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:,g}"

    def is_met(self, value: float) -> bool:
        """Whether a measured value is within the budget."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class RelativeBudget:
    """At most `factor` times another figure of the same case."""

    case: str
    figure: str
    factor: float
    of: str
    of_title: str

    def __str__(self) -> str:
        return f"≤ {self.factor:g} × {self.of_title}"

    def is_met(self, value: float, medians: Medians) -> bool:
        """Whether a measured value is within the budget; `medians` are the case's figures."""
        return value <= self.factor * medians[self.of]


BUDGETS: tuple[Budget | RelativeBudget, ...] = (
    Budget("import_package", "process_wall_ms", 100),
    Budget("cli_version", "process_wall_ms", 150),
    Budget("cli_flow_run_ls", "process_wall_ms", 400),
    Budget("hello_cold", "process_wall_ms", 500),
    Budget("direct_1000", "wall_us", 30),
    RelativeBudget("direct_1000", "cpu_us", 1.5, "wall_us", "wall"),
    Budget("submit_1000", "wall_us", 80),
    Budget("map_1000", "wall_us", 80),
    Budget("submit_10000", "wall_us", 80),
    Budget("map_10000", "wall_us", 80),
    Budget("flow_runs", "flow_runs_per_minute", 20_000, at_least=True),
    Budget("million_calls", "ratio", 1.2),
    Budget("million_calls", "memory_growth_mb", 200),
    Budget("snapshots", "snapshots_per_second", 10_000, at_least=True),
    Budget("lists", "one_worst_p95_ms", 50),
    Budget("lists", "many_worst_p95_ms", 50),
    Budget("retention_on_sqlite", "database_wait_ms", 50),
    Budget("drain", "flow_runs_per_minute", 6_000, at_least=True),
    Budget("fibonacci", "short_ms", 100),
    Budget("fibonacci", "over_bare", 1.05),
    *(
        budget
        for kind in ("sqlite", "postgresql")
        for budget in (
            Budget(f"server_start_on_{kind}", "start_empty_ms", 3_000),
            Budget(f"server_start_on_{kind}", "start_existing_ms", 2_000),
            Budget(f"server_start_on_{kind}", "idle_mb", 120),
            Budget(f"direct_1000_on_{kind}", "wall_us", 60),
            Budget(f"direct_1000_on_{kind}", "server_cpu_us", 100),
            Budget(f"direct_10000_on_{kind}", "wall_us", 60),
            Budget(f"direct_10000_on_{kind}", "server_cpu_us", 100),
            Budget(f"map_1000_on_{kind}", "server_cpu_us", 100),
            Budget(f"map_10000_on_{kind}", "server_cpu_us", 100),
            Budget(f"snapshots_on_{kind}", "tasks_per_server_second", 10_000, at_least=True),
            Budget(f"first_line_by_worker_on_{kind}", "first_line_median_ms", 50),
            Budget(f"first_line_by_worker_on_{kind}", "first_line_p95_ms", 150),
        )
    ),
)


def verdict(case: str, figure: str, medians: Medians) -> tuple[str, bool] | None:
    """The budget of a figure in words, and whether it is met; None without a budget or a measurement."""
    for budget in BUDGETS:
        if (budget.case, budget.figure) != (case, figure) or figure not in medians:
            continue
        value = medians[figure]
        met = budget.is_met(value) if isinstance(budget, Budget) else budget.is_met(value, medians)
        return str(budget), met
    return None
