"""Spans of flow and task runs, one for each time that a body runs; loaded only where traces are on.

A span lasts as long as its body, wherever that runs. In this process it is current meanwhile, so that what the body
itself traces, and the requests that it makes, belong to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer

from dalsegno._engine.breaking import door
from dalsegno._engine.runs import FlowRun, TaskRun
from dalsegno._engine.steps import Call, Step
from dalsegno.exceptions import Skip
from dalsegno.model.ids import id_text

Steps = Generator[Step, Any, Any]


class Spans:
    """Makes the spans of the runs of one root."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def flow(self, run: FlowRun, step: Call, live: Callable[[], Steps]) -> Steps:
        """Live what one run of a flow's body consists of, in a span of its own."""
        return self._live(f"flow {run.definition.name}", run, "dalsegno.flow_run", step, live)

    def task(self, run: TaskRun, step: Call) -> Steps:
        """Have a task's body called in a span of its own; give what it gives."""
        return self._live(f"task {run.definition.name}", run, "dalsegno.task_run", step, lambda: _perform(step))

    def _live(self, name: str, run: FlowRun | TaskRun, kind: str, step: Call, live: Callable[[], Steps]) -> Steps:
        span = self._tracer.start_span(
            name,
            attributes={
                f"{kind}.id": id_text(run.id_bytes),
                f"{kind}.name": run.name,
                f"{kind}.run_count": run.run_count,
                "dalsegno.root_run.id": id_text(run.session.root_run_id),
            },
        )
        step.fn = _inside(step.fn, span)
        try:
            return (yield from live())
        except GeneratorExit:
            raise
        except BaseException as error:
            if not isinstance(error, Skip):
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
            raise
        finally:
            span.end()


def _perform(step: Call) -> Steps:
    return (yield step)


class _Inside:
    """A body that is called with its span as the current one. Sent to another process it is the body alone."""

    def __init__(self, fn: Callable[..., Any], span: Span) -> None:
        self._fn = fn
        self._span = span
        # As a function of Python: one of C is broken off in the frame of whoever calls it.
        self.__code__ = _Inside.__call__.__code__

    @door
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _current(self._span):
            return self._fn(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self._fn,)


class _InsideCoroutine(_Inside):
    @door
    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _current(self._span):
            return await self._fn(*args, **kwargs)


def _inside(fn: Callable[..., Any], span: Span) -> Callable[..., Any]:
    """Return what is called in place of a body. A generator's is itself: it runs when it is consumed."""
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        return fn
    return (_InsideCoroutine if inspect.iscoroutinefunction(fn) else _Inside)(fn, span)


def _current(span: Span) -> AbstractContextManager[Any]:
    return trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)


def _itself(fn: Callable[..., Any]) -> Callable[..., Any]:
    return fn
