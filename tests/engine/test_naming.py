"""Flows and runs get names: default ones, checked ones, templates, and two words where nobody cared."""

from __future__ import annotations

import functools
import os
import random
import re
from types import SimpleNamespace
from typing import Any

import pytest

from dalsegno._engine.naming import (
    check_flow_name,
    check_run_name,
    flow_name,
    function_name,
    render_run_name,
)
from dalsegno.exceptions import InvalidNameError
from dalsegno.model.words import ADJECTIVES, NOUNS, random_run_name


def nightly_orders(day: str) -> None: ...


class Report:
    def __call__(self) -> None: ...


def test_a_flow_is_called_after_its_function_with_dashes() -> None:
    assert flow_name(nightly_orders) == "nightly-orders"
    assert flow_name(lambda: None) == "lambda"
    assert flow_name(functools.partial(nightly_orders, "monday")) == "nightly-orders"
    assert flow_name(Report()) == "Report"
    assert function_name(nightly_orders) == "nightly_orders"


@pytest.mark.parametrize("name", ["a/b", "100%", "a&b", "<a>", "a>b"])
def test_signs_that_addresses_cannot_carry_are_refused(name: str) -> None:
    with pytest.raises(InvalidNameError, match=re.escape(repr(name))):
        check_flow_name(name)


@pytest.mark.parametrize("name", ["nightly orders", "Übersicht", "a_b.c-d (v2)", flow_name(lambda: None)])
def test_other_names_are_free(name: str) -> None:
    assert check_flow_name(name) == name


@pytest.mark.parametrize("name", [1, b"x", None, ["a"]])
def test_a_name_that_is_no_string_is_a_type_error(name: Any) -> None:
    with pytest.raises(TypeError, match="must be a string"):
        check_flow_name(name)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(InvalidNameError, match="must not be empty"):
        check_flow_name("")


def test_a_template_is_filled_with_the_parameters_and_their_attributes() -> None:
    parameters = {"day": "monday", "user": SimpleNamespace(name="Ada"), "rows": {"a": 1}}
    assert render_run_name("{day}: {user.name} {rows[a]:03d}", parameters, "flow") == "monday: Ada 001"
    assert render_run_name("plain", {}, "task") == "plain"


@pytest.mark.parametrize("template", ["{week}", "{week.number}"])
def test_an_unknown_field_is_named_together_with_the_template(template: str) -> None:
    with pytest.raises(KeyError) as caught:
        render_run_name(template, {"day": 1}, "flow")
    assert "flow_run_name" in str(caught.value)
    assert template in str(caught.value)
    assert "'week'" in str(caught.value)
    assert "'day'" in str(caught.value)


def test_a_field_without_a_name_is_an_unknown_one() -> None:
    with pytest.raises(KeyError, match="no parameter of the task"):
        render_run_name("{}", {"day": 1}, "task")


def test_an_unknown_attribute_is_told_with_the_template() -> None:
    with pytest.raises(AttributeError, match=r"task_run_name '\{day.year\}' cannot be filled in"):
        render_run_name("{day.year}", {"day": 1}, "task")


def test_a_function_is_called_with_the_parameters_only_if_it_takes_them() -> None:
    assert render_run_name(lambda: "plain", {"day": 1}, "flow") == "plain"
    assert render_run_name(lambda parameters: f"day {parameters['day']}", {"day": 1}, "flow") == "day 1"

    def keyword(*, parameters: dict[str, Any]) -> str:
        return str(parameters)

    assert render_run_name(keyword, {"day": 1}, "flow") == "{'day': 1}"


def test_a_function_that_returns_no_string_is_a_type_error() -> None:
    def year() -> Any:
        return 2026

    with pytest.raises(TypeError, match=r"'year' that is the task_run_name must return a string; it returned 2026"):
        render_run_name(year, {}, "task")


@pytest.mark.parametrize("template", [5, ["a"], b"x"])
def test_a_template_of_another_type_is_a_type_error(template: Any) -> None:
    with pytest.raises(TypeError, match="flow_run_name must be a string or a function"):
        render_run_name(template, {}, "flow")
    with pytest.raises(TypeError, match="flow_run_name must be a string or a function"):
        check_run_name(template, "flow")


def test_a_run_without_a_name_gets_two_words() -> None:
    names = {random_run_name() for _ in range(200)}
    assert len(names) > 150
    assert all(re.fullmatch(r"[a-z]+-[a-z]+", name) for name in names)


def test_there_are_words_enough_and_each_once() -> None:
    for words in (ADJECTIVES, NOUNS):
        assert len(words) >= 120
        assert len(set(words)) == len(words)
        assert all(re.fullmatch(r"[a-z]{3,12}", word) for word in words)


def test_the_users_seed_does_not_decide_the_words() -> None:
    names: set[str] = set()
    for _ in range(10):
        random.seed(1)
        names.add(random_run_name())
    assert len(names) > 5


def test_a_fork_does_not_repeat_the_words_of_its_parent() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ",".join(random_run_name() for _ in range(5)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read().split(",")
    assert theirs != [random_run_name() for _ in range(5)]
