"""`dalsegno run`: runs a flow of a file or module in this process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import Annotated, Any

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import group
from dalsegno.cli.parameters import Pairs, Whole, read_parameters
from dalsegno.cli.running import execute, run_of_this_process
from dalsegno.cli.targets import load_flow
from dalsegno.exceptions import ParameterBindError, ParameterTypeError

app = group("run", "Run a flow of a file or module, here and now.")


@app.default
def run(
    target: Annotated[str, Parameter(help="FILE.py, package.module, or either with :flow at its end.")],
    /,
    *,
    param: Pairs = None,
    params: Whole = None,
) -> int:
    """Run a flow of a file or module, here and now; the exit code is that of the run's outcome."""
    flow = load_flow(target)
    parameters = read_parameters(flow.fn, param, params)
    try:
        flow.validate_parameters(parameters)
    except (ParameterBindError, ParameterTypeError, TypeError) as error:
        raise CommandError(str(error)) from error
    backend = open_backend()
    return execute(backend, lambda: call_flow(flow, parameters), run_of_this_process(backend, times.now()))


def call_flow(flow: Any, parameters: dict[str, Any]) -> None:
    """Call a flow of any kind, and wait for its end; never raises for how it ends."""
    if inspect.isasyncgenfunction(flow.fn):
        asyncio.run(drain(flow, parameters))
    elif inspect.isgeneratorfunction(flow.fn):
        for _ in flow(**parameters):
            pass
    else:
        outcome = flow(**parameters, return_state=True)
        if inspect.isawaitable(outcome):
            asyncio.run(awaited(outcome))


async def awaited(outcome: Awaitable[Any]) -> Any:
    return await outcome


async def drain(flow: Any, parameters: dict[str, Any]) -> None:
    async for _ in flow(**parameters):
        pass
