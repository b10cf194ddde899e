"""Inputs of a run: waiting for them, deciding by them whether it may start, and putting their results in place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from dalsegno._engine import inputs
from dalsegno._engine.annotations import quote
from dalsegno._engine.context import Scope
from dalsegno._engine.fingerprint import fingerprint
from dalsegno._engine.futures import RunFuture, is_input
from dalsegno._engine.replaying import adopt_waiting_row
from dalsegno._engine.runs import COMPLETED, PENDING, TaskRun, now
from dalsegno._engine.states import MISSING, State, state_result
from dalsegno._engine.steps import Step, WaitFor
from dalsegno._engine.triggering import Verdict, evaluate
from dalsegno.exceptions import DalsegnoException

if TYPE_CHECKING:
    from dalsegno._engine.lineage import Replay
    from dalsegno._engine.replay import ReplayIndex
    from dalsegno._engine.task_life import TaskExecution

WAIT_FOR = "wait_for"
_COLLECTIONS = frozenset({list, tuple, set, dict})


def upstreams(x: TaskExecution, extra: Mapping[str, Any] | None = None) -> list[inputs.Found]:
    """Return the futures and States that a call depends on: in its arguments, then in `extra`, then in `wait_for`."""
    found = list(x.scan.found) if x.scan is not None else []
    if extra:
        found += inputs.find_inputs(extra, is_input)
    if x.wait_for:
        found += inputs.find_inputs({WAIT_FOR: x.wait_for}, is_input)
    return found


def futures_of(found: Iterable[inputs.Found]) -> list[RunFuture[Any]]:
    """Return the futures among inputs; the rest are States."""
    return [cast("RunFuture[Any]", f.item) for f in found if isinstance(f.item, RunFuture)]


def pending(found: Iterable[inputs.Found]) -> list[RunFuture[Any]]:
    """Return the futures that are not done, each once."""
    waiting = {id(future): future for future in futures_of(found) if not future.done}
    return list(waiting.values())


def refuse_deadlock(found: Iterable[inputs.Found], scope: Scope | None) -> None:
    """Raise ValueError if a call would wait for a run in whose body it stands."""
    above: set[int] = set()
    while scope is not None:
        above.add(id(scope.task_run or scope.flow_run))
        scope = getattr(scope, "parent", None)
    for future in futures_of(found):
        if id(future.run) in above:
            raise ValueError(
                f"{future.run.name!r} waits for a run that waits for it: that is a deadlock. "
                "Take its future out of the arguments or of wait_for."
            )


def settle_inputs(x: TaskExecution) -> Generator[Step, Any, bool]:
    """Wait for the inputs and put their results in place. False: the run may not start, and its state says why."""
    found = upstreams(x)
    waiting = pending(found)
    if waiting:
        yield WaitFor(waiting)
    note_upstreams(x.run, found)
    if not may_start(x, found):
        return False
    # The fingerprint is of the arguments as they were given: futures count as their executions.
    stamp_inputs(x)
    if x.scan is not None:
        allow = x.task.trigger is not None
        x.parameters = inputs.replace_parameters(x.parameters, x.scan, is_input, resolver(allow))
    return True


def note_upstreams(run: TaskRun, found: Iterable[inputs.Found]) -> None:
    """Note which runs a call depends on."""
    executions = [(f.parameter, identity(f.item)) for f in found]
    run.upstream = [(name, execution[:16]) for name, execution in executions if execution is not None] or None


def may_start(x: TaskExecution, found: list[inputs.Found]) -> bool:
    """Decide by the upstreams' states; bring the run to Skipped or NotReady if it may not run."""
    judged = [(_name(f.item), _state(f.item)) for f in found if not f.allow_failure]
    if x.task.trigger is None and all(s.is_completed() and s.name != "Skipped" for _, s in judged):
        return True
    decision = evaluate(x.task.trigger, judged)
    if decision.kind is Verdict.RUN:
        return True
    run = x.run
    if decision.kind is Verdict.SKIP:
        entry = (COMPLETED, now(), "Skipped", decision.message)
        run.end_time_us = entry[1]
        run.value = MISSING
    else:
        entry = (PENDING, now(), "NotReady", decision.message)
    if x.flow_scope is not None and x.flow_scope.replay is not None:
        adopt_waiting_row(x, x.flow_scope.replay)
    run.history.append(entry)
    run.touch()
    return False


def stamp_inputs(x: TaskExecution) -> None:
    """Note which results are passed on by hand, and the fingerprint of the arguments."""
    run = x.run
    if not x.session.links.is_empty:
        _note_links(x)
    if x.flow_scope is not None:
        made = fingerprint(x.parameters, lambda value: identity_here(x, value), x.session.fingerprint_cap)
        run.fingerprint = made.digest
        replay = x.flow_scope.replay
        if replay is not None:
            run.sought = (made.digest, *(_sought_in(x, replay, elder) for elder in replay.elders))
        if made.digest is None and made.reason is not None:
            x.session.note_unmatchable(run, made.reason)


def _note_links(x: TaskExecution) -> None:
    links, run = x.session.links, x.run
    # What depends on a run that runs again must be found, also where that is deep in an argument.
    deep = x.flow_scope is not None and x.flow_scope.replay is not None and x.flow_scope.replay.reruns
    for name, value in x.parameters.items():
        origin = links.find(value)
        if origin is not None:
            if run.upstream is None:
                run.upstream = []
            run.upstream.append((name, origin[0]))
        elif type(value) in _COLLECTIONS or deep:
            origins = links.find_in(value, deep=deep)
            if origins:
                run.upstream = [*(run.upstream or ()), *((name, id_) for id_ in origins)]


def _sought_in(x: TaskExecution, replay: Replay, elder: ReplayIndex) -> bytes | None:
    made = fingerprint(
        x.parameters, lambda value: replay.known_as(elder, identity_here(x, value)), x.session.fingerprint_cap
    )
    return made.digest


def identity(value: Any) -> bytes | None:
    """Return the execution that a future or a State is of."""
    return value.execution_id if isinstance(value, (RunFuture, State)) else None


def identity_here(x: TaskExecution, value: Any) -> bytes | None:
    """Return the execution that a future, a State, or a large result that is passed on by hand, is of.

    What is passed on by hand may have been changed on its way: it counts together with the source of the body that
    it is passed on in.
    """
    execution = identity(value)
    if execution is None:
        origin = x.session.links.find(value)
        if origin is not None:
            execution = origin[1] + (x.caller.definition.source_hash or "").encode()
    return execution


def resolver(allow_all: bool = False) -> Callable[[Any, bool], Any]:
    """Return a function that gives the result of an input, or its exception where that is allowed."""

    def resolve(item: Any, allow_failure: bool) -> Any:
        state = _state(item)
        if allow_failure or allow_all:
            try:
                return state_result(state, raise_on_failure=False)
            except DalsegnoException as error:
                return error
        return state_result(state)

    return resolve


class Returned:
    """What a body returned, where it holds futures or States."""

    def __init__(self, value: Any, found: list[inputs.Found]) -> None:
        self.value = value
        self.pending = pending(found)

    def resolve(self) -> Any:
        """Return the value with the final State in place of each future."""
        return inputs.replace_inputs(self.value, is_input, lambda item, _: _state(item))


def returned_states(value: Any) -> Returned | None:
    """Look for futures and States in what a body returned; None if there are none."""
    if isinstance(value, quote):
        return None
    found = inputs.find_inputs({"return": value}, is_input)
    return Returned(value, found) if found else None


def unquoted(value: Any) -> Any:
    """Return a plain return value without the mark that kept it from being looked into."""
    return cast("Any", value).value if type(value) is quote else value


def _state(item: Any) -> State[Any]:
    return cast("State[Any]", item.state if isinstance(item, RunFuture) else item)


def _name(item: Any) -> str:
    if isinstance(item, RunFuture):
        return cast("Any", item.run).name
    task_run_id = item.state_details.task_run_id
    return f"{item.name} state" if task_run_id is None else f"run {task_run_id}"
