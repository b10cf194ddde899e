"""`deploy`: deployments whose runs the workers of a pool execute."""

from __future__ import annotations

import uuid

from dalsegno._backend.connect import connect
from dalsegno._engine.awaiting import awaited_in_coroutines, in_thread
from dalsegno.deployments.runner_deployment import RunnerDeployment
from dalsegno.exceptions import ConfigurationError, ObjectNotFound


@awaited_in_coroutines
def deploy(
    *deployments: RunnerDeployment, work_pool_name: str | None = None, print_next_steps_message: bool = True
) -> list[uuid.UUID]:
    """Deploy for the workers of a pool; return the ids of the deployments.

    In a coroutine it is to be awaited.

    Args:
        deployments: Made by `flow.to_deployment`.
        work_pool_name: None: the only pool that there is.
        print_next_steps_message: Whether it says what it did and what comes next.

    Raises:
        ObjectNotFound: There is no such pool.
        ConfigurationError: The workers would not find the code, or no pool is named where there are several.

    Example:
        >>> deploy(extract.to_deployment("hourly", cron="@hourly"), load.to_deployment("nightly"), work_pool_name="etl")
    """
    return deploy_all(deployments, work_pool_name, print_next_steps_message)


async def adeploy(
    *deployments: RunnerDeployment, work_pool_name: str | None = None, print_next_steps_message: bool = True
) -> list[uuid.UUID]:
    """Do what `deploy` does."""
    return await in_thread(deploy_all, deployments, work_pool_name, print_next_steps_message)


def deploy_all(deployments: tuple[RunnerDeployment, ...], work_pool_name: str | None, told: bool) -> list[uuid.UUID]:
    """Do what `deploy` does."""
    pool = work_pool_name or _default_pool()
    type = _pool_type(pool)
    for each in deployments:
        if not isinstance(each, RunnerDeployment):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{each!r} is no deployment; flow.to_deployment(name) makes one.")
        if type != "process" and each.spec.source.path is not None:
            raise ConfigurationError(
                f"The code of {each.full_name!r} is in {each.spec.source.path} on this machine, where the workers of "
                f"pool {pool!r} (type {type}) do not see it. Take the flow from a repository or a URL: "
                "flow.from_source(...)."
            )
    ids = [each.apply(pool) for each in deployments]
    if told:
        print(next_steps(deployments, pool), flush=True)
    return ids


def _default_pool() -> str:
    pools = connect().list_pools(None)
    if len(pools) == 1:
        return pools[0].name
    known = ", ".join(repr(pool.name) for pool in pools) or "none; `dalsegno worker start --pool NAME` makes one"
    raise ConfigurationError(f"To which work pool is to be deployed? Give work_pool_name. There are: {known}.")


def _pool_type(name: str) -> str:
    pool = connect().find_pool(name)
    if pool is None:
        known = ", ".join(repr(each.name) for each in connect().list_pools(None)) or "none"
        raise ObjectNotFound(
            f"There is no work pool {name!r} (there are: {known}). A worker that is started for it makes it: "
            f"`dalsegno worker start --pool {name}`."
        )
    return pool.type


def next_steps(deployments: tuple[RunnerDeployment, ...], pool: str) -> str:
    """Return what a program says that has deployed: what, and how it is run."""
    lines = [f"Deployed {each.full_name!r} to work pool {pool!r}." for each in deployments]
    if deployments:
        lines.append(f"Its workers:  dalsegno worker start --pool {pool!r}")
        lines.append(f"Run one now:  run_deployment({deployments[0].full_name!r}), of dalsegno.deployments")
    return "\n".join(lines)
