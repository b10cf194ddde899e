"""Arguments become named parameters as Python itself would bind them, and go back to arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno._engine.calls import compile_call
from dalsegno.exceptions import ParameterBindError, ReservedArgumentError


def everything(a, b=2, /, c=3, *rest, d, e=5, **more):
    return {"a": a, "b": b, "c": c, "rest": rest, "d": d, "e": e, "more": more}


def positional(a, b, c=3):
    return {"a": a, "b": b, "c": c}


def keyword_only(*, a, b=2):
    return {"a": a, "b": b}


def positional_only(a, b=2, /):
    return {"a": a, "b": b}


def variadic(*args, **kwargs):
    return {"args": args, "kwargs": kwargs}


def nothing():
    return {}


FUNCTIONS: list[Callable[..., dict[str, Any]]] = [
    everything,
    positional,
    keyword_only,
    positional_only,
    variadic,
    nothing,
]
values = st.integers() | st.text() | st.none()
calls = st.tuples(
    st.sampled_from(FUNCTIONS),
    st.lists(values, max_size=5).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "self", "rest", "x"]), values, max_size=5),
)


def outcome(call: Callable[..., dict[str, Any]], *args: Any) -> list[tuple[str, Any]] | str:
    """Return what a call gives, with the order of its keys, or the text of the TypeError that it raises."""
    try:
        return list(call(*args).items())
    except TypeError as error:
        return str(error)


@given(calls)
def test_binding_gives_what_the_function_would_see_or_the_error_it_would_raise(call) -> None:
    fn, args, kwargs = call
    plan = compile_call(fn)
    assert outcome(plan.bind, args, kwargs) == outcome(lambda args, kwargs: fn(*args, **kwargs), args, kwargs)


@given(calls)
def test_arguments_are_the_inverse_of_bind(call) -> None:
    fn, args, kwargs = call
    plan = compile_call(fn)
    try:
        bound = plan.bind(args, kwargs)
    except ParameterBindError:
        return
    again, keywords = plan.arguments(bound)
    assert fn(*again, **keywords) == bound
    only_given = plan.bind_given(args, kwargs)
    assert plan.with_defaults(only_given) == bound
    assert only_given.items() <= bound.items()


def test_a_parameter_left_to_its_default_is_not_among_the_given_ones() -> None:
    plan = compile_call(everything)
    assert plan.bind_given((1,), {"d": 4}) == {"a": 1, "d": 4}
    assert plan.bind_given((1, 2), {"d": 4, "e": 5, "x": 6}) == {
        "a": 1,
        "b": 2,
        "d": 4,
        "e": 5,
        "more": {"x": 6},
    }


def test_a_parameter_after_one_left_to_its_default_is_given_by_name() -> None:
    assert compile_call(positional).arguments({"a": 1, "c": 9}) == ((1,), {"c": 9})


def test_an_error_in_binding_is_a_type_error_with_pythons_own_text() -> None:
    with pytest.raises(TypeError, match=r"positional\(\) missing 1 required positional argument: 'b'"):
        compile_call(positional).bind((1,), {})
    with pytest.raises(TypeError, match=r"positional\(\) got an unexpected keyword argument 'z'"):
        compile_call(positional).bind((1, 2), {"z": 1})


@pytest.mark.parametrize("name", ["return_state", "wait_for"])
def test_reserved_parameters_are_refused_by_name(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def load(a, {name}=None): ...", namespace)
    with pytest.raises(ReservedArgumentError, match=f"'load' has a parameter called '{name}'"):
        compile_call(namespace["load"])


def test_a_reserved_name_is_free_where_nothing_is_reserved() -> None:
    def hook(wait_for): ...

    assert compile_call(hook, reserved=()).names == ("wait_for",)


class Shop:
    def revenue(self, day: str, factor: int = 1) -> tuple[str, int]:
        return day, factor

    @classmethod
    def open(cls, name: str) -> str:
        return name

    @staticmethod
    def tax(rate: float) -> float:
        return rate

    def __call__(self, x: int) -> int:
        return x


def test_methods_partials_and_callable_objects_show_what_is_left_to_give() -> None:
    shop = Shop()
    assert compile_call(shop.revenue).bind(("monday",), {}) == {"day": "monday", "factor": 1}
    assert compile_call(Shop.revenue).names == ("self", "day", "factor")
    assert compile_call(Shop.open).names == ("name",)
    assert compile_call(Shop.tax).names == ("rate",)
    assert compile_call(shop).bind((1,), {}) == {"x": 1}
    assert compile_call(lambda x, y=2: x).bind((1,), {}) == {"x": 1, "y": 2}


def test_a_partial_keeps_what_it_was_given() -> None:
    partial = functools.partial(positional, 1, b=2)
    plan = compile_call(partial)
    args, kwargs = plan.arguments(plan.bind((), {"c": 4}))
    assert partial(*args, **kwargs) == {"a": 1, "b": 2, "c": 4}


def test_a_wrapped_function_is_bound_as_the_one_it_wraps() -> None:
    @functools.wraps(positional)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return positional(*args, **kwargs)

    plan = compile_call(wrapper)
    args, kwargs = plan.arguments(plan.bind((1,), {"b": 2}))
    assert wrapper(*args, **kwargs) == {"a": 1, "b": 2, "c": 3}


def test_a_builtin_without_a_signature_takes_what_it_is_given() -> None:
    plan = compile_call(max)
    args, kwargs = plan.arguments(plan.bind((3, 9, 4), {}))
    assert max(*args, **kwargs) == 9


def test_a_default_is_the_very_object_of_the_function() -> None:
    default: list[int] = []
    assert compile_call(lambda found=default: found).bind((), {})["found"] is default


def test_a_parameter_may_be_called_as_anything_inside() -> None:
    def odd(binder, self, args, kwargs, namespace, None_=1): ...

    bound = compile_call(odd).bind((1, 2), {"args": 3, "kwargs": 4, "namespace": 5})
    assert bound == {"binder": 1, "self": 2, "args": 3, "kwargs": 4, "namespace": 5, "None_": 1}
