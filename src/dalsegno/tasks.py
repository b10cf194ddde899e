"""Tasks: functions that a flow calls, each call of which is recorded, retried, cached and picked up.

What happens when one is called is `dalsegno._engine.calling.call_task`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Concatenate, Literal, ParamSpec, TypedDict, TypeVar, overload

from dalsegno._backend.connect import connect
from dalsegno._engine import calling, map_calls, naming, unstarted
from dalsegno._engine.awaiting import awaited_in_coroutines
from dalsegno._engine.definitions import task_definition
from dalsegno._engine.futures import Future, FutureList
from dalsegno._engine.options import NotSet, check_hooks, check_tags, check_timeout, not_set
from dalsegno._engine.retrying import RetryDelays, exponential_backoff, retry_policy
from dalsegno._engine.runs import TaskRun
from dalsegno._engine.states import State
from dalsegno._engine.triggering import check_trigger
from dalsegno.background import BackgroundCalls
from dalsegno.model.records import TaskDefinition
from dalsegno.settings import get_current_settings

__all__ = ["Task", "TaskOptions", "exponential_backoff", "task", "task_input_hash"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
S = TypeVar("S")

S2 = ParamSpec("S2")

Hook = Callable[..., Any]
HOOK_KINDS = (
    "on_running",
    "on_completion",
    "on_failure",
    "on_cancellation",
    "on_crashed",
    "on_commit",
    "on_rollback",
)


class TaskOptions(TypedDict, total=False):
    """The options of `Task.with_options`, for functions that pass them on."""

    name: str
    description: str
    tags: Iterable[str]
    cache_policy: Any
    cache_key_fn: Callable[..., str | None] | None
    cache_expiration: timedelta | None
    task_run_name: Any
    retries: int | None
    retry_delay_seconds: RetryDelays
    retry_jitter_factor: float | None
    retry_condition_fn: Callable[..., Any] | None
    retry_on: Any
    give_up_on: Any
    persist_result: bool | None
    result_storage: Any
    result_storage_key: str | None
    result_serializer: Any
    cache_result_in_memory: bool
    timeout_seconds: float | None
    log_prints: bool | None
    refresh_cache: bool | None
    trigger: Any
    fallback: Any
    state_handlers: Sequence[Hook] | None
    on_running: Sequence[Hook] | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_cancellation: Sequence[Hook] | None
    on_crashed: Sequence[Hook] | None
    task_runner: Any
    durable: bool
    resources: dict[str, float] | None
    viz_return_value: Any


class Task(BackgroundCalls[P, R]):
    """A task; made by the decorator `task`. `fn` is the function itself.

    Raises on decoration: ReservedArgumentError, TypeError or ValueError for options that cannot be.
    """

    kind = "task"

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
        cache_policy: Any = not_set,
        cache_key_fn: Callable[..., str | None] | None = None,
        cache_expiration: timedelta | None = None,
        task_run_name: Any = None,
        retries: int | None = None,
        retry_delay_seconds: RetryDelays = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[..., Any] | None = None,
        retry_on: Any = None,
        give_up_on: Any = None,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_storage_key: str | None = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        timeout_seconds: float | None = None,
        log_prints: bool | None = None,
        refresh_cache: bool | None = None,
        trigger: Any = None,
        fallback: Any = not_set,
        state_handlers: Sequence[Hook] | None = None,
        on_running: Sequence[Hook] | None = None,
        on_completion: Sequence[Hook] | None = None,
        on_failure: Sequence[Hook] | None = None,
        on_cancellation: Sequence[Hook] | None = None,
        on_crashed: Sequence[Hook] | None = None,
        on_commit: Sequence[Hook] | None = None,
        on_rollback: Sequence[Hook] | None = None,
        task_runner: Any = None,
        durable: bool = False,
        resources: dict[str, float] | None = None,
        viz_return_value: Any = None,
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "fn")}
        self._options: dict[str, Any] = given
        self._set_function(fn)
        self.name = naming.function_name(self.fn) if name is None else naming.check_name(name, "task")
        self.description = description if description is not None else inspect.getdoc(self.fn)
        self.tags = check_tags(tags, "task", self.name)
        self.version = version
        naming.check_run_name(task_run_name, "task")
        self.task_run_name = self.name_template = task_run_name
        self._set_retries(given)
        self.timeout_seconds = check_timeout(timeout_seconds, "task", self.name)
        self.log_prints = log_prints
        self.persist_result = persist_result
        self.result_storage = result_storage
        self.result_storage_key = result_storage_key
        self.result_serializer = result_serializer
        self.cache_result_in_memory = cache_result_in_memory
        self.cache_key_fn = cache_key_fn
        self._set_caching(cache_policy)
        self.cache_expiration = cache_expiration
        self.refresh_cache = refresh_cache
        self.trigger = check_trigger(trigger)
        self.fallback = None if fallback is not_set else fallback
        self.has_fallback = fallback is not not_set
        self._set_hooks(given)
        self.task_runner = task_runner() if isinstance(task_runner, type) else task_runner
        self.durable = durable
        self.resources = resources
        self.viz_return_value = viz_return_value
        self._definition: TaskDefinition | None = None

    def _set_retries(self, given: dict[str, Any]) -> None:
        defaults = get_current_settings().tasks
        self.retries: int = defaults.default_retries if given["retries"] is None else given["retries"]
        delays = given["retry_delay_seconds"]
        self.retry_delay_seconds: Any = defaults.default_retry_delay_seconds if delays is None else delays
        self.retry_jitter_factor = given["retry_jitter_factor"]
        self.retry_condition_fn = given["retry_condition_fn"]
        self.retry = retry_policy(
            self.retries,
            self.retry_delay_seconds,
            retry_jitter_factor=self.retry_jitter_factor,
            retry_condition_fn=self.retry_condition_fn,
            retry_on=given["retry_on"],
            give_up_on=given["give_up_on"],
        )

    def _set_caching(self, policy: Any) -> None:
        """Decide on the policy; whatever says how results are kept turns keeping them on."""
        chosen = None if isinstance(policy, NotSet) else policy
        if chosen is not None:
            from dalsegno.cache_policies import NoCache

            chosen = None if isinstance(chosen, NoCache) else chosen
        if self.cache_key_fn is not None:
            from dalsegno.cache_policies import CacheKeyFnPolicy

            if chosen is not None:
                warnings.warn(
                    f"Task {self.name!r} has both cache_key_fn and cache_policy: cache_key_fn is used.", stacklevel=4
                )
            chosen = CacheKeyFnPolicy(cache_key_fn=self.cache_key_fn)
        if chosen is not None and self.persist_result is False:
            warnings.warn(
                f"Task {self.name!r} has a cache policy and persist_result=False: nothing is cached.", stacklevel=4
            )
            chosen = None
        self.cache_policy = chosen
        keeps = chosen or self.result_storage or self.result_serializer or self.result_storage_key
        if self.persist_result is None and keeps:
            self.persist_result = True
        self.caches = bool(self.persist_result) and (chosen is not None or self.result_storage_key is not None)

    def _set_hooks(self, given: Mapping[str, Any]) -> None:
        super()._set_hooks(given)
        self.on_commit_hooks = check_hooks("on_commit", given["on_commit"])
        self.on_rollback_hooks = check_hooks("on_rollback", given["on_rollback"])

    @property
    def hooks(self) -> dict[str, tuple[Hook, ...]]:
        """All hooks, by the name of their option."""
        return {kind: getattr(self, f"{kind}_hooks") for kind in HOOK_KINDS}

    # --- what the engine asks

    @property
    def definition(self) -> TaskDefinition:
        """What is recorded of the task itself; reads its source once."""
        if self._definition is None:
            self._definition = task_definition(self.fn, self.name, self.version, self.tags)
        return self._definition

    @property
    def task_key(self) -> str:
        """What names the task across edits: module and qualified name of its function."""
        return self.definition.key

    def render_run_name(self, parameters: dict[str, Any]) -> str:
        """Return the name of a run from the template."""
        return naming.render_run_name(self.name_template, parameters, "task")

    # --- calling

    # Arguments are checked against the function's signature; with `return_state` or `wait_for` they cannot be, since
    # no type can say "these, and one more keyword".
    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(
        self: Task[..., Coroutine[Any, Any, S]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = None,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State[S]]: ...
    @overload
    def __call__(self, *args: Any, return_state: Literal[True], wait_for: Any = None, **kwargs: Any) -> State[R]: ...
    @overload
    def __call__(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> R: ...
    def __call__(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the task here and now and give what its function returns; a coroutine if that is async.

        Args:
            return_state: Give the final State instead; a failure of the body is then not raised.
            wait_for: Futures and States that must have completed before.

        Raises:
            ParameterBindError: The arguments do not fit the function's signature; nothing runs.
            UpstreamFailed: An input did not complete, so that the task did not run.

        Example:
            >>> clean(orders)
        """
        return calling.call_task(self, args, kwargs, return_state, wait_for, connect)

    @overload
    def submit(self: Task[P, Coroutine[Any, Any, S]], *args: P.args, **kwargs: P.kwargs) -> Future[S]: ...
    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...
    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, S]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Any = None,
        **kwargs: Any,
    ) -> State[S]: ...
    @overload
    def submit(self, *args: Any, return_state: Literal[True], wait_for: Any = None, **kwargs: Any) -> State[R]: ...
    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, S]], *args: Any, wait_for: Iterable[Any], **kwargs: Any
    ) -> Future[S]: ...
    @overload
    def submit(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> Future[R]: ...
    def submit(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Have the flow's task runner run the task, and give a future at once.

        Futures among the arguments are waited for by the task, not here. With ``return_state=True`` this waits and
        gives the final State. Raises RuntimeError outside of flows.

        Example:
            >>> future = revenue.submit("FI", orders)
        """
        future = calling.submit_task(self, self.plan.bind(args, kwargs), wait_for, connect)
        if return_state:
            future.wait()
            return future.state
        return future

    @overload
    def map(self: Task[P, Coroutine[Any, Any, S]], *args: Any, **kwargs: Any) -> FutureList[S]: ...
    @overload
    def map(self: Task[P, R], *args: Any, **kwargs: Any) -> FutureList[R]: ...
    def map(
        self,
        *args: Any,
        return_state: bool = False,
        wait_for: Any = None,
        deferred: bool = False,
        max_in_flight: int | None = None,
        chunk_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Submit one run for each item of the iterable arguments, which are gone through side by side.

        Texts, bytes, what is no iterable, what is `unmapped` and what is left to its default are the same for all.

        Args:
            return_state: Wait, and give a list of final States.
            wait_for: What all runs wait for.
            deferred: Have them run in the background, as `delay` does, and give `DistributedFuture`s.
            max_in_flight: At most so many runs are under way: the iterables may be endless generators, of which
                no more is taken than is needed. The call then returns when all have been submitted.
            chunk_size: So many items are handed to the task runner as one unit, and done one after another in one
                thread, or in one process by one message: for very many tiny items. A unit begins when the inputs of
                all its items are there. Each item has its run, record, retries and future all the same. Coroutines
                share a loop in any case.

        Raises:
            MappingLengthMismatch: The iterables differ in length.
            MappingMissingIterable: There is none.

        Example:
            >>> totals = revenue.map(["FI", "SE"], unmapped(orders)).result()
        """
        given = self.plan.bind_given(args, kwargs)
        futures = map_calls.submit_all(
            self.plan,
            given,
            lambda children: (
                self._later(children, wait_for) if deferred else calling.submit_chunk(self, children, wait_for, connect)
            ),
            max_in_flight,
            chunk_size,
        )
        if return_state:
            futures.wait()
            return [future.state for future in futures]
        return futures

    # --- runs that do not begin here

    @awaited_in_coroutines
    def create_run(
        self,
        client: Any = None,
        id: Any = None,
        parameters: Mapping[str, Any] | None = None,
        flow_run_context: Any = None,
        parent_task_run_context: Any = None,
        wait_for: Iterable[Any] | None = None,
        extra_task_inputs: Mapping[str, Iterable[Any]] | None = None,
        deferred: bool = False,
    ) -> TaskRun:
        """Record a run of the task in state Pending, without running anything, and return it.

        Args:
            client: Not needed and not used.
            id: The run's id, a UUIDv7; a new one by default.
            parameters: By name; what is missing stays so.
            flow_run_context, parent_task_run_context: The run that it stands below; by default the caller's. Outside
                of runs it stands by itself.
            wait_for, extra_task_inputs: Futures and States (the latter by name) that are recorded as its upstreams,
                beside those in the parameters.
            deferred: It is Scheduled, in place of Pending.

        Example:
            >>> run = clean.create_run(parameters={"orders": orders})
            >>> run.state.name
            'Pending'
        """
        scope = parent_task_run_context or flow_run_context
        return unstarted.record_task_run(
            unstarted.make_task_run(
                self,
                parameters,
                connect,
                id=id,
                scope=scope,
                wait_for=wait_for,
                extra_task_inputs=extra_task_inputs,
                deferred=deferred,
            )
        )

    @awaited_in_coroutines
    def create_local_run(
        self,
        client: Any = None,
        id: Any = None,
        parameters: Mapping[str, Any] | None = None,
        flow_run_context: Any = None,
        parent_task_run_context: Any = None,
        wait_for: Iterable[Any] | None = None,
        extra_task_inputs: Mapping[str, Iterable[Any]] | None = None,
        deferred: bool = False,
    ) -> TaskRun:
        """Return a run as `create_run` does, but do not record it."""
        scope = parent_task_run_context or flow_run_context
        return unstarted.make_task_run(
            self,
            parameters,
            connect,
            id=id,
            scope=scope,
            wait_for=wait_for,
            extra_task_inputs=extra_task_inputs,
            deferred=deferred,
        )

    # --- variants

    def with_options(self, **options: Any) -> Task[P, R]:
        """Return a task like this one with other options; what is not given is kept.

        Takes the options of the decorator, except `version` and the hooks of transactions.

        Example:
            >>> clean.with_options(retries=3, name="clean again")(orders)
        """
        unknown = options.keys() - TaskOptions.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"with_options of the task {self.name!r} has no option {', '.join(sorted(map(repr, unknown)))}; "
                f"it has {', '.join(TaskOptions.__annotations__)}."
            )
        current: dict[str, Any] = {**self._options, **self.hooks, "tags": self.tags}
        options = {key: value for key, value in options.items() if not isinstance(value, NotSet)}
        if "cache_key_fn" in options and "cache_policy" not in options:
            current["cache_policy"] = not_set
        fn: Any = self.fn if self._wrapper is None else self._wrapper(self.fn)
        new: Task[P, R] = type(self)(fn, **{**current, **options})
        new.bound_to = self.bound_to
        return new

    def on(self, runner: Any) -> Task[P, R]:
        """Return a task like this one that runs on another runner than the rest of its flow.

        Example:
            >>> heavy.on(ProcessPoolTaskRunner()).submit(rows)
        """
        return self.with_options(task_runner=runner)

    @overload
    def __get__(self, instance: None, owner: type) -> Task[P, R]: ...
    @overload
    def __get__(self: Task[Concatenate[Any, S2], R], instance: object, owner: type) -> Task[S2, R]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        """Bind to an instance or class, as functions do."""
        bound = self._bound(instance, owner)
        if bound is not self:
            bound._definition = self.definition
        return bound

    # --- hooks by decorator

    def on_commit(self, fn: Hook) -> Hook:
        """Add a hook for when the transaction commits: ``fn(transaction)``; use it as a decorator."""
        self.on_commit_hooks = (*self.on_commit_hooks, *check_hooks("on_commit", [fn]))
        return fn

    def on_rollback(self, fn: Hook) -> Hook:
        """Add a hook for when the transaction rolls back: ``fn(transaction)``; use it as a decorator."""
        self.on_rollback_hooks = (*self.on_rollback_hooks, *check_hooks("on_rollback", [fn]))
        return fn


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    cache_policy: Any = ...,
    cache_key_fn: Callable[..., str | None] | None = None,
    cache_expiration: timedelta | None = None,
    task_run_name: Any = None,
    retries: int | None = None,
    retry_delay_seconds: RetryDelays = None,
    retry_jitter_factor: float | None = None,
    retry_condition_fn: Callable[..., Any] | None = None,
    retry_on: Any = None,
    give_up_on: Any = None,
    persist_result: bool | None = None,
    result_storage: Any = None,
    result_storage_key: str | None = None,
    result_serializer: Any = None,
    cache_result_in_memory: bool = True,
    timeout_seconds: float | None = None,
    log_prints: bool | None = None,
    refresh_cache: bool | None = None,
    trigger: Any = None,
    fallback: Any = ...,
    state_handlers: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_cancellation: Sequence[Hook] | None = None,
    on_crashed: Sequence[Hook] | None = None,
    on_commit: Sequence[Hook] | None = None,
    on_rollback: Sequence[Hook] | None = None,
    task_runner: Any = None,
    durable: bool = False,
    resources: dict[str, float] | None = None,
    viz_return_value: Any = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(fn: Any = None, /, **options: Any) -> Any:
    """Make a task of a function. Works bare and with arguments.

    Args:
        name: By default the function's name.
        tags: Belong to each run of the task, beside those of ``with tags(...)``.
        retries: How often a failed body runs again.
        retry_delay_seconds: A number, a list of numbers (the last repeats), or a function of the number of retries
            that gives a list, such as ``exponential_backoff(10)``.
        retry_jitter_factor: Draws each delay at random, never above ``delay * (1 + factor)``.
        retry_condition_fn: ``fn(task, task_run, state) -> bool``, asked after each failure.
        retry_on, give_up_on: Exception classes that are retried, or are not.
        timeout_seconds: The body is ended after so long; the state is then TimedOut.
        trigger: When the task may run, by the states of its upstreams; see `dalsegno.triggers`.
        fallback: A value, or ``fn(exception, parameters)``, that stands in for a final failure.
        cache_policy, cache_key_fn, cache_expiration, refresh_cache: Caching across runs; see
            `dalsegno.cache_policies`.
        persist_result: Whether the result is kept, so that a retried run need not compute it again; by default it is.
        result_storage, result_storage_key, result_serializer: Where and how.
        task_run_name: A template over the parameters (``"clean {day}"``), or a function that returns a name.
        log_prints: Whether `print` writes to the run's log; by default as the flow does.
        durable: Whether the flow goes on only once this task's completion is on disk.
        task_runner: Runs this task elsewhere than the rest of its flow.
        state_handlers: ``fn(task, old_state, new_state) -> State | None``, called at each change.
        on_running, on_completion, on_failure, on_cancellation, on_crashed: Hooks, ``fn(task, task_run, state)``.
        on_commit, on_rollback: Hooks of its transaction, ``fn(transaction)``.

    Example:
        >>> @task(retries=3, retry_delay_seconds=2)
        ... def extract(day: str) -> list[dict]: ...
    """
    if fn is None:
        return partial(Task[..., Any], **options)
    return Task(fn, **options)


def task_input_hash(context: Any, arguments: dict[str, Any]) -> str | None:
    """Return a cache key made of the task and its inputs; for ``cache_key_fn=task_input_hash``."""
    from dalsegno.cache_policies import task_input_hash as make

    return make(context, arguments)
