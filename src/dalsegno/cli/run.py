"""`dalsegno run`: runs a flow of a file or module in this process."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterable, Awaitable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from dalsegno.cli import times
from dalsegno.cli.failures import CommandError
from dalsegno.cli.opening import open_backend
from dalsegno.cli.options import group
from dalsegno.cli.parameters import Pairs, Whole, read_parameters
from dalsegno.cli.running import execute, run_of_this_process
from dalsegno.exceptions import ParameterBindError, ParameterTypeError

if TYPE_CHECKING:
    from dalsegno.flows import Flow

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
    from dalsegno.flows import load_flow_from_entrypoint

    flow = load_flow_from_entrypoint(target)
    parameters = fitted(flow, read_parameters(flow.fn, param, params))
    backend = open_backend()
    return execute(backend, lambda: call_flow(flow, parameters), run_of_this_process(backend, times.now()))


def fitted(flow: Flow[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return parameters that the flow takes. Raises CommandError, before anything is run, if it does not."""
    parameters = {name: value for name, value in given.items() if name in flow.plan.names}
    others = {name: value for name, value in given.items() if name not in flow.plan.names}
    if others and flow.plan.var_keyword is None:
        known = ", ".join(flow.plan.names) or "none"
        raise CommandError(f"Flow {flow.name!r} has no parameter {next(iter(others))!r}; it has: {known}.")
    if others and flow.plan.var_keyword is not None:
        parameters[flow.plan.var_keyword] = others
    if missing := [name for name in needed(flow) if name not in parameters]:
        raise CommandError(
            f"Flow {flow.name!r} needs {', '.join(missing)}: give each with -p NAME=VALUE, or all with --params."
        )
    try:
        flow.validate_parameters(parameters)
    except (ParameterBindError, ParameterTypeError) as error:
        raise CommandError(f"Flow {flow.name!r} cannot run with these parameters: {error}") from error
    return parameters


def needed(flow: Flow[..., Any]) -> list[str]:
    """Return the names of the parameters without a default."""
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = flow.plan.signature.parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind not in optional]


def call_flow(flow: Flow[..., Any], parameters: dict[str, Any]) -> object:
    """Call a flow of any kind, wait for its end, and return its state; generators are drained, and give none."""
    args, kwargs = flow.plan.arguments(parameters)
    if flow.is_async_generator:
        asyncio.run(drained(flow(*args, **kwargs)))
    elif flow.is_generator:
        deque(flow(*args, **kwargs), maxlen=0)
    else:
        outcome: Any = flow(*args, **kwargs, return_state=True)
        return asyncio.run(awaited(outcome)) if flow.is_async else outcome
    return None


async def awaited(outcome: Awaitable[Any]) -> Any:
    return await outcome


async def drained(values: AsyncIterable[Any]) -> None:
    async for _ in values:
        pass
