"""Performing a list of steps, one after the other, each in the folder where the one before it ended."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from dalsegno._code import steps, templates
from dalsegno.exceptions import CodeUnavailable, DalsegnoException, StepError, TemplateError

OWN: dict[str, Callable[..., dict[str, Any]]] = {
    function.__name__: function
    for function in (
        steps.git_clone,
        steps.pull_from_remote_storage,
        steps.set_working_directory,
        steps.run_shell_script,
        steps.pip_install_requirements,
    )
}
_PREFIXES = ("dalsegno.deployments.steps.", "prefect.deployments.steps.")
_ABOUT_THE_STEP = ("id", "requires")


class Step(msgspec.Struct, frozen=True):
    """A step as it is written."""

    name: str
    arguments: dict[str, Any]
    id: str | None = None

    @property
    def own(self) -> str | None:
        """Which of our own functions it names; None: another one."""
        short = next((self.name.removeprefix(each) for each in _PREFIXES if self.name.startswith(each)), self.name)
        return short if short in OWN else None


class Performed(msgspec.Struct):
    """What a list of steps led to."""

    folder: Path
    outputs: dict[str, dict[str, Any]]
    """By the id, or else the name, of the step."""
    last: dict[str, Any]


def read_step(given: Any) -> Step:
    """Return a step that is written as ``{name: {argument: value}}``. Raises StepError."""
    if isinstance(given, str):
        given = {given: {}}
    if not isinstance(given, dict) or len(cast("dict[Any, Any]", given)) != 1:
        raise StepError(f"{given!r} is no step: one is written as the name of a function with its arguments below.")
    ((name, arguments),) = cast("dict[Any, Any]", given).items()
    if not isinstance(name, str) or not isinstance(arguments, dict | None):
        raise StepError(f"The step {name!r} has no arguments by name but {arguments!r}.")
    arguments = dict(cast("dict[str, Any]", arguments or {}))
    id = arguments.get("id")
    step = Step(name, {key: value for key, value in arguments.items() if key not in _ABOUT_THE_STEP}, id)
    if step.own is not None:
        _check_arguments(step, OWN[step.own])
    return step


def perform(given: Sequence[Any], folder: Path, environment: Mapping[str, str], *, own_only: bool = False) -> Performed:
    """Perform steps.

    Args:
        folder: Where the first one works.
        environment: Of what they run, and of their placeholders.
        own_only: Refuse functions that are not our own.

    Raises StepError, CodeUnavailable or TemplateError, which name the step.
    """
    done = Performed(folder, {}, {})
    for each in given:
        step = read_step(each)
        function = _function(step, own_only)
        token = steps.place.set(steps.Place(done.folder, dict(environment)))
        try:
            arguments = templates.render(step.arguments, _lookup(done, environment))
            outputs = function(**arguments)
        except (CodeUnavailable, TemplateError, StepError) as error:
            raise type(error)(f"Step {step.id or step.name!r} failed. {error}") from error
        except DalsegnoException:
            raise
        except Exception as error:
            raise StepError(f"Step {step.id or step.name!r} failed. {type(error).__name__}: {error}") from error
        finally:
            steps.place.reset(token)
        done.last = outputs if isinstance(outputs, dict) else {}  # pyright: ignore[reportUnnecessaryIsInstance]
        done.outputs[step.id or step.name.rpartition(".")[2]] = done.last
        if "directory" in done.last:
            done.folder = done.folder / str(done.last["directory"])
    return done


def _lookup(done: Performed, environment: Mapping[str, str]) -> templates.Lookup:
    outside = templates.from_environment(environment)

    def look(expression: str) -> Any:
        if templates.is_outside(expression):
            return outside(expression)
        return output_of(done.outputs, expression)

    return look


def output_of(outputs: Mapping[str, Mapping[str, Any]], expression: str) -> Any:
    """Return the output that ``step.output`` names. Raises TemplateError."""
    id, _, name = expression.partition(".")
    if id not in outputs or name not in outputs[id]:
        known = ", ".join(f"{step}.{each}" for step, values in outputs.items() for each in values)
        raise TemplateError(
            f"{{{{ {expression} }}}} cannot be filled in: no step before it has this output. "
            + (f"There are: {known}." if known else "No step before it has any.")
        )
    return outputs[id][name]


def _function(step: Step, own_only: bool) -> Callable[..., Any]:
    if step.own is not None:
        return OWN[step.own]
    module, _, name = step.name.rpartition(".")
    if own_only or not module:
        from difflib import get_close_matches

        near = get_close_matches(step.name.rpartition(".")[2], OWN)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(OWN)}."
        raise StepError(f"There is no step {step.name!r}. {hint}")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StepError(f"The step {step.name!r} cannot be imported: {error}.") from error


def _check_arguments(step: Step, function: Callable[..., Any]) -> None:
    signature = inspect.signature(function)
    takes_any = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    unknown = [name for name in step.arguments if name not in signature.parameters and not takes_any]
    if unknown:
        raise StepError(
            f"The step {step.name!r} has no argument {unknown[0]!r}; it has {', '.join(signature.parameters)}."
        )
    for name, parameter in signature.parameters.items():
        is_needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        if is_needed and name not in step.arguments:
            raise StepError(f"The step {step.name!r} needs its argument {name!r}.")
