"""Random programs for the tests of replay: made, edited, and written down as Python source."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st
from tests.guarantees.model import (
    MAIN,
    Arg,
    Const,
    Function,
    How,
    Kind,
    Listed,
    Plan,
    Program,
    Ref,
    Step,
    kill_name,
)

# Each may call those before it.
LEAVES = ("extract", "clean", "load")
NESTED = (("tidy", False), ("region", True), ("report", False), ("country", True))

# --- making


def _consts() -> st.SearchStrategy[Const]:
    # Few and small, so that calls with equal inputs are common.
    return st.builds(Const, st.integers(0, 3))


@st.composite
def _refs(draw: Any, before: int) -> Arg:
    """Refer to one of the steps before."""
    if before == 0 or draw(st.integers(0, 3)) == 0:
        return draw(_consts())
    return Ref(draw(st.integers(1, before)), draw(st.sampled_from(list(How))))


@st.composite
def _args(draw: Any, before: int) -> tuple[Arg, ...]:
    args: list[Arg] = draw(st.lists(_refs(before), min_size=1, max_size=2))
    if draw(st.integers(0, 4)) == 0:
        args.append(Listed(tuple(draw(st.lists(_refs(before), max_size=3)))))  # type: ignore[arg-type]
    return tuple(args)


@st.composite
def steps_of(draw: Any, callable_names: tuple[str, ...], most: int, first_id: int = 1) -> tuple[Step, ...]:
    """Make the steps of a body."""
    steps: list[Step] = []
    for number in range(first_id, first_id + draw(st.integers(1, most))):
        kinds = [Kind.CALL, Kind.CALL, Kind.TRY, Kind.SUBMIT, Kind.SUBMIT, Kind.MAP, Kind.KILL]
        kind = draw(st.sampled_from(kinds))
        if kind is Kind.KILL:
            steps.append(Step(number, kind))
            continue
        names = [name for name in callable_names if kind is not Kind.MAP or name in LEAVES]
        steps.append(Step(number, kind, draw(st.sampled_from(names)), draw(_args(number - 1))))
    return tuple(steps)


@st.composite
def programs(draw: Any, strict: bool) -> dict[str, Function]:
    """Make a program: three plain tasks, tasks and flows that call others, and the main flow.

    In a strict one no failure is tolerated: what it gives in the end is what it gives undisturbed.
    """
    made: dict[str, Function] = {}
    for number, name in enumerate(LEAVES):
        retries = draw(st.sampled_from([0, 0, 1]))
        made[name] = Function(name, False, number, (), retries, draw(st.integers(0, 5)) != 0)
    for number, (name, is_flow) in enumerate(NESTED, len(LEAVES)):
        steps = draw(steps_of(tuple(made), 3))
        made[name] = Function(name, is_flow, number, steps, draw(st.sampled_from([0, 0, 1])))
    steps = draw(steps_of(tuple(made), 7))
    made[MAIN] = Function(MAIN, True, len(made), steps, draw(st.sampled_from([0, 0, 1])))
    return {name: _strict(function) for name, function in made.items()} if strict else made


def tolerates_failures(program: Program) -> bool:
    """Tell whether a failure may be part of what a body gives."""
    return any(_strict(function) != function for function in program.values())


def _strict(function: Function) -> Function:
    steps = tuple(
        dataclasses.replace(
            step,
            kind=Kind.CALL if step.kind is Kind.TRY else step.kind,
            args=tuple(map(_strict_arg, step.args)),
        )
        for step in function.steps
    )
    return dataclasses.replace(function, steps=steps)


def _strict_arg(arg: Arg) -> Arg:
    if isinstance(arg, Listed):
        return Listed(tuple(_strict_arg(item) for item in arg.items))  # type: ignore[misc]
    return Ref(arg.step) if isinstance(arg, Ref) and arg.how is How.ALLOWED else arg


@st.composite
def plans(draw: Any, program: Program) -> Plan:
    """Choose what goes wrong in the first few rounds."""
    names = st.sampled_from(list(program))
    marks = [kill_name(step) for function in program.values() for step in function.steps if step.kind is Kind.KILL]
    rounds = st.integers(1, 4)
    failing = draw(st.frozensets(st.tuples(rounds, names, st.integers(0, 1)), max_size=6))
    flaky = draw(st.frozensets(names, max_size=2))
    killers = st.sampled_from([*marks, *(name for name in program if not program[name].is_flow)])
    kills = draw(st.frozensets(st.tuples(rounds, killers), max_size=2))
    return Plan(failing, flaky, kills)


# --- editing

Edited = tuple[dict[str, Function], bool]


@st.composite
def edits(draw: Any, program: dict[str, Function]) -> Edited:
    """Edit a program; tell also whether only the order and number of the main flow's steps changed."""
    kind = draw(st.sampled_from(["none", "none", "insert", "remove", "swap", "constant", "inner"]))
    if kind == "none":
        return program, True
    edited = dict(program)
    if kind == "constant":
        name = draw(st.sampled_from(list(program)))
        edited[name] = dataclasses.replace(program[name], constant=draw(st.integers(100, 103)))
        return edited, name == MAIN
    name = MAIN
    if kind == "inner":
        name = draw(st.sampled_from([name for name, _ in NESTED]))
        kind = draw(st.sampled_from(["insert", "remove", "swap"]))
    callable_names = tuple(program)[: list(program).index(name)]
    edited[name] = dataclasses.replace(
        program[name], steps=draw(_edited_steps(program[name].steps, kind, callable_names))
    )
    return edited, name == MAIN


@st.composite
def _edited_steps(draw: Any, steps: tuple[Step, ...], kind: str, names: tuple[str, ...]) -> tuple[Step, ...]:
    at = draw(st.integers(0, max(0, len(steps) - 1)))
    if kind == "insert":
        fresh = 1 + max((step.id for step in steps), default=0)
        (made,) = draw(steps_of(names, 1, fresh))
        return (*steps[:at], made, *steps[at:])
    if kind == "remove":
        return (*steps[:at], *steps[at + 1 :])
    if len(steps) < 2:
        return steps
    other = draw(st.integers(0, len(steps) - 1))
    swapped = list(steps)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    return tuple(swapped)


# --- writing down

HEAD = """from __future__ import annotations

from dalsegno import allow_failure, flow, task
from tests.guarantees.replay_world import here
"""


def source_of(program: Program) -> str:
    """Return a program without dangling references as a module."""
    return "\n\n".join([HEAD, *map(_function, program.values())]) + "\n"


def _function(function: Function) -> str:
    options = [f"name={function.name!r}", f"retries={function.retries}"]
    options += [] if function.kept else ["persist_result=False"]
    begin = ["here().begin()"] if function.name == MAIN else []
    kinds = {step.id: step.kind for step in function.steps}
    lines = [line for step in function.steps for line in _step(step, kinds)]
    made = ", ".join(f"v{step.id}" for step in function.steps if step.kind is not Kind.KILL)
    body = [
        *begin,
        f"here().starts({function.name!r}, args)",
        *lines,
        f"return here().ends({function.name!r}, {function.constant}, args, [{made}], {function.is_flow})",
    ]
    head = f"@{'flow' if function.is_flow else 'task'}({', '.join(options)})\ndef {function.name}(*args):"
    return "\n".join([head, *(f"    {line}" for line in body)])


def _step(step: Step, kinds: dict[int, Kind]) -> list[str]:
    args = ", ".join(_arg(arg, kinds, spread=step.kind is Kind.MAP) for arg in step.args)
    match step.kind:
        case Kind.KILL:
            return [f"here().may_be_killed({kill_name(step)!r})"]
        case Kind.CALL:
            return [f"v{step.id} = {step.callee}({args})"]
        case Kind.TRY:
            return ["try:", f"    v{step.id} = {step.callee}({args})", "except Exception:", f"    v{step.id} = -1"]
        case Kind.SUBMIT:
            return [f"v{step.id} = here().note({step.callee}.submit({args}))"]
        case Kind.MAP:
            return [f"v{step.id} = here().note({step.callee}.map({args}))"]


def _arg(arg: Arg, kinds: dict[int, Kind], *, spread: bool = False) -> str:
    if isinstance(arg, Const):
        return str(arg.value)
    if isinstance(arg, Listed):
        return f"[{', '.join(_item(item, kinds, spread) for item in arg.items)}]"
    return _item(arg, kinds, False)


def _item(arg: Const | Ref, kinds: dict[int, Kind], spread: bool) -> str:
    if isinstance(arg, Const):
        return str(arg.value)
    submitted = kinds[arg.step] is Kind.SUBMIT
    mapped = kinds[arg.step] is Kind.MAP
    text = f"v{arg.step}"
    if arg.how is How.VALUE and (submitted or mapped):
        text += ".result()"
    if arg.how is How.ALLOWED:
        text = f"allow_failure({text})"
    return f"*{text}" if mapped and spread else text
