"""Keeping results: what a run gave is turned into bytes that stand in its row, or are referred to there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from dalsegno._engine import logs
from dalsegno._engine.states import Lazy
from dalsegno.exceptions import ConfigurationError, SerializationError, StorageError
from dalsegno.results.encoding import decode_result, encode_result, run_address
from dalsegno.results.limits import current_limits
from dalsegno.results.signing import KEY_FILE, Signer
from dalsegno.serializers import main_of

if TYPE_CHECKING:
    from dalsegno._engine.runs import FlowRun, Run
    from dalsegno._engine.session import Session
    from dalsegno._engine.task_life import TaskExecution

_encode = msgspec.msgpack.Encoder().encode
# Values of these types are plain whatever they hold; what is longer than a row may hold goes the long way.
_SHORT = frozenset({int, float, bool, type(None)})
_NONE = b"\x01\xc0"


class Keeper:
    """Encodes and loads the results of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._limits = current_limits()
        self._short = frozenset[type]() if self._limits.encryption_keys else _SHORT
        self.signer = signer()
        self.script: Callable[[], ModuleType] | None = None
        """Gives the module that was `__main__` where the run began, if that is not this program's own."""

    def keep_task_result(self, x: TaskExecution, value: Any) -> None:
        """Set `x.run.result`, if the task's results are kept; bytes that the row refers to go to the journal."""
        if not x.persist:
            return
        task = x.task
        default = task.result_serializer is None and task.result_storage is None and task.result_storage_key is None
        if default and type(value) in self._short:
            if value is None:
                x.run.result = _NONE
                return
            try:
                x.run.result = b"\x01" + _encode(value)
                return
            except OverflowError:
                pass  # an integer of more than 64 bits
        try:
            key = None if task.result_storage_key is None else storage_key(task.result_storage_key, x)
        except ConfigurationError as error:
            self._not_kept(x.run, error)
            return
        self.keep(
            x.run,
            value,
            serializer=task.result_serializer or x.default_serializer,
            storage=task.result_storage or x.default_storage,
            storage_key=key,
        )

    def keep(
        self, run: Run, value: Any, *, serializer: Any = None, storage: Any = None, storage_key: str | None = None
    ) -> None:
        """Set `run.result`; what cannot be kept is said in the log, and is no failure."""
        session = self._session
        try:
            encoded = encode_result(
                value,
                task_run_id=run.id_bytes,
                run_count=run.run_count,
                root_run_id=session.root_run_id,
                signer=self.signer,
                serializer=serializer,
                storage=None if storage is None else str(storage),
                storage_key=storage_key,
                limits=self._limits,
            )
        except (SerializationError, StorageError) as error:
            self._not_kept(run, error)
            return
        if encoded.blob is not None:
            session.journal.add_blob(encoded.blob)
        run.result = encoded.packed

    def _not_kept(self, run: Run, error: Exception) -> None:
        run.result = None
        run.note("result", str(error))
        logs.write(
            run, logging.WARNING, "The result of %r is not kept, so it runs again on a retry: %s", run.name, error
        )

    def keep_parameters(self, run: FlowRun, parameters: dict[str, Any]) -> None:
        """Set `run.parameters_packed`, so that the run can be executed again; None where they cannot be stored."""
        try:
            encoded = encode_result(
                parameters,
                task_run_id=run.id_bytes,
                run_count=0,
                root_run_id=self._session.root_run_id,
                signer=self.signer,
                limits=self._limits,
            )
        except (SerializationError, StorageError) as error:
            run.note("parameters", str(error))
            return
        if encoded.blob is not None:
            self._session.journal.add_blob(encoded.blob)
        run.parameters_packed = encoded.packed

    def load(self, packed: bytes, run_id: bytes | None = None, run_count: int = 0, root: bytes | None = None) -> Any:
        """Return the value of a packed result; with a run, only if it was signed as that run's."""
        address = None if run_id is None else run_address(root or self._session.root_run_id, run_id, run_count)
        return self.decode(packed, address)

    def decode(self, packed: bytes, address: bytes | None) -> Any:
        """Return the value of a packed result that was signed for an address."""
        with main_of(self.script):
            return decode_result(packed, read_blob=self._session.backend.read_blob, signer=self.signer, address=address)

    def forget(self, run: Run) -> None:
        """Drop a value from memory; it is loaded when it is asked for."""
        packed = run.result
        if packed is not None:
            run.value = Lazy(lambda: self.load(packed))


def storage_key(template: str, x: TaskExecution) -> str:
    """Render a `result_storage_key`: a template over ``parameters``, ``flow_run`` and ``task_run``."""
    flow_run = None if x.flow_scope is None else x.flow_scope.flow_run
    try:
        return template.format(parameters=x.parameters, flow_run=flow_run, task_run=x.run)
    except (KeyError, AttributeError, IndexError, ValueError) as error:
        raise ConfigurationError(
            f"result_storage_key {template!r} of task {x.task.name!r} cannot be filled in: {error!r}. It may use "
            "{parameters[NAME]}, {flow_run.NAME} and {task_run.NAME}."
        ) from error


_signers: dict[Any, Signer] = {}


def signer() -> Signer:
    """Return the signer with the keys of the home folder."""
    from dalsegno.settings import get_current_settings

    path = get_current_settings().home / KEY_FILE
    if path not in _signers:
        _signers[path] = Signer(path)
    return _signers[path]
