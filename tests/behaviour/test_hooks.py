"""Hooks, which are told what becomes of runs."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from tests.behaviour.bodies import OutOfStock

from dalsegno import State, flow, get_run_logger, task
from dalsegno.cache_policies import INPUTS
from dalsegno.runtime import flow_run, task_run
from dalsegno.states import Cancelled, Crashed

KINDS = ["on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed"]


class Notes:
    """Makes hooks that note when they are called, and with what."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.calls: list[tuple[Any, Any, State[Any]]] = []

    def hook(self, kind: str) -> Any:
        def note(spec: Any, run: Any, state: State[Any]) -> None:
            self.kinds.append(kind)
            self.calls.append((spec, run, state))

        return note

    def all_kinds(self) -> dict[str, list[Any]]:
        return {kind: [self.hook(kind)] for kind in KINDS}


def interrupt() -> None:
    raise KeyboardInterrupt


def run_out() -> None:
    raise OutOfStock


@pytest.mark.behaviour(77)
@pytest.mark.parametrize("decorate", [flow, task])
def test_hooks_are_called_with_the_object_the_run_and_the_state(decorate: Any) -> None:
    notes = Notes()
    called = decorate(name="orders", **notes.all_kinds())(lambda: 1)
    called()
    assert notes.kinds == ["on_running", "on_completion"]
    assert [spec.name for spec, _, _ in notes.calls] == ["orders", "orders"]
    assert [state.name for _, _, state in notes.calls] == ["Running", "Completed"]
    assert notes.calls[0][1].id == notes.calls[1][1].id


@pytest.mark.behaviour(77)
@pytest.mark.parametrize("decorate", [flow, task])
@pytest.mark.parametrize(
    ("body", "kind"),
    [(run_out, "on_failure"), (lambda: Cancelled(), "on_cancellation"), (lambda: Crashed(), "on_crashed")],
    ids=["failed", "cancelled", "crashed"],
)
def test_each_end_has_its_hook(decorate: Any, body: Any, kind: str) -> None:
    notes = Notes()
    decorate(**notes.all_kinds())(body)(return_state=True)
    assert notes.kinds == ["on_running", kind]


@pytest.mark.behaviour(77)
@pytest.mark.parametrize("decorate", [flow, task])
def test_hooks_are_called_in_order_and_may_be_async_anywhere(decorate: Any) -> None:
    order: list[str] = []

    async def first(*_: Any) -> None:
        await asyncio.sleep(0)
        order.append("async")

    def second(*_: Any) -> None:
        order.append("sync")

    async def body() -> None: ...

    hooks = [first, second, first]
    decorate(on_completion=hooks)(lambda: None)()
    assert order == ["async", "sync", "async"]
    asyncio.run(decorate(on_completion=hooks)(body)())
    assert order == ["async", "sync", "async"] * 2


@pytest.mark.behaviour(77)
@pytest.mark.parametrize("decorate", [flow, task])
@pytest.mark.parametrize("kind", KINDS)
def test_hooks_can_be_added_by_decorator(decorate: Any, kind: str) -> None:
    notes = Notes()
    called = decorate(lambda: {"on_failure": run_out, "on_crashed": Crashed, "on_cancellation": Cancelled}[kind]())
    if kind in ("on_running", "on_completion"):
        called = decorate(lambda: None)
    hook = notes.hook(kind)
    assert getattr(called, kind)(hook) is hook
    called(return_state=True)
    assert notes.kinds == [kind]


@pytest.mark.behaviour(78)
@pytest.mark.parametrize("decorate", [flow, task])
def test_a_hook_that_fails_is_logged_and_changes_nothing(decorate: Any, caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes()

    def broken(*_: Any) -> None:
        raise OutOfStock("of hooks")

    called = decorate(on_completion=[broken, notes.hook("on_completion")])(lambda: 1)
    assert called(return_state=True).is_completed()
    assert notes.kinds == ["on_completion"]
    assert "broken" in caplog.text
    assert "of hooks" in caplog.text


@pytest.mark.behaviour(79)
@pytest.mark.parametrize("decorate", [flow, task])
def test_failure_is_told_after_the_last_retry_and_running_before_each(decorate: Any) -> None:
    notes = Notes()
    decorate(retries=2, **notes.all_kinds())(run_out)(return_state=True)
    assert notes.kinds == ["on_running"] * 3 + ["on_failure"]


@pytest.mark.behaviour(79)
def test_completion_is_told_of_a_cached_result_too() -> None:
    notes = Notes()
    load = task(cache_policy=INPUTS, **notes.all_kinds())(lambda day: day)
    assert load("monday") == load("monday")
    assert notes.kinds == ["on_running", "on_completion", "on_completion"]
    assert notes.calls[-1][2].name == "Cached"


@pytest.mark.behaviour(80)
@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("decorate", [flow, task])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_is_crashed_and_the_interrupt_goes_on(
    decorate: Any, error: type[BaseException], return_state: bool
) -> None:
    notes = Notes()

    def body() -> None:
        raise error

    with pytest.raises(error):
        decorate(retries=2, **notes.all_kinds())(body)(return_state=return_state)
    assert notes.kinds == ["on_running", "on_crashed"]
    assert notes.calls[-1][2].is_crashed()


@pytest.mark.behaviour(80)
def test_an_interrupt_goes_up_through_all_runs() -> None:
    notes = Notes()
    step = task(on_crashed=[notes.hook("task")])(interrupt)
    inner = flow(on_crashed=[notes.hook("inner")])(lambda: step())
    outer = flow(on_crashed=[notes.hook("outer")])(lambda: inner())
    with pytest.raises(KeyboardInterrupt):
        outer()
    assert notes.kinds == ["task", "inner", "outer"]


@pytest.mark.behaviour(81)
@pytest.mark.parametrize("decorate", [flow, task])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hooks", [print, [3], "print"])
def test_what_is_no_list_of_hooks_is_refused(decorate: Any, kind: str, hooks: Any) -> None:
    with pytest.raises(TypeError, match=kind):
        decorate(**{kind: hooks})(lambda: None)


@pytest.mark.behaviour(81)
def test_partials_and_further_defaults_are_fine() -> None:
    found: list[Any] = []

    def note(spec: Any, run: Any, state: State[Any], word: str = "default") -> None:
        found.append(word)

    task(on_completion=[note, functools.partial(note, word="given")])(lambda: None)()
    assert found == ["default", "given"]


@pytest.mark.behaviour(82)
def test_a_hook_stands_in_its_run() -> None:
    found: list[Any] = []

    def note(_: Any, run: Any, state: State[Any]) -> None:
        get_run_logger().info("A hook was here.")
        found.append((task_run.id or flow_run.id, str(run.id)))

    @flow(on_running=[note], on_completion=[note])
    def orders() -> None:
        task(on_running=[note], on_completion=[note])(lambda: None)()

    orders()
    assert len(found) == 4
    assert all(seen == real for seen, real in found)
