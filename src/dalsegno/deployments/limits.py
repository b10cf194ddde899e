"""How many runs of a deployment may be executed at a time, and what becomes of one more."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dalsegno.exceptions import ConfigurationError
from dalsegno.model.deployments import CollisionStrategy


class ConcurrencyLimitStrategy(StrEnum):
    """What becomes of a run that is due while as many run as may."""

    ENQUEUE = "ENQUEUE"
    """It waits."""
    CANCEL_NEW = "CANCEL_NEW"
    """It is cancelled."""
    CANCEL_RUNNING = "CANCEL_RUNNING"
    """The oldest one that runs is cancelled, and makes room."""


class ConcurrencyLimitConfig(msgspec.Struct, frozen=True):
    """A limit on runs of a deployment at a time.

    Example:
        >>> nightly.deploy("eu", work_pool_name="machines", concurrency_limit=ConcurrencyLimitConfig(1, "CANCEL_NEW"))
    """

    limit: int
    collision_strategy: ConcurrencyLimitStrategy | str = ConcurrencyLimitStrategy.ENQUEUE


def limit_of(given: int | ConcurrencyLimitConfig | None) -> tuple[int | None, CollisionStrategy]:
    """Return a limit and its strategy. Raises ConfigurationError for what is none."""
    config = given if isinstance(given, ConcurrencyLimitConfig) else None
    limit = given if config is None else config.limit
    if limit is None:
        return None, "ENQUEUE"
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ConfigurationError(f"concurrency_limit is {limit!r}; it is a whole number from 1 up.")
    try:
        strategy = ConcurrencyLimitStrategy("ENQUEUE" if config is None else config.collision_strategy)
    except ValueError:
        names = ", ".join(ConcurrencyLimitStrategy)
        asked = None if config is None else config.collision_strategy
        raise ConfigurationError(f"collision_strategy is {asked!r}; it is one of {names}.") from None
    return limit, strategy.value
