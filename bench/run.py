"""The benchmark's command line: `python bench/run.py`. Installs the peers, runs the cases, prints the table,
and, after a full run or with --save, writes bench/README.md and bench/results.json."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):
    sys.exit(f"bench needs Python 3.11 or newer; this is {sys.version.split()[0]}")

import argparse
import contextlib
import datetime
import os
import shutil
import signal

import report
from catalogue import CASES, Case
from comparison import WORK, Options, Outcome, run_case
from environments import BENCH, PEERS, Environment, InstallError, install
from machine import shape
from postgres import find_binaries
from servers import Server, Servers
from serving import StartError

BUSY_LOAD = 0.5


def main() -> int:
    """Run what the command line asks for; 1 if something failed to run (being slow is no failure)."""
    # So that the servers end with this process however it is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended from outside"))
    arguments = _parse()
    if arguments.list:
        for case in CASES:
            print(f"{case.name:20}{case.title} ({', '.join(case.peers)})")
        return 0
    cases = that_can_run([case for case in CASES if not arguments.only or case.name in arguments.only])
    options = Options(arguments.quick, arguments.repeats, arguments.limit)
    try:
        environments = _install(cases, arguments.peer)
        about, results = _run(cases, environments, options)
    except (InstallError, StartError) as error:
        sys.exit(f"bench: {error}")
    rows = report.table([case for case in cases if case.name in results], results, judged=not arguments.quick)
    print(report.headline(about), report.as_text(rows), sep="\n\n")
    is_full = not (arguments.quick or arguments.only or arguments.peer or arguments.repeats or arguments.limit)
    if is_full or arguments.save:
        _save(report.Run(about, results))
    return int(any(outcome.failed for outcomes in results.values() for outcome in outcomes.values()))


def _save(run: report.Run) -> None:
    """Put the figures into the page, where what this run did not measure stays."""
    runs = report.replaced(report.read_json(BENCH / "results.json"), run)
    report.write_json(BENCH / "results.json", runs)
    report.write_readme(BENCH / "README.md", runs)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Measure Dalsegno and its peers side by side.")
    parser.add_argument("--quick", action="store_true", help="small sizes, one repeat: does it work at all?")
    names = [case.name for case in CASES]
    parser.add_argument("--only", action="append", choices=names, metavar="CASE", help="this case; may be repeated")
    peers = [name for name in PEERS if name != "bare"]
    parser.add_argument("--peer", action="append", choices=peers, metavar="NAME", help="this peer; may be repeated")
    parser.add_argument("--repeats", type=int, help="measured processes per case and peer, for all cases")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="the time limit of a process, for all cases")
    parser.add_argument(
        "--save", action="store_true", help="keep the figures of this partial run beside those of earlier ones"
    )
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    arguments = parser.parse_args()
    if arguments.save and arguments.quick:
        parser.error("a quick run's figures mean nothing: they are not saved")
    if arguments.save and arguments.peer:
        parser.error("figures are compared in one run: with --peer they are not saved")
    return arguments


def _install(cases: list[Case], only_peers: list[str] | None) -> dict[str, Environment]:
    wanted = {name for case in cases for name in case.peers if not only_peers or name in only_peers}
    if any(case.over_bare_python for case in cases):
        wanted.add("bare")
    return {name: install(peer) for name, peer in PEERS.items() if name in wanted}


def _run(
    cases: list[Case], environments: dict[str, Environment], options: Options
) -> tuple[report.About, dict[str, dict[str, Outcome]]]:
    if os.getloadavg()[0] > BUSY_LOAD:
        print(f"bench: the load is {os.getloadavg()[0]:.2f}: others use this machine", file=sys.stderr)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    here = shape(WORK)
    with contextlib.ExitStack() as stack:
        servers = Servers(WORK / "servers", stack)
        server = _start_server(servers, cases, environments)
        about = report.About(
            here,
            {name: environment.version for name, environment in environments.items() if name != "bare"}
            | {"bare": str(here["python"])},
            _told_of(server),
            datetime.datetime.now(datetime.UTC).date().isoformat(),
        )
        results: dict[str, dict[str, Outcome]] = {}
        for case in cases:
            if not environments.keys() & set(case.peers):
                continue
            print(f"{case.name}: {case.title}", file=sys.stderr, flush=True)
            results[case.name] = run_case(case, environments, servers, options)
            rows = report.table([case], results, judged=not options.quick)
            print(report.as_text([row[:5] for row in rows]), file=sys.stderr, flush=True)
    shutil.rmtree(WORK, ignore_errors=True)
    return about, results


def _start_server(servers: Servers, cases: list[Case], environments: dict[str, Environment]) -> Server | None:
    """Start the server that Prefect is measured with where the others need none, before the first case."""
    if "prefect" not in environments or not any(case.server_of("prefect") == "sqlite" for case in cases):
        return None
    return servers.of(environments["prefect"], "sqlite")


def _told_of(server: Server | None) -> dict[str, float]:
    if server is None:
        return {}
    return {"start_seconds": server.running.start_seconds, "memory_mb": server.running.memory_bytes() / 1e6}


def that_can_run(cases: list[Case]) -> list[Case]:
    """Leave out, and say so, what needs a PostgreSQL server where none is installed."""
    if find_binaries() is not None:
        return cases
    left_out = [case.name for case in cases if case.needs_postgres]
    if left_out:
        print(f"bench: left out, for PostgreSQL is not installed: {', '.join(left_out)}", file=sys.stderr)
    return [case for case in cases if not case.needs_postgres]


if __name__ == "__main__":
    sys.exit(main())
