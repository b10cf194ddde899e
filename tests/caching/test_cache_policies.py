"""Keys of cache policies: what they depend on, what they do not, and how policies are put together."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    NONE,
    RUN_ID,
    TASK_SOURCE,
    CacheKeyFnPolicy,
    CachePolicy,
    CompoundCachePolicy,
    Inputs,
    task_input_hash,
)
from dalsegno.exceptions import HashError
from dalsegno.locking.memory import MemoryLockManager


def clean(orders: Any) -> Any:
    return orders


def load(orders: Any) -> Any:
    return [orders]


def context(fn: Any = clean, run: Any = None) -> Any:
    return SimpleNamespace(task=SimpleNamespace(fn=fn), task_run=SimpleNamespace(id=uuid.UUID(int=9), flow_run_id=run))


def key(policy: CachePolicy, inputs: dict[str, Any], fn: Any = clean, **options: Any) -> str | None:
    parameters = options.pop("flow_parameters", {})
    return policy.compute_key(context(fn, options.pop("run", None)), inputs, parameters, **options)


def test_inputs_count_by_name_and_value_and_not_by_task() -> None:
    assert key(INPUTS, {"x": 1, "y": [1, {"a"}]}) == key(INPUTS, {"y": [1, {"a"}], "x": 1}, load)
    assert len({key(INPUTS, inputs) for inputs in ({"x": 1}, {"x": 1.0}, {"x": True}, {"x": "1"}, {"y": 1})}) == 5
    assert key(INPUTS, {"a": "b", "c": "d"}) != key(INPUTS, {"a": "bc", "d": ""})


def test_without_inputs_there_is_no_key() -> None:
    assert key(INPUTS, {}) is None
    assert key(Inputs(exclude=["x"]), {"x": 1}) is None


def test_the_source_counts_alone_or_in_a_sum() -> None:
    assert key(TASK_SOURCE, {"x": 1}) == key(TASK_SOURCE, {"x": 2})
    assert key(TASK_SOURCE, {}) != key(TASK_SOURCE, {}, load)
    assert key(INPUTS + TASK_SOURCE, {"x": 1}) != key(INPUTS + TASK_SOURCE, {"x": 1}, load)


def test_the_run_is_taken_from_where_it_is_known() -> None:
    run = uuid.UUID(int=7)
    assert key(RUN_ID, {}, run_id=run) == key(RUN_ID, {}, run=run) == str(run)
    assert key(RUN_ID, {}) == str(uuid.UUID(int=9))
    assert RUN_ID.compute_key(SimpleNamespace(), {}, {}) is None


def test_flow_parameters_count() -> None:
    one = key(FLOW_PARAMETERS, {}, flow_parameters={"day": 1})
    assert one == key(FLOW_PARAMETERS, {"x": 1}, flow_parameters={"day": 1})
    assert one != key(FLOW_PARAMETERS, {}, flow_parameters={"day": 2})
    assert key(FLOW_PARAMETERS, {}) is None


def test_the_default_is_inputs_source_and_run() -> None:
    assert INPUTS + TASK_SOURCE + RUN_ID == DEFAULT
    base = key(DEFAULT, {"x": 1}, run_id="1")
    assert base == key(DEFAULT, {"x": 1}, run_id="1")
    assert base not in (key(DEFAULT, {"x": 2}, run_id="1"), key(DEFAULT, {"x": 1}, run_id="2"))
    assert base != key(DEFAULT, {"x": 1}, load, run_id="1")


def test_nothing_is_cached_without_a_policy() -> None:
    assert NONE is NO_CACHE
    assert key(NO_CACHE, {"x": 1}) is None
    assert key(CompoundCachePolicy(), {"x": 1}) is None


# --- sums and differences


def test_sums_are_flat_and_their_order_does_not_count() -> None:
    total = INPUTS + (TASK_SOURCE + RUN_ID)
    assert isinstance(total, CompoundCachePolicy)
    assert total.policies == [INPUTS, TASK_SOURCE, RUN_ID]
    assert total == INPUTS + TASK_SOURCE + RUN_ID
    assert key(INPUTS + TASK_SOURCE, {"x": 1}) == key(TASK_SOURCE + INPUTS, {"x": 1})


def test_no_cache_adds_nothing() -> None:
    assert INPUTS + NO_CACHE is INPUTS
    assert NO_CACHE + INPUTS is INPUTS


def test_taking_an_input_away_gives_a_new_policy() -> None:
    for policy in (INPUTS, INPUTS + TASK_SOURCE, DEFAULT):
        less = policy - "y"
        assert key(less, {"x": 1, "y": 2}) == key(less, {"x": 1, "y": 3}) == key(policy, {"x": 1})
        assert key(less, {"x": 1, "y": 2}) != key(less, {"x": 2, "y": 2})
        assert key(policy, {"x": 1, "y": 2}) != key(policy, {"x": 1, "y": 3})
    less = INPUTS - "a" - "b"
    assert isinstance(less, Inputs)
    assert less.exclude == ["a", "b"]
    assert not INPUTS.exclude
    assert INPUTS.exclude == ()
    assert TASK_SOURCE - "x" == TASK_SOURCE


@pytest.mark.parametrize("wrong", [1, None, "x"])
def test_only_policies_can_be_added(wrong: Any) -> None:
    with pytest.raises(TypeError, match="can be added"):
        INPUTS + wrong


@pytest.mark.parametrize("policy", [INPUTS, TASK_SOURCE, DEFAULT])
def test_only_names_can_be_taken_away(policy: CachePolicy) -> None:
    with pytest.raises(TypeError, match="name of an input"):
        policy - 1  # type: ignore[operator]


def test_configuring_gives_a_copy() -> None:
    locks = MemoryLockManager()
    configured = INPUTS.configure(key_storage="a", lock_manager=locks, isolation_level="SERIALIZABLE")
    assert (configured.key_storage, configured.lock_manager, configured.isolation_level) == (
        "a",
        locks,
        "SERIALIZABLE",
    )
    assert INPUTS.key_storage is None
    assert configured.configure(key_storage="b").lock_manager is locks
    assert key(configured, {"x": 1}) == key(INPUTS, {"x": 1})
    assert (configured - "x").key_storage == "a"


def test_a_sum_has_the_configuration_of_its_parts() -> None:
    total = INPUTS.configure(key_storage="a") + TASK_SOURCE.configure(isolation_level="SERIALIZABLE") + RUN_ID
    assert (total.key_storage, total.isolation_level) == ("a", "SERIALIZABLE")
    assert (INPUTS.configure(key_storage="a") + RUN_ID.configure(key_storage="a")).key_storage == "a"


@pytest.mark.parametrize("name", ["key_storage", "isolation_level", "lock_manager"])
def test_parts_that_contradict_each_other_cannot_be_added(name: str) -> None:
    with pytest.raises(ValueError, match=f"their {name} differs"):
        INPUTS.configure(**{name: "a"}) + TASK_SOURCE.configure(**{name: "b"})


# --- one's own


def test_a_function_may_make_the_key() -> None:
    policy = CachePolicy.from_cache_key_fn(lambda ctx, parameters: f"{ctx.task.fn.__name__}-{parameters['x']}")
    assert isinstance(policy, CacheKeyFnPolicy)
    assert key(policy, {"x": 1}) == "clean-1"
    assert key(policy + INPUTS, {"x": 1}) not in (None, key(INPUTS, {"x": 1}), "clean-1")
    assert key(CachePolicy.from_cache_key_fn(lambda ctx, parameters: None), {"x": 1}) is None


def test_a_policy_may_be_ones_own_class() -> None:
    class ByDay(CachePolicy):
        def compute_key(self, task_ctx: Any, inputs: Any, flow_parameters: Any, **kwargs: Any) -> str | None:
            return str(inputs["day"])

    assert key(ByDay(), {"day": 3}) == "3"
    assert ByDay().configure(key_storage="a").key_storage == "a"
    assert key(ByDay() + TASK_SOURCE, {"day": 3}) != key(ByDay() + TASK_SOURCE, {"day": 4})


def test_a_policy_without_a_rule_says_so() -> None:
    with pytest.raises(TypeError, match="define compute_key"):
        key(CachePolicy(), {"x": 1})


def test_the_hash_of_task_and_arguments() -> None:
    assert task_input_hash(context(), {"x": 1}) == task_input_hash(context(), {"x": 1})
    assert task_input_hash(context(), {"x": 1}) != task_input_hash(context(load), {"x": 1})
    assert task_input_hash(context(), {"x": 1}) != task_input_hash(context(), {"x": 2})


# --- hashing


@pytest.mark.parametrize("value", [threading.Lock(), [threading.Lock()], (n for n in range(3))])
def test_an_input_without_content_is_an_error_that_names_it(value: Any) -> None:
    with pytest.raises(HashError, match=r"argument 'client' .*policy - 'client'"):
        key(INPUTS, {"x": 1, "client": value})
    assert key(INPUTS - "client", {"x": 1, "client": value}) == key(INPUTS, {"x": 1})


def test_an_input_that_is_nested_too_deeply_is_an_error() -> None:
    deep: Any = ()
    for _ in range(10_000):
        deep = (deep,)
    with pytest.raises(HashError, match="nested too deeply"):
        key(INPUTS, {"x": deep})


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.binary(), min_size=1))
def test_the_order_of_inputs_does_not_count(inputs: dict[str, Any]) -> None:
    assert key(INPUTS, inputs) == key(INPUTS, dict(reversed(inputs.items())))


def test_another_process_makes_the_same_key() -> None:
    program = (
        "from types import SimpleNamespace as N\n"
        "from dalsegno.cache_policies import *\n"
        "inputs = {'a': {'x', 'y', 'z'}, 'b': {('p', 1): 2}}\n"
        "print((INPUTS + FLOW_PARAMETERS).compute_key(N(), inputs, {'day': 1}))\n"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    inputs = {"b": {("p", 1): 2}, "a": {"z", "y", "x"}}
    assert shown == {key(INPUTS + FLOW_PARAMETERS, inputs, flow_parameters={"day": 1})}
