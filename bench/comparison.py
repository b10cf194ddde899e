"""Runs one case for its peers, interleaved, and gathers the samples. It decides order, homes, and what to do
when a peer is too slow or fails; what one process costs is for `measure` to say."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalogue import Case, Home
from environments import BENCH, CACHE, Environment, variables
from measure import Sample, database_bytes, median, run_process
from servers import Database, Server, Servers
from serving import StartError

WARM_UP_SIZE = 10
WORK = CACHE / "work"
# A process that takes longer than this is its own average, and is not repeated.
ONCE_MILLISECONDS = 60_000.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks of every case; None means as the case has it."""

    quick: bool = False
    repeats: int | None = None
    limit_seconds: float | None = None


@dataclass(slots=True)
class Outcome:
    """What a case gave for one peer. `notes` says what was not run; `failed` that a process ended badly."""

    size: int | None = None
    samples: list[Mapping[str, float]] = field(default_factory=list[Mapping[str, float]])
    notes: list[str] = field(default_factory=list[str])
    failed: bool = False

    def medians(self) -> dict[str, float]:
        """The median of each figure that all samples have."""
        names = [name for name in self.samples[0] if all(name in each for each in self.samples)] if self.samples else []
        return {name: median([sample[name] for sample in self.samples]) for name in names}


@dataclass(slots=True)
class _Contestant:
    environment: Environment
    server: Server | None
    databases: Servers
    home: Path
    sizes: list[int | None]
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def is_out(self) -> bool:
        return not self.sizes


def run_case(
    case: Case, environments: Mapping[str, Environment], servers: Servers, options: Options
) -> dict[str, Outcome]:
    """Warm every peer up, then measure them in turns, another one first each time; by name of the peer."""
    contestants = [_contestant(case, environments[name], servers, options) for name in _names(case, environments)]
    try:
        for contestant in contestants:
            _prepare(case, contestant, options)
        for turn in range(_repeats(case, options)):
            for contestant in _rotated(contestants, turn):
                _take_turn(case, contestant, options)
    finally:
        shutil.rmtree(WORK / case.name, ignore_errors=True)
    return {contestant.environment.peer.name: contestant.outcome for contestant in contestants}


def _names(case: Case, environments: Mapping[str, Environment]) -> list[str]:
    bare = ("bare",) if case.over_bare_python else ()
    return [name for name in (*bare, *case.peers) if name in environments]


def _contestant(case: Case, environment: Environment, servers: Servers, options: Options) -> _Contestant:
    name = environment.peer.name
    sizes = list(case.sizes_for(name, quick=options.quick)) or [None]
    contestant = _Contestant(environment, None, servers, WORK / case.name / name, sizes)
    kind = case.server_of(name)
    try:
        contestant.server = servers.of(environment, kind) if kind else None
    except StartError as error:
        _put_out(case, contestant, "its server did not start", str(error))
    return contestant


def _rotated(contestants: Sequence[_Contestant], turn: int) -> list[_Contestant]:
    start = turn % len(contestants)
    return [*contestants[start:], *contestants[:start]]


def _repeats(case: Case, options: Options) -> int:
    return options.repeats or (1 if options.quick else case.repeats)


def _prepare(case: Case, contestant: _Contestant, options: Options) -> None:
    """What must be there before the first measured process, and one run that is not counted."""
    name = contestant.environment.peer.name
    if case.preparation and name != "bare" and not contestant.is_out:
        folder, *arguments = case.preparation
        _check(case, contestant, _run(case, contestant, _script(contestant, folder, arguments), options))
    if contestant.is_out or not case.warms_up:
        return
    size = None if contestant.sizes[0] is None else WARM_UP_SIZE
    _check(case, contestant, _run(case, contestant, _command(case, contestant, size), options))


def _take_turn(case: Case, contestant: _Contestant, options: Options) -> None:
    """One measured process. Too slow: this turn, and all after it, go to the peer's next size, if any."""
    while not contestant.is_out:
        size = contestant.sizes[0]
        sample = _run(case, contestant, _command(case, contestant, size), options)
        if _check(case, contestant, sample):
            contestant.outcome.size = size
            contestant.outcome.samples.append(sample.figures)
            if sample.figures["process_wall_ms"] > ONCE_MILLISECONDS:
                contestant.sizes.clear()
            return


def _check(case: Case, contestant: _Contestant, sample: Sample) -> bool:
    if sample.failure is None:
        return True
    outcome = contestant.outcome
    size = contestant.sizes.pop(0)
    outcome.samples.clear()
    has_choice = size is not None and len(case.sizes_for(contestant.environment.peer.name, quick=False)) > 1
    outcome.notes.append(f"{size:,}: {sample.failure}" if has_choice else sample.failure)
    if sample.failure.startswith("not run"):
        _tell(case, contestant, outcome.notes[-1])
    else:
        _put_out(case, contestant, outcome.notes.pop(), sample.log_tail)
    return False


def _put_out(case: Case, contestant: _Contestant, note: str, why: str) -> None:
    """Nothing more is run of a peer that failed."""
    contestant.outcome.notes.append(note)
    contestant.outcome.failed = True
    contestant.sizes.clear()
    _tell(case, contestant, note)
    print(why, file=sys.stderr, flush=True)


def _tell(case: Case, contestant: _Contestant, note: str) -> None:
    print(f"  {contestant.environment.peer.title}, {case.name}: {note}", file=sys.stderr, flush=True)


def _command(case: Case, contestant: _Contestant, size: int | None) -> list[str]:
    name = contestant.environment.peer.name
    if name in case.commands:
        program, *arguments = (part.format(home=contestant.home) for part in case.commands[name])
        return [contestant.environment.executable(program), *arguments]
    sizes = () if size is None else (str(size),)
    return _script(contestant, case.folder or case.name, [*sizes, *case.arguments])


def _script(contestant: _Contestant, folder: str, arguments: Sequence[str]) -> list[str]:
    environment = contestant.environment
    script = BENCH / "cases" / folder / f"with_{environment.peer.name}.py"
    return [str(environment.python), str(script), *arguments]


def _run(case: Case, contestant: _Contestant, command: Sequence[str], options: Options) -> Sample:
    """One process, with the peer's server awake for its time and settled before the next."""
    if case.home is Home.FRESH:
        shutil.rmtree(contestant.home, ignore_errors=True)
    contestant.home.mkdir(parents=True, exist_ok=True)
    server = contestant.server
    if server is None:
        return _run_and_count(case, contestant, command, options)
    server.resume()
    try:
        return _run_and_count(case, contestant, command, options)
    finally:
        server.suspend()


def _run_and_count(case: Case, contestant: _Contestant, command: Sequence[str], options: Options) -> Sample:
    server = contestant.server
    bytes_before = _database_bytes(contestant) if case.counts_database else 0
    server_cpu_before = server.running.cpu_seconds() if server else 0.0
    own = _database_of(case, contestant)
    sample = run_process(
        command,
        environment={
            **variables(contestant.environment, contestant.home, server.api_url if server else None),
            **({"BENCH_DATABASE_URL": own.url} if own else {}),
        },
        directory=contestant.home,
        limit_seconds=options.limit_seconds or case.limit_seconds,
    )
    if server:
        server.settle()
    if sample.failure or "tasks" not in sample.figures:
        return sample
    figures = dict(sample.figures)
    if server:
        figures |= _with_server(figures, server, server.running.cpu_seconds() - server_cpu_before)
    if case.counts_database:
        figures["database_bytes"] = (_database_bytes(contestant) - bytes_before) / figures["tasks"]
    return Sample(figures)


def _database_of(case: Case, contestant: _Contestant) -> Database | None:
    return contestant.databases.empty_database(case.database_on, contestant.home) if case.database_on else None


def _database_bytes(contestant: _Contestant) -> int:
    return contestant.server.database.size() if contestant.server else database_bytes(contestant.home)


def _with_server(figures: Mapping[str, float], server: Server, cpu_seconds: float) -> dict[str, float]:
    """CPU is what all the processes of a peer used; the share of the process alone is kept beside it."""
    tasks = figures["tasks"]
    more = {"server_mb": server.running.memory_bytes() / 1e6, "server_cpu_us": cpu_seconds * 1e6 / tasks}
    if cpu_seconds:
        more["tasks_per_server_second"] = tasks / cpu_seconds
    if "cpu_us" in figures:
        more["process_only_cpu_us"] = figures["cpu_us"]
        more["cpu_us"] = figures["cpu_us"] + more["server_cpu_us"]
    return more
