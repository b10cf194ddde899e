"""Caching across runs: results under keys that a policy computes from the inputs, the source, the run ..."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from dalsegno._engine import logs
from dalsegno._engine.context import TaskRunContext
from dalsegno._engine.keeping import storage_key
from dalsegno._engine.runs import COMPLETED, RUNNING, now
from dalsegno._engine.states import MISSING
from dalsegno._engine.steps import Block, Step
from dalsegno.exceptions import ConfigurationError, DalsegnoException, EncryptionKeyError
from dalsegno.model.ids import id_text
from dalsegno.model.views import CacheEntry
from dalsegno.results.encoding import cache_address, decode_result, encode_result

if TYPE_CHECKING:
    from dalsegno._engine.task_life import TaskExecution


class CachePlan:
    """What is to be done with the result of one call: under which key it is looked up and written."""

    def __init__(self, x: TaskExecution, key: str) -> None:
        self.x = x
        self.key = key
        policy = x.task.cache_policy
        self.storage = None if policy is None or policy.key_storage is None else str(policy.key_storage)
        self.lock = None if policy is None else _lock_of(policy, x.task.name)
        self.holder = id_text(x.run.id_bytes)
        expiration = x.task.cache_expiration
        self.lifetime = None if expiration is None else round(expiration.total_seconds() * 1e6)

    @property
    def stored_key(self) -> str:
        """The key in the table of entries; entries of another storage do not meet those of the database."""
        return self.key if self.storage is None else f"{self.storage}#{self.key}"

    def read(self) -> tuple[bytes, Any] | None:
        """Return what is stored under the key, packed and as a value; None for a miss."""
        entry = self.x.session.backend.find_cached(self.stored_key)
        if entry is None or (entry.expires is not None and entry.expires <= now()):
            return None
        try:
            keeper = self.x.session.keeper
            value = decode_result(
                entry.result,
                read_blob=self.x.session.backend.read_blob,
                signer=keeper.signer,
                address=cache_address(self.stored_key),
            )
        except EncryptionKeyError:
            raise  # there is a result: to run the task again unasked would be to do its work twice
        except DalsegnoException as error:
            logs.write(self.x.run, logging.WARNING, "The cached result is not used, the task runs: %s", error)
            return None
        return entry.result, value

    def write(self) -> None:
        """Write the result under the key."""
        x = self.x
        task = x.task
        stamp = now()
        encoded = encode_result(
            x.run.value,
            task_run_id=x.run.id_bytes,
            run_count=x.run.run_count,
            root_run_id=x.session.root_run_id,
            signer=x.session.keeper.signer,
            serializer=task.result_serializer or x.default_serializer,
            storage=self.storage or task.result_storage or x.default_storage,
            key_address=cache_address(self.stored_key),
        )
        entry = CacheEntry(
            key=self.stored_key,
            result=encoded.packed,
            task_run_id=x.run.id_bytes,
            created=stamp,
            expires=None if self.lifetime is None else stamp + self.lifetime,
        )
        x.session.backend.put_cached(entry, None if encoded.blob is None else encoded.blob.data)

    def acquire(self) -> None:
        """Hold the key, where the policy is serializable."""
        if self.lock is not None:
            self.lock.acquire_lock(self.key, self.holder)

    def release(self) -> None:
        """Let go of the key."""
        if self.lock is not None and self.lock.is_lock_holder(self.key, self.holder):
            self.lock.release_lock(self.key, self.holder)


def find(x: TaskExecution) -> Generator[Step, Any, bool]:
    """Look a call up. True: it is answered, and the run is Cached; else `x.cache` says where its result goes."""
    settings = x.session.settings.tasks
    if settings.disable_caching or not x.persist:
        return False
    key = _key(x)
    if key is None:
        return False
    x.run.note("cache_key", key)
    plan = CachePlan(x, key)
    refresh = x.task.refresh_cache if x.task.refresh_cache is not None else settings.refresh_cache
    found = None if refresh else (yield Block(plan.read))
    if found is None and plan.lock is not None:
        yield Block(plan.acquire)
        found = None if refresh else (yield Block(plan.read))
        if found is not None:
            plan.release()
    if found is None:
        x.cache = plan
        return False
    run = x.run
    run.result, run.value = found
    run.start_time_us = stamp = now()
    run.history.append((RUNNING, stamp))
    run.end_time_us = stamp
    run.history.append((COMPLETED, stamp, "Cached"))
    run.touch()
    x.session.links.note(run.value, run.id_bytes, run.execution_id, len(run.result or b""))
    return True


def store(x: TaskExecution) -> Generator[Step, Any, None]:
    """Write the result of a call that was not answered; a failed one only gives up its lock."""
    plan = x.cache
    assert plan is not None
    run = x.run
    entry = run.history[-1]
    try:
        if entry[0] == COMPLETED and run.value is not MISSING and (len(entry) < 3 or entry[2] != "Fallback"):
            yield Block(plan.write)
    except DalsegnoException as error:
        logs.write(run, logging.WARNING, "The result is not cached: %s", error)
    finally:
        plan.release()


def _key(x: TaskExecution) -> str | None:
    flow_scope = x.flow_scope
    context = TaskRunContext(
        x.session, x.task, x.run, x.parameters, x.task.is_async, flow_scope, False, x.submissions, x.parent
    )
    if x.task.result_storage_key is not None and x.task.cache_policy is None:
        return storage_key(x.task.result_storage_key, x)
    try:
        return x.task.cache_policy.compute_key(
            task_ctx=context,
            inputs=x.parameters,
            flow_parameters={} if flow_scope is None else flow_scope.parameters,
            run_id=id_text(x.run.id_bytes if flow_scope is None else flow_scope.flow_run.id_bytes),
        )
    except Exception as error:
        logs.write(x.run, logging.ERROR, "No cache key could be computed, so the task runs uncached: %r", error)
        return None


def _lock_of(policy: Any, task_name: str) -> Any:
    """Return the lock manager of a policy that lets one run at a time compute a key; else None."""
    if getattr(policy.isolation_level, "name", policy.isolation_level) != "SERIALIZABLE":
        return None
    if policy.lock_manager is None:
        raise ConfigurationError(
            f"The cache policy of task {task_name!r} is SERIALIZABLE but has no lock manager: give it one with "
            "policy.configure(lock_manager=FileSystemLockManager(folder))."
        )
    return policy.lock_manager
