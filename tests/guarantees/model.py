"""A plain model of replay: runs a program, given as data, over and over, and says which bodies must run.

It imports nothing but the standard library. What a call is worth, when it may start, which record answers it and
what becomes of the record is said here a second time, without threads, databases or serialization.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# --- programs


@dataclass(frozen=True)
class Const:
    """A number that is written in the source."""

    value: int


class How(enum.Enum):
    """How the result of an earlier step is passed on."""

    AS_IT_IS = "as it is"  # a value by hand, a future as a future
    VALUE = "value"  # a future's result, waited for and passed on by hand
    ALLOWED = "allowed"  # a future whose failure does not matter


@dataclass(frozen=True)
class Ref:
    """The result of an earlier step of the same body."""

    step: int
    how: How = How.AS_IT_IS


@dataclass(frozen=True)
class Listed:
    """A list of arguments as one argument."""

    items: tuple[Const | Ref, ...]


Arg = Const | Ref | Listed


class Kind(enum.Enum):
    """What a step does."""

    CALL = "call"
    TRY = "try"  # a call whose failure is caught; its value is then FAILED_VALUE
    SUBMIT = "submit"
    MAP = "map"
    KILL = "kill"  # here the process may be killed


@dataclass(frozen=True)
class Step:
    """One statement of a body; `id` is its identity across edits."""

    id: int
    kind: Kind
    callee: str = ""
    args: tuple[Arg, ...] = ()


@dataclass(frozen=True)
class Function:
    """A task or a flow: some steps, and then a number made of its constant, its arguments and what the steps gave."""

    name: str
    is_flow: bool = False
    constant: int = 0
    steps: tuple[Step, ...] = ()
    retries: int = 0
    kept: bool = True


Program = Mapping[str, Function]
MAIN = "main"
FAILED_VALUE = -1


@dataclass(frozen=True)
class Plan:
    """What goes wrong. A round is one run of the body of `main`, counted from 1."""

    failing: frozenset[tuple[int, str, int]] = frozenset()
    """(round, name, parity): bodies of this name whose value has this parity raise."""
    flaky: frozenset[str] = frozenset()
    """Bodies of these names raise in the first run of each record."""
    kills: frozenset[tuple[int, str]] = frozenset()
    """(round, name of a function or a KILL step): the process ends there, if the main thread comes there."""

    def fails(self, round_: int, name: str, run_count: int, value: int) -> bool:
        return (name in self.flaky and run_count == 1) or (round_, name, value % 2) in self.failing


def worth(constant: int, parts: Any) -> int:
    """Return what a body gives: a number that depends on all of its parts and their order."""
    total = constant
    for part in _flat(parts):
        total = (total * 31 + part + 7) % 9973
    return total + 1000


def _flat(parts: Any) -> Iterator[int]:
    for part in parts:
        if isinstance(part, list | tuple):
            yield from _flat(part)
        else:
            yield FAILED_VALUE if isinstance(part, BaseException) else part


def kill_name(step: Step) -> str:
    """Return the name under which a plan knows a KILL step."""
    return f"step {step.id}"


def without_dangling(program: Program) -> Program:
    """Put numbers in place of references to steps that are not there (any more) or come later.

    Calls that take futures get their step's number as one more argument: two calls of one task with the same
    futures are started by whichever thread is first, and are not told apart in this model.
    """
    return {name: _linked(function) for name, function in program.items()}


def _linked(function: Function) -> Function:
    known: dict[int, Step] = {}
    steps: list[Step] = []
    for step in function.steps:
        args = tuple(_link(arg, known) for arg in step.args)
        if step.kind is Kind.MAP:
            args = (Listed(_distinct(args)),)
        linked = Step(step.id, step.kind, step.callee, args)
        if takes_futures(linked, known):
            linked = Step(step.id, step.kind, step.callee, (*args, Const(step.id)))
        steps.append(linked)
        if step.kind is not Kind.KILL:
            known[step.id] = linked
    return Function(function.name, function.is_flow, function.constant, tuple(steps), function.retries, function.kept)


def _link(arg: Arg, known: Mapping[int, Step]) -> Arg:
    if isinstance(arg, Listed):
        return Listed(tuple(_link(item, known) for item in arg.items))  # type: ignore[misc]
    if isinstance(arg, Const):
        return arg
    origin = known.get(arg.step)
    if origin is None:
        return Const(arg.step)
    how = arg.how
    if how is How.ALLOWED and (origin.kind is not Kind.SUBMIT or takes_futures(origin, known)):
        how = How.AS_IT_IS
    return Ref(arg.step, how)


def _distinct(args: tuple[Arg, ...]) -> tuple[Const | Ref, ...]:
    """Return the items of a mapped list: no lists in it, and no future twice."""
    items: list[Const | Ref] = []
    for arg in args:
        inner = arg.items if isinstance(arg, Listed) else (arg,)
        items.extend(each for each in inner if isinstance(each, Const) or each not in items)
    return tuple(items)


def takes_futures(step: Step, known: Mapping[int, Step]) -> bool:
    """Tell whether a call has futures among its arguments."""
    return any(
        isinstance(ref, Ref) and ref.how is not How.VALUE and known[ref.step].kind in (Kind.SUBMIT, Kind.MAP)
        for arg in step.args
        for ref in (arg.items if isinstance(arg, Listed) else (arg,))
    )


# --- records


@dataclass(eq=False)
class Record:
    """The row of a task run, or of what stands for a nested flow run."""

    name: str
    scope: object
    number: int
    state: str = "Pending"
    run_count: int = 0
    attempt: int = 0
    fingerprint: Any = None
    value: int | None = None
    kept: bool = True
    superseded: int | None = None
    flow_run: FlowRun | None = None


@dataclass(eq=False)
class FlowRun:
    """The row of a flow run. Its calls are counted in it, as those of a task in the task's record."""

    name: str
    state: str = "Pending"
    run_count: int = 0
    value: int | None = None


@dataclass(frozen=True)
class Future:
    """A call that was submitted. It has ended: nothing in a program depends on when it did."""

    record: Record
    run_count: int
    value: int | None
    """None: it failed, or could not start."""


class Failure(Exception):
    """A body raised."""


class Killed(BaseException):
    """The process was killed."""


class Index:
    """What was recorded when a run of a body began; each record answers one call."""

    def __init__(self, records: list[Record]) -> None:
        self._open = [record for record in records if record.superseded is None]
        self._states = {record.number: (record.state, record.fingerprint) for record in self._open}

    def take(self, scope: object, name: str, fingerprint: Any) -> Record | None:
        same = [record for record in self._open if record.scope is scope and record.name == name]
        chosen = next((r for r in same if fingerprint is not None and self._print(r) == fingerprint), None)
        if chosen is None:
            unknown = [record for record in same if self._print(record) is None]
            chosen = unknown[0] if unknown else None
        if chosen is not None:
            self._open.remove(chosen)
        return chosen

    def unused(self, scope: object) -> list[Record]:
        return [r for r in self._open if r.scope is scope and self._states[r.number][0] != "Completed"]

    def _print(self, record: Record) -> Any:
        return self._states[record.number][1]


@dataclass
class Place:
    """Where a call stands: the body, and how that body is run."""

    scope: object
    index: Index | None
    in_main_thread: bool


@dataclass
class Outcome:
    """What one attempt came to."""

    state: str
    value: int | None
    ran: list[tuple[str, tuple[Any, ...]]]
    """The bodies that were started: name, arguments."""


@dataclass
class Model:
    """The records of one root flow run, and the attempts that make them."""

    plan: Plan = field(default_factory=Plan)
    records: list[Record] = field(default_factory=list)
    root: FlowRun = field(default_factory=lambda: FlowRun(MAIN))
    attempt: int = 0
    round: int = 0
    program: Program = field(default_factory=dict)
    ran: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def run(self, program: Program) -> Outcome:
        """Make one attempt."""
        self.program = program
        self.attempt += 1
        self.ran = []
        index = Index(self.records) if self.attempt > 1 else None
        try:
            value = self._flow(program[MAIN], (), self.root, None, index, True)
        except Failure:
            value = None
        except Killed:
            value = None
            self.root.state = "Crashed"
        return Outcome(self.root.state, value, self.ran)

    def tree(self) -> tuple[Any, ...]:
        """Return all records, nested as they are, in an order that does not depend on time."""
        return (self.root.name, self.root.state, self.root.run_count, self._below(self.root))

    def _below(self, scope: object) -> tuple[Any, ...]:
        return tuple(sorted(self._described(record) for record in self.records if record.scope is scope))

    def _described(self, record: Record) -> tuple[Any, ...]:
        child = record.flow_run
        nested = () if child is None else (child.name, child.state, child.run_count, self._below(child))
        row = (record.name, record.state, record.run_count, record.attempt, record.superseded or 0)
        return (*row, nested, self._below(record))

    # --- bodies

    def _body(self, function: Function, args: tuple[Any, ...], run: Any, place: Place) -> int:
        made: dict[int, Any] = {}
        for step in function.steps:
            if step.kind is Kind.KILL:
                self._may_be_killed(kill_name(step), place)
            else:
                made[step.id] = self._step(step, made, place)
        value = worth(function.constant, [args, [_result(each) for each in made.values()]])
        self._may_be_killed(function.name, place)
        if self.plan.fails(self.round, function.name, run.run_count, value):
            raise Failure(function.name)
        return value

    def _may_be_killed(self, name: str, place: Place) -> None:
        if place.in_main_thread and (self.round, name) in self.plan.kills:
            raise Killed

    def _step(self, step: Step, made: Mapping[int, Any], place: Place) -> Any:
        function = self.program[step.callee]
        if step.kind is Kind.TRY:
            try:
                return self._direct(function, _arguments(step, made), place)
            except Failure:
                return FAILED_VALUE
        if step.kind is Kind.CALL:
            return self._direct(function, _arguments(step, made), place)
        beside = Place(place.scope, place.index, False)
        if step.kind is Kind.SUBMIT:
            return self._call(function, _arguments(step, made), beside)
        mapped, *others = _arguments(step, made)
        return [self._call(function, (item, *others), beside) for item in _spread(mapped)]

    def _direct(self, function: Function, args: tuple[Any, ...], place: Place) -> int:
        future = self._call(function, args, place)
        if future.value is None:
            raise Failure(function.name)
        return future.value

    # --- calls

    def _call(self, function: Function, args: tuple[Any, ...], place: Place) -> Future:
        if not all(_is_ready(arg) for arg in args):
            record = self._record(function, place, None)
            record.state, record.attempt = "NotReady", self.attempt
            if function.is_flow:
                record.flow_run = record.flow_run or FlowRun(function.name)
                record.state = record.flow_run.state = "Failed"
            return Future(record, record.run_count, None)
        fingerprint = tuple(_print(arg) for arg in args)
        record = self._record(function, place, fingerprint)
        if record.state == "Completed" and record.kept:
            return Future(record, record.run_count, record.value)
        record.attempt, record.fingerprint, record.kept = self.attempt, fingerprint, function.kept
        values = tuple(_given(arg) for arg in args)
        try:
            if function.is_flow:
                record.flow_run = record.flow_run or FlowRun(function.name)
                value = self._flow(function, values, record.flow_run, record, place.index, place.in_main_thread)
            else:
                value = self._task(function, values, record, place)
        except Failure:
            record.state = "Failed"
            return Future(record, record.run_count, None)
        except Killed:
            record.state = "Crashed"
            raise
        record.state, record.value = "Completed", value
        return Future(record, record.run_count, value)

    def _record(self, function: Function, place: Place, fingerprint: Any) -> Record:
        found = None if place.index is None else place.index.take(place.scope, function.name, fingerprint)
        if found is None:
            found = Record(function.name, place.scope, len(self.records))
            self.records.append(found)
        return found

    def _task(self, function: Function, args: tuple[Any, ...], record: Record, place: Place) -> int:
        left = function.retries
        inside = Place(record, place.index, place.in_main_thread)
        while True:
            record.run_count += 1
            self.ran.append((function.name, args))
            try:
                return self._body(function, args, record, inside)
            except Failure:
                if not left:
                    raise
                left -= 1

    def _flow(
        self,
        function: Function,
        args: tuple[Any, ...],
        run: FlowRun,
        stand_in: Record | None,
        index: Index | None,
        in_main_thread: bool,
    ) -> int:
        left = function.retries
        while True:
            run.run_count += 1
            if stand_in is None:
                self.round += 1
            else:
                stand_in.run_count = run.run_count
            self.ran.append((function.name, args))
            try:
                run.value = self._body(function, args, run, Place(run, index, in_main_thread))
            except Failure:
                run.state = "Failed"
                if not left:
                    raise
                left -= 1
                index = Index([record for record in self.records if self._is_below(record, run)])
            except Killed:
                run.state = "Crashed"
                raise
            else:
                run.state = "Completed"
                for record in [] if index is None else index.unused(run):
                    record.superseded = self.attempt
                return run.value

    def _is_below(self, record: Record, run: FlowRun) -> bool:
        scopes: list[object] = [run]
        for each in self.records:  # parents come before their children
            if any(each.scope is scope for scope in scopes):
                scopes += [each, each.flow_run] if each.flow_run is not None else [each]
        return any(record.scope is scope for scope in scopes)


def undisturbed(program: Program) -> int:
    """Return what a run gives in which nothing goes wrong."""
    value = Model().run(program).value
    assert value is not None
    return value


# --- arguments


@dataclass(frozen=True)
class _Allowed:
    future: Future


def _arguments(step: Step, made: Mapping[int, Any]) -> tuple[Any, ...]:
    return tuple(_argument(arg, made) for arg in step.args)


def _argument(arg: Arg, made: Mapping[int, Any]) -> Any:
    if isinstance(arg, Const):
        return arg.value
    if isinstance(arg, Listed):
        return [_argument(item, made) for item in arg.items]
    found = made[arg.step]
    if arg.how is How.VALUE:
        return _result(found)
    return _Allowed(found) if arg.how is How.ALLOWED else found


def _result(found: Any) -> Any:
    """Return what `future.result()` gives; of a list of futures that of each."""
    if isinstance(found, list):
        return [_result(each) for each in found]
    if isinstance(found, Future):
        if found.value is None:
            raise Failure(found.record.name)
        return found.value
    return found


def _spread(mapped: list[Any]) -> list[Any]:
    """Return the items of a mapped list, in which a step that was itself mapped stands for its futures."""
    return [each for item in mapped for each in (item if isinstance(item, list) else [item])]


def _is_ready(arg: Any) -> bool:
    if isinstance(arg, list):
        return all(_is_ready(item) for item in arg)
    return not isinstance(arg, Future) or arg.value is not None


def _print(arg: Any) -> Any:
    if isinstance(arg, list):
        return ("list", *(_print(item) for item in arg))
    if isinstance(arg, _Allowed):
        arg = arg.future
    if isinstance(arg, Future):
        return ("execution", arg.record.number, arg.run_count)
    return arg


def _given(arg: Any) -> Any:
    """Return what a body gets."""
    if isinstance(arg, list):
        return tuple(_given(item) for item in arg)
    if isinstance(arg, _Allowed):
        return FAILED_VALUE if arg.future.value is None else arg.future.value
    return arg.value if isinstance(arg, Future) else arg
