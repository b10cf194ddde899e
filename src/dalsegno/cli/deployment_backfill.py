"""`dalsegno deployment backfill`: the runs that a deployment should have had in a span of time."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.deployment_run import parameters_for
from dalsegno.cli.deployment_tables import find, name_of
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import DeploymentTarget
from dalsegno.cli.parameters import Pairs, Whole

_MOST = 10_000
_SHOWN = 20


def backfill(
    name: DeploymentTarget,
    /,
    *,
    from_: Annotated[str, Parameter(name="--from", help="Of ticks at or after this date or time, local; or 7d ago.")],
    to: Annotated[str | None, Parameter(help="Of ticks before this date or time; none: before now.")] = None,
    every: Annotated[
        str | None,
        Parameter(help="A run each 1d or 6h, from --from on; none: at the ticks of its schedules."),
    ] = None,
    param: Pairs = None,
    params: Whole = None,
    max_concurrent: Annotated[
        int | None, Parameter(name="--max-concurrent", help="How many of the runs there are at one time.")
    ] = None,
    dry_run: Annotated[
        bool, Parameter(name=["--dry-run", "--preview"], help="Make nothing; tell what would be made.")
    ] = False,
) -> None:
    """Ask for the runs that a deployment should have had, each once: what ran is not run again."""
    from dalsegno._backend import backfilling

    backend, now = open_backend(runs=False), times.now()
    found = find(backend, name)
    asked = backfilling.Backfill(
        times.parse_since(from_, now),
        now if to is None else times.parse_since(to, now),
        None if every is None else (now - times.parse_since(every, now)) / times.SECOND,
        parameters_for(found, param, params),
        max_concurrent,
    )
    if dry_run:
        planned = backfilling.plan(found, asked, now, _MOST)
        print(f"{len(planned)} runs of {name_of(found)!r}, of which those that there are already are not made again:")
        for each in planned[:_SHOWN]:
            print(f"  {times.clock(each.tick)}")
        print(f"  ... and {len(planned) - _SHOWN} more" if len(planned) > _SHOWN else "Nothing was made.")
        return
    runs = backfilling.backfill(backend, found, asked, now, _MOST)
    made = sum(run.created for run in runs)
    print(f"{made} runs of {name_of(found)!r} wait; {len(runs) - made} were there already.")
