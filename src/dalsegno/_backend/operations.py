"""The operations of the Backend protocol as they travel over HTTP: their names, arguments, results and roles.

All of it is read from the protocol's own signatures, so the client and the server cannot disagree. An operation is a
``POST /api/engine/NAME``; its body is the msgpack array of its arguments, in the order of the signature, and the
answer the msgpack of its result.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dalsegno._backend import protocol
from dalsegno.model.ids import id_text
from dalsegno.model.roles import Role
from dalsegno.model.texts import storable

PATH = "/api/engine/"
RESULTS_PATH = "/api/results/"
"""Where the server's own result storage is: files by name, as they are."""
MEDIA_TYPE = "application/msgpack"
COMPRESSED = "deflate"
"""The Content-Encoding of large bodies: zlib."""

# What each needs, and whether doing it twice is the same as doing it once.
_ONCE = frozenset(
    {
        "delete_flow_run",
        "set_variable",
        "unset_variable",
        "claim_runs",
        "claim_tasks",
        "create_limit",
        "delete_limit",
        "request_deployment_run",
        "roll_back_deployment",
        "delete_deployment",
        "create_schedule",
        "delete_schedule",
        "create_pool",
        "delete_pool",
        "create_queue",
        "delete_queue",
        "resume_run",
    }
)
_ROLES: Mapping[str, Role] = {
    "deliver": Role.OPERATOR,
    "heartbeat": Role.OPERATOR,
    "end_process": Role.OPERATOR,
    "wait_for_wish": Role.OPERATOR,
    "open_run": Role.OPERATOR,
    "put_cached": Role.OPERATOR,
    "request_cancel": Role.OPERATOR,
    "set_task_result": Role.OPERATOR,
    "delete_flow_run": Role.OPERATOR,
    "update_artifact": Role.OPERATOR,
    "request_run": Role.OPERATOR,
    "set_priority": Role.OPERATOR,
    "claim_runs": Role.OPERATOR,
    "renew_leases": Role.OPERATOR,
    "give_back": Role.OPERATOR,
    "crash_attempt": Role.OPERATOR,
    "request_task": Role.OPERATOR,
    "claim_tasks": Role.OPERATOR,
    "renew_tasks": Role.OPERATOR,
    "give_back_tasks": Role.OPERATOR,
    "begin_pause": Role.OPERATOR,
    "request_pause": Role.OPERATOR,
    "resume_run": Role.OPERATOR,
    "send_input": Role.OPERATOR,
    "take_input": Role.OPERATOR,
    "acquire_slots": Role.OPERATOR,
    "release_slots": Role.OPERATOR,
    "renew_slots": Role.OPERATOR,
    "reset_limit": Role.OPERATOR,
    "create_limit": Role.EDITOR,
    "update_limit": Role.EDITOR,
    "delete_limit": Role.EDITOR,
    "set_variable": Role.EDITOR,
    "unset_variable": Role.EDITOR,
    "apply_deployment": Role.EDITOR,
    "update_deployment": Role.EDITOR,
    "roll_back_deployment": Role.EDITOR,
    "delete_deployment": Role.EDITOR,
    "create_schedule": Role.EDITOR,
    "update_schedule": Role.EDITOR,
    "delete_schedule": Role.EDITOR,
    "create_pool": Role.EDITOR,
    "update_pool": Role.EDITOR,
    "delete_pool": Role.EDITOR,
    "create_queue": Role.EDITOR,
    "update_queue": Role.EDITOR,
    "delete_queue": Role.EDITOR,
    "request_deployment_run": Role.OPERATOR,
    "note_deployment_problem": Role.OPERATOR,
    "worker_heartbeat": Role.OPERATOR,
    "worker_gone": Role.OPERATOR,
    # It writes only what anybody can see to be so, and commands that list runs begin with it.
    "find_crashed": Role.VIEWER,
    "replay_entries": Role.VIEWER,
    "read_results": Role.VIEWER,
    "read_blob": Role.VIEWER,
    "find_cached": Role.VIEWER,
    "limited_tags": Role.VIEWER,
    "read_limit": Role.VIEWER,
    "find_limit": Role.VIEWER,
    "list_limits": Role.VIEWER,
    "list_slot_holders": Role.VIEWER,
    "read_flow_run": Role.VIEWER,
    "read_task_run": Role.VIEWER,
    "list_flow_runs": Role.VIEWER,
    "list_task_runs": Role.VIEWER,
    "count_task_runs": Role.VIEWER,
    "list_logs": Role.VIEWER,
    "list_flows": Role.VIEWER,
    "list_artifacts": Role.VIEWER,
    "read_artifact": Role.VIEWER,
    "change_token": Role.VIEWER,
    "wait_for_change": Role.VIEWER,
    "wait_for_work": Role.VIEWER,
    "read_deployment": Role.VIEWER,
    "find_deployment": Role.VIEWER,
    "list_deployments": Role.VIEWER,
    "list_deployment_versions": Role.VIEWER,
    "explain_wait": Role.VIEWER,
    "find_pool": Role.VIEWER,
    "list_pools": Role.VIEWER,
    "list_queues": Role.VIEWER,
    "list_workers": Role.VIEWER,
    "read_pause": Role.VIEWER,
    "list_pauses": Role.VIEWER,
    "get_variable": Role.VIEWER,
    "list_variables": Role.VIEWER,
}
# What running flows do all the time by themselves; any other that takes more than a viewer is somebody's change.
_NOT_AUDITED = frozenset(
    {
        "deliver",
        "heartbeat",
        "end_process",
        "put_cached",
        "wait_for_wish",
        "begin_pause",
        "send_input",
        "take_input",
        "request_task",
        "claim_tasks",
        "renew_tasks",
        "give_back_tasks",
        "worker_heartbeat",
        "worker_gone",
    }
)
_NOT_REMOTE = frozenset({"url", "close", "clean_up", "tend"})


class NoArguments(ValueError):
    """What was sent is not what the operation takes."""


class Operation:
    """One operation: how its arguments are packed and its result is read."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        hints = typing.get_type_hints(function, include_extras=True)
        self.name = name
        self.role = _ROLES[name]
        self.repeatable = name not in _ONCE
        self.audited = self.role > Role.VIEWER and name not in _NOT_AUDITED
        parameters = list(inspect.signature(function).parameters.values())
        self._signature = inspect.Signature(parameters)
        self._keywords = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
        self._count = len(parameters) - 1 - len(self._keywords)
        types = [hints[each.name] for each in parameters[1:]]
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode_arguments = msgspec.msgpack.Decoder(tuple[tuple(types)] if types else tuple[()]).decode
        self._decode_result = msgspec.msgpack.Decoder(hints["return"]).decode

    def pack_arguments(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bytes:
        """Return the body of a call. Raises TypeError if the arguments do not fit the signature."""
        bound = self._signature.bind(None, *arguments, **keywords)
        bound.apply_defaults()
        values = list(bound.arguments.values())[1:]
        try:
            return self._encode(values)
        except UnicodeEncodeError:
            return self._encode(storable(msgspec.to_builtins(values, builtin_types=(bytes,))))

    def call(self, backend: Any, body: bytes) -> bytes:
        """Perform a call that `pack_arguments` packed. Raises NoArguments where the body is none."""
        values = self.read_arguments(body)
        keywords = dict(zip(self._keywords, values[self._count :], strict=True))
        return self._encode(getattr(backend, self.name)(*values[: self._count], **keywords))

    def read_arguments(self, body: bytes) -> tuple[Any, ...]:
        """Return the arguments of a call that `pack_arguments` packed. Raises NoArguments."""
        try:
            return self._decode_arguments(body)
        except RecursionError as error:
            raise NoArguments("The arguments are nested too deeply.") from error
        except msgspec.DecodeError as error:
            raise NoArguments(str(error)) from error

    def target(self, body: bytes) -> str | None:
        """Return what a call changes, for the audit log: the id or name in its first argument; None: no such thing."""
        try:
            values = msgspec.msgpack.decode(body, type=list[Any])
        except (msgspec.DecodeError, RecursionError):
            return None
        first = values[0] if values else None
        if isinstance(first, dict):
            fields = typing.cast("dict[str, Any]", first)
            first = fields.get("flow_run_id") or fields.get("id") or fields.get("name")
        if isinstance(first, bytes) and len(first) == 16:
            return id_text(first)
        return first if isinstance(first, str) else None

    def read_result(self, body: bytes) -> Any:
        """Return the result that a call gave back."""
        return self._decode_result(body)


@functools.cache
def operations() -> Mapping[str, Operation]:
    """Return the operations that can be called over HTTP, by name."""
    found = vars(protocol.Backend).items()
    return {
        name: Operation(name, function)
        for name, function in found
        if inspect.isfunction(function) and not name.startswith("_") and name not in _NOT_REMOTE
    }
