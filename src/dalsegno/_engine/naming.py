"""Names of flows and runs: default ones, templates of users, and two random words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from dalsegno._engine.calls import compile_call
from dalsegno.exceptions import InvalidNameError

RunNameTemplate = str | Callable[..., str]

_FORBIDDEN: Final = re.compile(r"[/%&<>]")


def function_name(fn: Callable[..., Any]) -> str:
    """Return what a callable is called: its own name, that of what it is a partial of, or of its class."""
    while not hasattr(fn, "__name__") and hasattr(fn, "func"):
        fn = fn.func  # type: ignore[attr-defined]  # functools.partial
    return getattr(fn, "__name__", None) or type(fn).__name__


def flow_name(fn: Callable[..., Any]) -> str:
    """Return the default name of a flow: dashes for underscores; a lambda is called "lambda".

    Example:
        >>> flow_name(nightly_orders)
        'nightly-orders'
    """
    return _FORBIDDEN.sub("", function_name(fn)).replace("_", "-")


def check_flow_name(name: Any) -> str:
    """Return a name that a user gave to a flow, if it can be one.

    Raises:
        TypeError: It is no string.
        InvalidNameError: It is empty, or holds one of ``/ % & < >``, which addresses cannot carry.
    """
    check_name(name, "flow")
    found = _FORBIDDEN.search(name)
    if found:
        raise InvalidNameError(
            f"A flow cannot be called {name!r}: {found.group()!r} may not stand in the name of a flow, and "
            f"neither may any of / % & < >."
        )
    return name


def check_name(name: Any, kind: str) -> str:
    """Return a name that a user gave to a "flow" or "task"; a TypeError where it is no string."""
    if not isinstance(name, str):
        raise TypeError(f"The name of a {kind} must be a string, not {name!r} of type {type(name).__name__}.")
    if not name:
        raise InvalidNameError(f"The name of a {kind} must not be empty.")
    return name


def check_run_name(template: Any, kind: str) -> None:
    """Raise a TypeError if the run name template of a "flow" or "task" is no text, function or None."""
    if template is not None and not isinstance(template, str) and not callable(template):
        raise TypeError(
            f"{kind}_run_name must be a string or a function that returns one, not {template!r} of type "
            f"{type(template).__name__}."
        )


def render_run_name(template: RunNameTemplate, parameters: Mapping[str, Any], kind: str) -> str:
    """Return the name of a run of a "flow" or "task" from its template.

    A string is formatted with the parameters (``"{user.name} of {day}"``). A function is called, with the
    parameters as a dict if it has a parameter called `parameters`.

    Raises:
        KeyError: The template has a field that is no parameter.
        TypeError: The template has another type, or the function returns no string.
    """
    check_run_name(template, kind)
    if isinstance(template, str):
        return _formatted(template, parameters, kind)
    takes_parameters = "parameters" in compile_call(template, reserved=()).names
    name: Any = template(parameters=dict(parameters)) if takes_parameters else template()
    if not isinstance(name, str):
        raise TypeError(
            f"The function {function_name(template)!r} that is the {kind}_run_name must return a string; it "
            f"returned {name!r} of type {type(name).__name__}."
        )
    return name


def _formatted(template: str, parameters: Mapping[str, Any], kind: str) -> str:
    try:
        return template.format(**parameters)
    except (KeyError, IndexError) as error:
        field = error.args[0] if isinstance(error, KeyError) else "{}"
        raise KeyError(
            f"{kind}_run_name {template!r} has the field {field!r}, which is no parameter of the {kind}; "
            f"it has {', '.join(map(repr, parameters)) or 'none'}."
        ) from error
    except AttributeError as error:
        raise AttributeError(f"{kind}_run_name {template!r} cannot be filled in: {error}") from error
