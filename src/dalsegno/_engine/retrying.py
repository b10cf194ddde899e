"""Retries: how many, after how long, after which errors. Pure decisions: the engine waits and runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

if TYPE_CHECKING:
    from random import Random

MOST_DELAYS: Final = 50

RetryDelays = float | Sequence[float] | Callable[[int], Sequence[float]] | None
ErrorClasses = type[BaseException] | tuple[type[BaseException], ...]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a task or flow with retries does after a failure; made by `retry_policy`."""

    retries: int
    """How often the body may run again."""
    delays: tuple[float, ...] = ()
    """Seconds before each retry; the last repeats. Empty: at once."""
    jitter: float | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
    """Only these errors are retried; None: all."""
    give_up_on: tuple[type[BaseException], ...] = ()
    """These never are."""
    condition: Callable[..., Any] | None = None
    """The user's function of (task, task run, failed state); asked when `should_retry` says yes."""

    def should_retry(self, retries_done: int, error: BaseException | None) -> bool:
        """Tell whether the body may run again after this error; a `condition` remains to be asked.

        `error` is None where a failed State without an exception was returned.
        """
        return retries_done < self.retries and self.may_retry(error)

    def may_retry(self, error: BaseException | None) -> bool:
        """Tell whether this error is one that is retried at all."""
        if isinstance(error, self.give_up_on):
            return False
        return self.retry_on is None or isinstance(error, self.retry_on)

    def delay(self, retries_done: int) -> float:
        """Return the seconds to wait before the next retry."""
        return delay_for(retries_done, self.delays, self.jitter)


def retry_policy(
    retries: int | None,
    retry_delay_seconds: RetryDelays = None,
    *,
    retry_jitter_factor: float | None = None,
    retry_on: ErrorClasses | None = None,
    give_up_on: ErrorClasses | None = None,
    retry_condition_fn: Callable[..., Any] | None = None,
) -> RetryPolicy | None:
    """Check the retry arguments of a task or flow and make them one value; None where there are no retries.

    Raises:
        TypeError: An argument has a type that it cannot have.
        ValueError: More than 50 delays, or a negative number.

    Example:
        >>> retry_policy(3, [1, 10]).delay(2)
        10.0
    """
    count = _retries(retries)
    if retry_condition_fn is not None and not callable(retry_condition_fn):
        raise TypeError(f"retry_condition_fn must be a function, not {retry_condition_fn!r}.")
    policy = RetryPolicy(
        retries=count,
        delays=retry_delays(count, retry_delay_seconds),
        jitter=_jitter(retry_jitter_factor),
        retry_on=None if retry_on is None else _error_classes("retry_on", retry_on),
        give_up_on=() if give_up_on is None else _error_classes("give_up_on", give_up_on),
        condition=retry_condition_fn,
    )
    return policy if count else None


def retry_delays(retries: int, retry_delay_seconds: RetryDelays) -> tuple[float, ...]:
    """Return the seconds before each retry, from a number, a list, or a function of the number of retries."""
    delays: Any = retry_delay_seconds
    if callable(delays):
        delays = delays(retries)
    if delays is None:
        return ()
    given: list[Any] = list(cast("list[Any]", delays)) if isinstance(delays, list | tuple) else [delays]
    if len(given) > MOST_DELAYS:
        raise ValueError(f"retry_delay_seconds has {len(given)} delays; there can be {MOST_DELAYS} at most.")
    for delay in given:
        if not _is_number(delay):
            raise TypeError(
                f"retry_delay_seconds must be a number of seconds, a list of numbers, or a function of the "
                f"number of retries that returns one of these; it is or holds {delay!r}."
            )
        if not 0 <= delay < float("inf"):
            raise ValueError(f"retry_delay_seconds must not be negative or endless; it is or holds {delay!r}.")
    return () if not any(given) else tuple(map(float, given))


def delay_for(
    retries_done: int,
    delays: Sequence[float],
    jitter: float | None,
    random: Random | None = None,
) -> float:
    """Return the seconds to wait before a retry, drawn at random if there is a jitter.

    With jitter f a delay d is drawn evenly from d - d*f to d + d*f: it is d on average. A factor above 1
    counts as 1, since no delay is negative.
    """
    if not delays:
        return 0.0
    delay = delays[min(retries_done, len(delays) - 1)]
    if not jitter:
        return delay
    spread = delay * min(jitter, 1.0)
    return (random or _system_random()).uniform(delay - spread, delay + spread)


@cache
def _system_random() -> Random:
    """Return randomness of the system: seeds of users do not matter, forks do not repeat each other."""
    from random import SystemRandom

    return SystemRandom()


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return a function for `retry_delay_seconds`: delays from `backoff_factor` on, each twice the last.

    Example:
        >>> exponential_backoff(10)(4)
        [10, 20, 40, 80]
    """
    if not _is_number(backoff_factor):
        raise TypeError(f"backoff_factor must be a number of seconds, not {backoff_factor!r}.")
    if backoff_factor < 0:
        raise ValueError(f"backoff_factor must not be negative; it is {backoff_factor!r}.")

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(min(retries, MOST_DELAYS))]

    return delays


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _retries(retries: Any) -> int:
    if retries is None:
        return 0
    if not isinstance(retries, int) or isinstance(retries, bool):
        raise TypeError(f"retries must be a whole number, not {retries!r}.")
    if retries < 0:
        raise ValueError(f"retries must not be negative; it is {retries}.")
    return retries


def _jitter(factor: Any) -> float | None:
    if factor is None:
        return None
    if not _is_number(factor):
        raise TypeError(f"retry_jitter_factor must be a number, not {factor!r}.")
    if not factor >= 0:
        raise ValueError(f"retry_jitter_factor must not be negative; it is {factor!r}.")
    return float(factor)


def _error_classes(name: str, given: Any) -> tuple[type[BaseException], ...]:
    several = isinstance(given, tuple | list | set | frozenset)
    classes: tuple[Any, ...] = tuple(cast("tuple[Any, ...]", given)) if several else (given,)
    for class_ in classes:
        if not (isinstance(class_, type) and issubclass(class_, BaseException)):
            raise TypeError(f"{name} must be an exception class or several; it is or holds {class_!r}.")
    return classes
