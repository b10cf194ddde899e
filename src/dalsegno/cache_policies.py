"""Cache policies: from what a task run's cache key is made, that is when an earlier result answers a call."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dalsegno.exceptions import HashError

if TYPE_CHECKING:
    from typing import Self

_LARGEST_INPUT = 1024 * 1024 * 1024


@dataclass
class CachePolicy:
    """How cache keys are made. Policies are never changed: `+`, `-` and `configure` give new ones.

    Derive from it and define `compute_key` for one of your own.

    Example:
        >>> @task(cache_policy=INPUTS + TASK_SOURCE)
        ... def clean(orders): ...
    """

    key_storage: Any = None
    """Folder or fsspec URL for the cached records. None: the database."""
    isolation_level: Any = None
    """A `transactions.IsolationLevel`. SERIALIZABLE: one run at a time computes a key, others wait for it."""
    lock_manager: Any = None
    """A `locking.protocol.LockManager`, which SERIALIZABLE needs."""

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: Callable[[Any, dict[str, Any]], str | None]) -> CacheKeyFnPolicy:
        """Return a policy whose key is what a function of (context, parameters) returns."""
        return CacheKeyFnPolicy(cache_key_fn=cache_key_fn)

    def configure(self, key_storage: Any = None, lock_manager: Any = None, isolation_level: Any = None) -> Self:
        """Return a copy in which what is given is set."""
        configured = copy.copy(self)
        given = {"key_storage": key_storage, "lock_manager": lock_manager, "isolation_level": isolation_level}
        for name, value in given.items():
            if value is not None:
                setattr(configured, name, value)
        return configured

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the key of a task run; None: it is not cached. Raises HashError if an input cannot be
        hashed.

        `task_ctx` has the `task`, and `task_run`; `run_id=` in `kwargs` is the flow run's id, where there is
        one.
        """
        raise TypeError(f"{type(self).__name__} does not say how its keys are made: define compute_key in it.")

    def __add__(self, other: CachePolicy) -> CachePolicy:
        """Return a policy whose key is made from the keys of both; ValueError if they are configured
        differently.
        """
        if not isinstance(other, CachePolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"A cache policy can be added to another one, not to {other!r}.")
        if isinstance(other, NoCache):
            return self
        if isinstance(self, NoCache):
            return other
        configuration = {name: _common(name, self, other) for name in _CONFIGURATION}
        return CompoundCachePolicy(policies=[*_parts(self), *_parts(other)], **configuration)

    def __sub__(self, other: str) -> CachePolicy:
        """Return a policy that leaves out the input of this name; a policy that looks at no inputs stays as
        it is.
        """
        if not isinstance(other, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"The name of an input can be taken from a cache policy, not {other!r}.")
        return self


_CONFIGURATION = ("key_storage", "isolation_level", "lock_manager")


@dataclass
class CacheKeyFnPolicy(CachePolicy):
    """The key is what a function of (context, parameters) returns; None: not cached."""

    cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return what the function returns."""
        return None if self.cache_key_fn is None else self.cache_key_fn(task_ctx, inputs)


@dataclass
class CompoundCachePolicy(CachePolicy):
    """The key is made from the keys of several policies, in whatever order they are added."""

    policies: list[CachePolicy] = field(default_factory=list[CachePolicy])

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return a hash of the keys that there are; None if there are none."""
        parts: list[str] = []
        for policy in self.policies:
            key = policy.compute_key(task_ctx, inputs, flow_parameters, **kwargs)
            if key is not None:
                parts.append(f"{type(policy).__qualname__}:{len(key)}:{key}")
        return _digest("".join(sorted(parts)).encode("utf-8", "surrogatepass")) if parts else None

    def __sub__(self, other: str) -> CachePolicy:
        """Return a policy in which no part looks at the input of this name."""
        changed = copy.copy(self)
        changed.policies = [policy - other for policy in self.policies]
        return changed


@dataclass
class NoCache(CachePolicy):
    """There is no key: nothing is cached."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return None."""
        return None


@dataclass
class TaskSource(CachePolicy):
    """The source of the task's function: a change of the code, comments aside, is another key."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the hash of the source."""
        from dalsegno._engine.sources import source_hash, task_key

        function = task_ctx.task.fn
        return source_hash(function) or task_key(function)


@dataclass
class FlowParameters(CachePolicy):
    """The parameters of the flow run that the task runs in."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the hash of the flow's parameters; None if there are none."""
        return hash_objects(flow_parameters) if flow_parameters else None


@dataclass
class RunId(CachePolicy):
    """The flow run, so that a key is good for that run only; outside of flows the task run."""

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the run's id."""
        run_id = kwargs.get("run_id") or _run_id(task_ctx)
        return None if run_id is None else str(run_id)


@dataclass
class Inputs(CachePolicy):
    """The names and values of the task's arguments, less those that are excluded."""

    exclude: Sequence[str] = ()

    def compute_key(
        self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """Return the hash of the arguments; None if there are none. Raises HashError."""
        kept = {name: value for name, value in inputs.items() if name not in self.exclude}
        return hash_objects(kept) if kept else None

    def __sub__(self, other: str) -> CachePolicy:
        """Return a policy that leaves out one more input."""
        super().__sub__(other)
        changed = copy.copy(self)
        changed.exclude = [*self.exclude, other]
        return changed


def hash_objects(values: Mapping[str, Any]) -> str:
    """Return a hash (32 hex digits) of named values by their content.

    It is the same in every process, whatever the order of dicts and sets. Raises HashError for what has no
    content (a lock, a connection), for what is nested too deeply, and over 1 GiB.
    """
    from dalsegno._engine.canonical import CanonicalWriter, TooLarge, Unserializable

    hasher = hashlib.blake2b(digest_size=16)
    for name in sorted(values):
        writer = CanonicalWriter(lambda value: None, _LARGEST_INPUT)
        writer.in_object = True  # what would count by its type is refused
        try:
            writer.write(name)
            writer.write(values[name])
        except (Unserializable, TooLarge, RecursionError) as error:
            kind, reason = type(values[name]).__qualname__, _REASONS.get(type(error).__name__, _DEEP)
            raise HashError(
                f"No cache key can be made: argument {name!r} of type {kind} cannot be hashed,"
                f" since {reason}. Leave it out (policy - {name!r}), or give a cache_key_fn."
            ) from None
        hasher.update(writer.out)
    return hasher.hexdigest()


_REASONS = {
    "Unserializable": "something in it cannot be serialized",
    "TooLarge": "it is larger than 1 GiB",
}
_DEEP = "it is nested too deeply"


def task_input_hash(context: Any, arguments: dict[str, Any]) -> str | None:
    """Return a hash of the task, its source and its arguments: for `cache_key_fn`. Raises HashError.

    Example:
        >>> @task(cache_key_fn=task_input_hash, cache_expiration=timedelta(days=1))
        ... def clean(orders): ...
    """
    from dalsegno._engine.sources import source_hash, task_key

    function = context.task.fn
    named = f"{task_key(function)}:{source_hash(function)}:{hash_objects(arguments)}"
    return _digest(named.encode("utf-8", "surrogatepass"))


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _parts(policy: CachePolicy) -> list[CachePolicy]:
    return policy.policies if isinstance(policy, CompoundCachePolicy) else [policy]


def _common(name: str, first: CachePolicy, second: CachePolicy) -> Any:
    """Return the setting that two policies have in common. Raises ValueError if they contradict."""
    one, other = getattr(first, name), getattr(second, name)
    if one is not None and other is not None and one != other:
        raise ValueError(
            f"These cache policies cannot be added: their {name} differs ({one!r} and {other!r})."
            " Configure the sum instead of its parts."
        )
    return other if one is None else one


def _run_id(task_ctx: Any) -> Any:
    task_run = getattr(task_ctx, "task_run", None)
    return getattr(task_run, "flow_run_id", None) or getattr(task_run, "id", None)


INPUTS = Inputs()
NO_CACHE = NONE = NoCache()
TASK_SOURCE = TaskSource()
FLOW_PARAMETERS = FlowParameters()
RUN_ID = RunId()
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
