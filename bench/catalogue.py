"""The cases: what is run for whom, how often, at what size, and which figures become rows of the report.
The work itself is in cases/CASE/with_PEER.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

ALL = ("dalsegno", "prefect", "dbos", "luigi")
FLOWS = ("dalsegno", "prefect", "dbos")
MAPPERS = ("dalsegno", "prefect")
ALONE = ("dalsegno",)
SERVED = ("dalsegno", "prefect")
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
LIMIT_SECONDS = 120.0
LONG_LIMIT_SECONDS = 900.0
CHEAP_REPEATS = 7
REPEATS = 5
HEAVY_REPEATS = 3
FEW_REPEATS = 2


class Home(Enum):
    """What a process finds in its home."""

    FRESH = "nothing: each process has a new one"
    KEPT = "what the earlier processes of the case left"


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the report. `key` names the figure in a sample; `label` is for readers and ends with the unit.

    Where peers are measured at different sizes, a cell names its own (`names_size`) and may be no match for
    the others (`is_compared`).
    """

    key: str
    label: str
    more_is_better: bool = False
    is_compared: bool = True
    names_size: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison.

    `sizes` are passed to the script as its first argument; what a peer cannot do in time at its first size is
    tried at the next. Sizes of a peer that `peer_sizes` names replace `sizes`.

    With `server_on` ("sqlite" or "postgresql") every peer speaks over HTTP to a server of its own on that kind of
    database. Without it Prefect has its server on SQLite, unless `with_server` is false, and the others need none.
    With `database_on` each process is given the URL of an empty database of that kind.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    peers: tuple[str, ...]
    folder: str = ""
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    preparation: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    quick_sizes: tuple[int, ...] = ()
    peer_sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    arguments: tuple[str, ...] = ()
    home: Home = Home.FRESH
    with_server: bool = True
    server_on: str = ""
    database_on: str = ""
    warms_up: bool = True
    over_bare_python: bool = False
    counts_database: bool = False
    repeats: int = REPEATS
    limit_seconds: float = LIMIT_SECONDS

    def sizes_for(self, peer: str, *, quick: bool) -> tuple[int, ...]:
        """The sizes to try, in order; empty for a case that has none."""
        return self.quick_sizes if quick else self.peer_sizes.get(peer, self.sizes)

    def server_of(self, peer: str) -> str:
        """The kind of database that the server is on which a peer is measured with; empty: it has none."""
        if peer not in self.peers or self.server_on:
            return self.server_on if peer in self.peers else ""
        return "sqlite" if peer == "prefect" and self.with_server and not self.database_on else ""

    @property
    def needs_postgres(self) -> bool:
        """Whether it cannot be run where PostgreSQL is not installed."""
        return "postgresql" in (self.server_on, self.database_on)


def _process(name: str, title: str, label: str, peers: tuple[str, ...], **more: object) -> Case:
    figures = (Figure("process_wall_ms", label),)
    return Case(name, title, figures, peers, repeats=CHEAP_REPEATS, **more)  # type: ignore[arg-type]


def _calls(name: str, title: str, folder: str, peers: tuple[str, ...], size: int, repeats: int = REPEATS) -> Case:
    figures = (
        Figure("wall_us", f"{title}: wall, µs per task"),
        Figure("cpu_us", f"{title}: CPU of all processes, µs per task"),
    )
    return Case(
        name,
        title,
        figures,
        peers,
        folder=folder,
        sizes=(size,),
        quick_sizes=(max(20, size // 50),),
        repeats=repeats,
    )


def _defaults(variant: str, label: str) -> Case:
    figures = (
        Figure("wall_us", f"{label}: wall, µs per task"),
        Figure("cpu_us", f"{label}: CPU, µs per task"),
    )
    return Case(
        f"defaults_{variant.replace('-', '_')}",
        label,
        figures,
        ALONE,
        folder="defaults",
        sizes=(1_000,),
        quick_sizes=(20,),
        arguments=(variant,),
    )


def _served_calls(kind: str, work: str, title: str, size: int, peers: tuple[str, ...]) -> Case:
    label = f"server on {DATABASES[kind]}, {title}"
    figures = [
        Figure("wall_us", f"{label}: wall, µs per task"),
        Figure("cpu_us", f"{label}: CPU of flow and server, µs per task"),
        Figure("server_cpu_us", f"{label}: CPU of the server, µs per task"),
    ]
    if work == "direct":
        figures.append(Figure("database_bytes", f"{label}: database, bytes per task run"))
    return Case(
        f"{work}_{size}_on_{kind}",
        label,
        tuple(figures),
        peers,
        folder={"direct": "direct_calls", "map": "map"}[work],
        sizes=(size,),
        quick_sizes=(20,),
        server_on=kind,
        counts_database=work == "direct",
        repeats=HEAVY_REPEATS if work == "direct" else FEW_REPEATS,
    )


def _first_line(kind: str, executed_by: str, peers: tuple[str, ...]) -> Case:
    who = {"worker": "one warm worker", "serve": "Prefect's serve"}[executed_by]
    label = f"{who}, {DATABASES[kind]}: from the request of a run until its code begins"
    return Case(
        f"first_line_by_{executed_by}_on_{kind}",
        label,
        (
            Figure("first_line_median_ms", f"{label}, median, ms", names_size=True),
            Figure("first_line_p95_ms", f"{label}, 95th percentile, ms", names_size=True),
        ),
        peers,
        folder="first_line",
        sizes=(100,),
        quick_sizes=(2,),
        peer_sizes={"prefect": (5,)},
        arguments=(executed_by,),
        server_on=kind,
        warms_up=False,
        repeats=1,
        limit_seconds=LONG_LIMIT_SECONDS,
    )


def _of_server(kind: str) -> tuple[Case, ...]:
    """The cases of a server on one kind of database."""
    label = f"server on {DATABASES[kind]}"
    return (
        Case(
            f"server_start_on_{kind}",
            f"{label}: its start, and what it uses idle",
            (
                Figure("start_empty_ms", f"{label}: start on an empty database, ms"),
                Figure("start_existing_ms", f"{label}: start on an existing database, ms"),
                Figure("idle_mb", f"{label}, idle: memory, MB"),
                Figure("idle_cpu_ms_per_second", f"{label}, idle: CPU, ms per second"),
            ),
            SERVED,
            folder="server_start",
            sizes=(10,),
            quick_sizes=(1,),
            database_on=kind,
            warms_up=False,
            repeats=HEAVY_REPEATS,
        ),
        _served_calls(kind, "direct", "1,000 direct calls", 1_000, SERVED),
        _served_calls(kind, "map", "1,000 by map", 1_000, SERVED),
        _served_calls(kind, "direct", "10,000 direct calls", 10_000, ALONE),
        _served_calls(kind, "map", "10,000 by map", 10_000, ALONE),
        Case(
            f"lag_on_{kind}",
            f"{label}: from the end of a task until the API shows it",
            (
                Figure("lag_median_ms", f"{label}: until a finished task is visible, median, ms"),
                Figure("lag_worst_ms", f"{label}: until a finished task is visible, slowest, ms"),
            ),
            SERVED,
            folder="lag",
            sizes=(20,),
            quick_sizes=(3,),
            server_on=kind,
            repeats=HEAVY_REPEATS,
        ),
        Case(
            f"snapshots_on_{kind}",
            f"{label}: task-run snapshots that it applies",
            (
                Figure(
                    "tasks_per_server_second",
                    f"{label}: task-run snapshots applied per second of its CPU",
                    more_is_better=True,
                ),
                Figure(
                    "snapshots_per_second",
                    f"{label}: task-run snapshots applied per second, from one client",
                    more_is_better=True,
                ),
            ),
            ALONE,
            folder="snapshots",
            sizes=(50_000,),
            quick_sizes=(1_000,),
            server_on=kind,
            repeats=HEAVY_REPEATS,
        ),
        Case(
            f"retention_on_{kind}",
            f"{label}: 1,000,000 task runs of half a year brought down to ninety days, while a flow runs",
            (
                Figure("seconds", f"retention on {DATABASES[kind]}: until down to the policy, s", names_size=True),
                Figure("before_mb", f"retention on {DATABASES[kind]}: database before, MB"),
                Figure("after_mb", f"retention on {DATABASES[kind]}: database after, MB"),
                Figure("database_wait_ms", f"retention on {DATABASES[kind]}: longest wait for the database, ms"),
                Figure("undisturbed_database_wait_ms", "the same without retention"),
                Figure("server_wait_ms", f"retention on {DATABASES[kind]}: longest wait for the server, ms"),
                Figure("undisturbed_server_wait_ms", "the same without retention"),
            ),
            ALONE,
            folder="retention",
            sizes=(1_000_000,),
            quick_sizes=(20_000,),
            database_on=kind,
            warms_up=False,
            repeats=1,
            limit_seconds=LONG_LIMIT_SECONDS,
        ),
    )


CASES = (
    _process(
        "import_package",
        "import of the package alone",
        "import of the package, over bare Python, ms",
        ALL,
        over_bare_python=True,
    ),
    _process(
        "import_names",
        "import of the names that a file of flows needs",
        "from ... import flow, task, over bare Python, ms",
        ALL,
        over_bare_python=True,
    ),
    _process(
        "cli_version",
        "the command that prints the version",
        "CLI: version, over bare Python, ms",
        FLOWS,
        commands={
            "bare": ("python", "-c", ""),
            "dalsegno": ("dalsegno", "version"),
            "prefect": ("prefect", "version"),
            "dbos": ("dbos", "version"),
        },
        over_bare_python=True,
    ),
    _process(
        "cli_flow_run_ls",
        "the command that lists flow runs, ten of them there",
        "CLI: list the flow runs, over bare Python, ms",
        FLOWS,
        commands={
            "bare": ("python", "-c", ""),
            "dalsegno": ("dalsegno", "flow-run", "ls"),
            "prefect": ("prefect", "flow-run", "ls"),
            "dbos": ("dbos", "workflow", "list", "--sys-db-url", "sqlite:///{home}/dbos.sqlite"),
        },
        preparation=("flow_runs", "10"),
        home=Home.KEPT,
        over_bare_python=True,
    ),
    _process(
        "hello_cold",
        "a whole `python hello.py`, empty home, nothing running",
        "python hello.py, empty home, nothing running, ms",
        ALL,
        folder="hello",
        with_server=False,
    ),
    _process(
        "hello_again",
        "a whole `python hello.py`, home already there, the peer's server (if it has one) running",
        "python hello.py, home there, peer's server running, ms",
        FLOWS,
        folder="hello",
        home=Home.KEPT,
    ),
    _calls("direct_1000", "1,000 direct calls", "direct_calls", ALL, 1_000),
    _calls("submit_1000", "1,000 by submit", "submit", FLOWS, 1_000, HEAVY_REPEATS),
    _calls("map_1000", "1,000 by map", "map", MAPPERS, 1_000, HEAVY_REPEATS),
    _calls("submit_10000", "10,000 by submit", "submit", FLOWS, 10_000, HEAVY_REPEATS),
    _calls("map_10000", "10,000 by map", "map", MAPPERS, 10_000, HEAVY_REPEATS),
    _calls("async_submit_1000", "1,000 coroutines by submit", "async_submit", MAPPERS, 1_000, HEAVY_REPEATS),
    _calls("async_gather_1000", "1,000 coroutines by gather", "async_gather", FLOWS, 1_000, HEAVY_REPEATS),
    Case(
        "database_bytes",
        "growth of the database by one flow run of 1,000 direct calls",
        (Figure("database_bytes", "database, bytes per task run"),),
        FLOWS,
        folder="direct_calls",
        preparation=("direct_calls", "10"),
        sizes=(1_000,),
        quick_sizes=(100,),
        home=Home.KEPT,
        counts_database=True,
        repeats=HEAVY_REPEATS,
    ),
    Case(
        "peak_memory",
        "memory of the process while it maps a task over a long list",
        (
            Figure("peak_mb", "long map: peak memory of the process, MB", is_compared=False, names_size=True),
            Figure("growth_kb_per_task", "long map: peak memory over that before, kB per task", names_size=True),
            Figure("server_mb", "long map: memory of the server after it, MB", is_compared=False, names_size=True),
        ),
        FLOWS,
        sizes=(100_000,),
        quick_sizes=(200,),
        peer_sizes={"prefect": (2_000, 500), "dbos": (2_000, 500)},
        repeats=HEAVY_REPEATS,
        limit_seconds=LIMIT_SECONDS,
    ),
    Case(
        "flow_runs",
        "flow runs of one trivial task, one after the other in one process",
        (
            Figure("flow_runs_per_minute", "flow runs of one task, in process, per minute", more_is_better=True),
            Figure("cpu_us", "flow runs of one task: CPU of all processes, µs per flow run"),
        ),
        FLOWS,
        sizes=(1_000,),
        quick_sizes=(20,),
        peer_sizes={"prefect": (30,)},
    ),
    Case(
        "million_calls",
        "1,000,000 direct calls in one flow run, against 1,000",
        (
            Figure("wall_us", "1,000,000 direct calls: wall, µs per task"),
            Figure("cpu_us", "1,000,000 direct calls: CPU, µs per task"),
            Figure("short_wall_us", "the same process, flow runs of 1,000: wall, µs per task"),
            Figure("ratio", "1,000,000 direct calls: cost of one, over that at 1,000"),
            Figure("memory_growth_mb", "1,000,000 direct calls: memory growth, MB"),
        ),
        ALONE,
        sizes=(1_000_000,),
        quick_sizes=(5_000,),
        repeats=HEAVY_REPEATS,
        limit_seconds=LONG_LIMIT_SECONDS,
    ),
    _defaults("defaults", "1,000 direct calls, all defaults"),
    _defaults("no-results", "1,000 direct calls, persist_result=False"),
    _defaults("log-line", "1,000 direct calls, each logs one line"),
    Case(
        "snapshots",
        "task-run snapshots that the store applies",
        (
            Figure(
                "snapshots_per_second",
                "store: task-run snapshots applied per second of one core",
                more_is_better=True,
            ),
        ),
        ALONE,
        sizes=(50_000,),
        quick_sizes=(1_000,),
    ),
    Case(
        "lists",
        "lists and counts of the API, each filter finding none, few and most",
        (
            Figure("one_worst_p95_ms", "API: slowest list or count, all in one flow run: p95, ms", names_size=True),
            Figure("one_median_p95_ms", "API: the usual list or count, all in one flow run: p95, ms", names_size=True),
            Figure("one_worst_cpu_ms", "API: dearest list or count, all in one flow run: server's CPU, ms"),
            Figure("many_worst_p95_ms", "API: slowest list or count, over many flow runs: p95, ms", names_size=True),
            Figure("many_median_p95_ms", "API: the usual list or count, over many flow runs: p95, ms", names_size=True),
            Figure("many_worst_cpu_ms", "API: dearest list or count, over many flow runs: server's CPU, ms"),
        ),
        ALONE,
        sizes=(1_000_000,),
        quick_sizes=(2_000,),
        warms_up=False,
        repeats=1,
        limit_seconds=LONG_LIMIT_SECONDS,
    ),
    *(case for kind in DATABASES for case in _of_server(kind)),
    *(_first_line(kind, "worker", SERVED) for kind in DATABASES),
    _first_line("sqlite", "serve", ("prefect",)),
    Case(
        "drain",
        "a queue of runs of an empty flow, worked off by one worker, two at once",
        (Figure("flow_runs_per_minute", "one worker, two at once: flow runs per minute", True, names_size=True),),
        SERVED,
        sizes=(10_000,),
        quick_sizes=(4,),
        peer_sizes={"prefect": (200,)},
        server_on="sqlite",
        warms_up=False,
        repeats=1,
        limit_seconds=LONG_LIMIT_SECONDS,
    ),
    Case(
        "fibonacci",
        "one flow run of 40 × fib(10) and one of 10 × fib(33) on a warm worker, from the request until Completed",
        (
            Figure("short_ms", "one worker, 40 × fib(10): from the request until Completed, ms"),
            Figure("long_ms", "one worker, 10 × fib(33): from the request until Completed, ms"),
            Figure("over_bare", "one worker, 10 × fib(33): over the bare computation"),
        ),
        SERVED,
        sizes=(5,),
        quick_sizes=(1,),
        peer_sizes={"prefect": (1,)},
        server_on="sqlite",
        warms_up=False,
        repeats=1,
        limit_seconds=LONG_LIMIT_SECONDS,
    ),
)
