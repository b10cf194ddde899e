"""Results that are kept, and those that are used again across runs."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.behaviour.bodies import OutOfStock

from dalsegno import flow, task
from dalsegno.cache_policies import DEFAULT, FLOW_PARAMETERS, INPUTS, NO_CACHE, RUN_ID, TASK_SOURCE
from dalsegno.locking.memory import MemoryLockManager
from dalsegno.runtime import flow_run
from dalsegno.serializers import JSONSerializer
from dalsegno.states import Failed
from dalsegno.testing import FakeClock


class Counted:
    """Makes tasks that count how often their body ran, and give that number."""

    def __init__(self) -> None:
        self.runs = 0

    def task(self, **options: Any) -> Any:
        @task(**options)
        def load(day: Any = "monday", unit: Any = "kilo") -> int:
            self.runs += 1
            return self.runs

        return load


@pytest.mark.behaviour(83)
def test_by_default_every_call_runs() -> None:
    load = Counted().task()

    @flow
    def orders() -> Any:
        return load(), load(), load.submit().result()

    assert orders() == (1, 2, 3)
    assert orders() == (4, 5, 6)


@pytest.mark.behaviour(83)
def test_the_default_policy_given_by_hand_caches_within_a_flow_run() -> None:
    load = Counted().task(cache_policy=DEFAULT)

    @flow
    def orders() -> list[Any]:
        return [load(), load(return_state=True).name, load("tuesday")]

    assert orders() == [1, "Cached", 2]
    assert orders() == [3, "Cached", 4]


@pytest.mark.behaviour(84)
@pytest.mark.parametrize(
    "options",
    [
        {"cache_policy": INPUTS},
        {"cache_key_fn": lambda *_: "k"},
        {"result_serializer": JSONSerializer()},
        {"result_storage_key": "k"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_about_results_turn_keeping_them_on(options: dict[str, Any]) -> None:
    assert task(**options)(lambda: None).persist_result is True
    assert task(cache_policy=NO_CACHE)(lambda: None).persist_result is None
    assert task(cache_policy=None)(lambda: None).persist_result is None


@pytest.mark.behaviour(84)
def test_a_policy_for_results_that_are_not_kept_is_dropped_with_a_warning() -> None:
    counted = Counted()
    with pytest.warns(UserWarning, match="nothing is cached"):
        load = counted.task(cache_policy=INPUTS, persist_result=False)
    assert (load(), load()) == (1, 2)


@pytest.mark.behaviour(85)
def test_a_hit_is_cached_and_does_not_run_the_body() -> None:
    load = Counted().task(cache_policy=INPUTS)
    assert load() == 1
    state = load(return_state=True)
    assert (state.name, state.type.value, state.result()) == ("Cached", "COMPLETED", 1)


@pytest.mark.behaviour(85)
def test_none_is_cached_and_failures_are_not() -> None:
    runs: list[str] = []

    @task(cache_policy=INPUTS)
    def nothing(day: str) -> None:
        runs.append("nothing")

    @task(cache_policy=INPUTS)
    def failing(day: str) -> Any:
        runs.append("failing")
        if len(runs) % 2:
            raise OutOfStock
        return Failed()

    assert nothing("monday") is nothing("monday") is None
    assert runs == ["nothing"]
    for _ in range(3):
        assert failing("tuesday", return_state=True).is_failed()
    assert runs == ["nothing", "failing", "failing", "failing"]


@pytest.mark.behaviour(86)
def test_inputs_alone_do_not_tell_tasks_apart() -> None:
    first, second = task(cache_policy=INPUTS)(lambda day: "first"), task(cache_policy=INPUTS)(lambda day: "second")
    assert (first("monday"), second("monday")) == ("first", "first")
    source = INPUTS + TASK_SOURCE
    third, fourth = (
        task(cache_policy=source)(lambda day: "third"),
        task(cache_policy=source)(lambda day: "fourth " + day),
    )
    assert (third("monday"), fourth("monday")) == ("third", "fourth monday")


@pytest.mark.behaviour(86)
def test_the_order_of_keys_does_not_matter_and_without_inputs_there_is_no_key() -> None:
    load = Counted().task(cache_policy=INPUTS)
    assert load({"a": 1, "b": 2}) == load({"b": 2, "a": 1}) == 1
    runs: list[int] = []
    without = task(cache_policy=INPUTS)(lambda: runs.append(1))
    without()
    without()
    assert runs == [1, 1]


@pytest.mark.behaviour(87)
def test_policies_add_and_leave_inputs_out() -> None:
    load = Counted().task(cache_policy=INPUTS - "unit")
    assert load("monday", unit="kilo") == load("monday", unit="pound") == 1
    whole = Counted().task(cache_policy=INPUTS)
    assert (whole("tuesday", unit="kilo"), whole("tuesday", unit="pound")) == (1, 2)
    nested = (INPUTS + TASK_SOURCE) + (RUN_ID + FLOW_PARAMETERS)
    assert len(nested.policies) == 4
    assert INPUTS + NO_CACHE == INPUTS


@pytest.mark.behaviour(87)
def test_configuring_gives_a_copy_and_conflicts_are_refused(tmp_path: Path) -> None:
    there = INPUTS.configure(key_storage=tmp_path / "a", lock_manager=MemoryLockManager())
    assert INPUTS.key_storage is None
    assert there.key_storage == tmp_path / "a"
    with pytest.raises(ValueError, match="key_storage"):
        there + TASK_SOURCE.configure(key_storage=tmp_path / "b")


@pytest.mark.behaviour(87)
def test_a_policy_can_keep_its_results_in_a_folder_of_its_own(tmp_path: Path) -> None:
    load = Counted().task(cache_policy=INPUTS.configure(key_storage=tmp_path / "results"))
    assert (load(), load(return_state=True).name) == (1, "Cached")


@pytest.mark.behaviour(88)
def test_a_key_function_gets_the_resolved_parameters_and_wins() -> None:
    seen: list[Any] = []

    def key(context: Any, parameters: dict[str, Any]) -> str:
        seen.append((context.task.name, parameters))
        return f"of {parameters['day']}"

    with pytest.warns(UserWarning, match="cache_key_fn"):
        load = Counted().task(cache_key_fn=key, cache_policy=RUN_ID)

    @flow
    def orders() -> Any:
        return load(task(lambda: "monday").submit(), "kilo"), load("monday", "pound")

    assert orders() == (1, 1)
    assert orders() == (1, 1)
    assert seen[0] == ("load", {"day": "monday", "unit": "kilo"})


def failing_key(*_: Any) -> str:
    raise OutOfStock("of keys")


@pytest.mark.behaviour(88)
@pytest.mark.parametrize("key", [lambda *_: None, failing_key], ids=["none", "an error"])
def test_without_a_key_the_task_runs_uncached(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    load = Counted().task(cache_key_fn=key)
    assert (load(), load()) == (1, 2)
    assert ("of keys" in caplog.text) == (key is failing_key)


@pytest.mark.behaviour(88)
def test_what_cannot_be_hashed_is_logged_and_not_cached(caplog: pytest.LogCaptureFixture) -> None:
    load = Counted().task(cache_policy=INPUTS)
    lock = threading.Lock()
    assert (load(lock), load(lock)) == (1, 2)
    assert "day" in caplog.text


@pytest.mark.behaviour(89)
def test_an_entry_expires_counted_from_when_it_was_written(clock: FakeClock) -> None:
    load = Counted().task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))
    assert load() == 1
    clock.advance(timedelta(minutes=59))
    assert load() == 1
    clock.advance(timedelta(minutes=2))
    assert (load(), load()) == (2, 2)


@pytest.mark.behaviour(89)
def test_refreshing_runs_and_overwrites() -> None:
    load = Counted().task(cache_policy=INPUTS)
    assert load() == 1
    assert load.with_options(refresh_cache=True)() == 2
    assert load() == 2


@pytest.mark.behaviour(90)
def test_a_result_that_cannot_be_kept_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lock = threading.Lock()

    @flow
    def orders() -> Any:
        return task(name="make a lock")(lambda: lock)()

    assert orders() is lock
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert any("make a lock" in record.getMessage() for record in warned)


@pytest.mark.behaviour(90)
def test_a_task_whose_result_is_lost_runs_again(tmp_path: Path) -> None:
    counted = Counted()
    folder = tmp_path / "results"
    load = counted.task(result_storage=folder)

    @flow(retries=1)
    def orders() -> Any:
        value = load()
        if flow_run.run_count == 1:
            shutil.rmtree(folder)
            raise OutOfStock
        return value

    assert orders() == 2


@pytest.mark.behaviour(90)
def test_a_result_that_was_dropped_from_memory_is_read_when_asked_for() -> None:
    @flow
    def orders() -> Any:
        load = task(cache_result_in_memory=False)(lambda: [1, 2])
        not_kept = task(cache_result_in_memory=False, persist_result=False)(lambda: [1, 2])
        future = not_kept.submit()
        return load.submit().result(), load(), future.result()

    assert orders() == ([1, 2], [1, 2], [1, 2])


@pytest.mark.behaviour(91)
def test_a_storage_key_is_a_template_and_the_same_key_is_the_same_result() -> None:
    load = Counted().task(result_storage_key="of-{parameters[day]}")
    assert load("monday", "kilo") == load("monday", "pound") == 1
    assert load("tuesday") == 2

    named = Counted().task(result_storage_key="{flow_run.flow_name}-{parameters[day]}")

    def body() -> Any:
        return named("monday")

    first, second = flow(name="first")(body), flow(name="second")(body)
    assert (first(), second(), first()) == (1, 2, 1)
