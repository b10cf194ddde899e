"""Inputs of running flows: models of what people are asked for, and messages between flow runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec
import pydantic

from dalsegno._backend.connect import connect
from dalsegno._backend.run_waiting import RunId
from dalsegno._engine import messaging
from dalsegno._engine.awaiting import in_thread
from dalsegno._engine.context import FlowRunContext
from dalsegno._engine.dispatch import in_async_context
from dalsegno._engine.drivers import driven, driven_async
from dalsegno._engine.wanted import Wanted, automatic_json, name_of
from dalsegno.model.ids import id_text, new_id, parse_id
from dalsegno.model.pauses import SendInput, TakeInput
from dalsegno.tasks import task

__all__ = ["InputMetadata", "InputReceiver", "RunInput", "WithMetadata", "receive_input", "send_input"]

T = TypeVar("T")

_SENDER = "dalsegno.flow-run."
"""What the name of a sender begins with that is a flow run."""


class InputMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an input that was received."""

    key: str
    sender: str | None
    """``"dalsegno.flow-run."`` and its id, if a flow run sent it, or what the sender called itself."""
    receiver: str
    """The id of the flow run that it was sent to."""


class WithMetadata(msgspec.Struct, Generic[T]):
    """An input that is no model, with what is known of it."""

    value: T
    metadata: InputMetadata

    def respond(self, run_input: Any, sender: str | None = None, key_prefix: str | None = None) -> Any:
        """Send an input to the flow run that sent this one. Raises RuntimeError if no flow run did."""
        return _respond(self.metadata, run_input, sender, key_prefix)


class RunInput(pydantic.BaseModel):
    """Base of models that are asked for by `pause_flow_run(wait_for_input=...)`, or sent to flow runs.

    Example:
        >>> class Approval(RunInput):
        ...     approved: bool
        ...     reason: str = ""
        >>> pause_flow_run(wait_for_input=Approval.with_initial_data("Publish the report?", reason="It looks well."))
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    input_description: ClassVar[str | None] = None
    input_name: ClassVar[str | None] = None
    _metadata: InputMetadata | None = pydantic.PrivateAttr(default=None)

    @property
    def metadata(self) -> InputMetadata | None:
        """What is known of it, if it was received."""
        return self._metadata

    @classmethod
    def with_initial_data(cls, description: str | None = None, **kwargs: Any) -> type[Self]:
        """Return the model with other defaults, and with a text for those who are asked.

        Raises TypeError if there is no such field.
        """
        unknown = kwargs.keys() - cls.model_fields.keys()
        if unknown:
            raise TypeError(f"{cls.__name__} has no field {', '.join(map(repr, sorted(unknown)))}.")
        fields: dict[str, Any] = {name: (cls.model_fields[name].annotation, value) for name, value in kwargs.items()}
        made = pydantic.create_model(cls.__name__, __base__=cls, __module__=cls.__module__, **fields)
        made.input_name = name_of(cls)
        made.input_description = description if description is not None else cls.input_description
        return made

    @classmethod
    def receive(
        cls,
        timeout: float | None = 3600,
        poll_interval: float = 10,
        raise_timeout_error: bool = False,
        exclude_keys: Iterable[str] | None = None,
        key_prefix: str | None = None,
        flow_run_id: RunId | None = None,
    ) -> InputReceiver[Self]:
        """Receive inputs of this model; see `receive_input`."""
        return receive_input(cls, timeout, poll_interval, raise_timeout_error, exclude_keys, key_prefix, flow_run_id)

    def send_to(self, flow_run_id: RunId, sender: str | None = None, key_prefix: str | None = None) -> Any:
        """Send it to a flow run; see `send_input`."""
        return send_input(self, flow_run_id, sender, key_prefix)

    def respond(self, run_input: Any, sender: str | None = None, key_prefix: str | None = None) -> Any:
        """Send another input to the flow run that sent this one. Raises RuntimeError if no flow run did."""
        return _respond(self._metadata, run_input, sender, key_prefix)


def send_input(run_input: Any, flow_run_id: RunId, sender: str | None = None, key_prefix: str | None = None) -> Any:
    """Send an input to a flow run, which takes it with `receive_input`. In a coroutine it is to be awaited.

    In a run it is a recorded step: when the body runs again, nothing is sent again.

    Args:
        run_input: A model, or any value that is JSON.
        flow_run_id: Of the run that it is for.
        sender: Who sends it; by default the flow run around the call.
        key_prefix: The name under which it is received; by default that of its type.

    Raises:
        ObjectNotFound: There is no such run.
        StateConflict: It has ended.

    Example:
        >>> send_input("Berlin", flow_run_id)
    """
    here = FlowRunContext.get()
    if sender is None and here is not None:
        sender = _SENDER + str(here.flow_run.id)
    target, prefix = parse_id(flow_run_id), key_prefix or name_of(type(run_input))
    value = automatic_json(run_input)
    if messaging.scope_of_run() is not None:
        return (_send_async if in_async_context() else _send)(id_text(target), prefix, value, sender)
    message = SendInput(id=new_id(), flow_run_id=target, prefix=prefix, value=value, sender=sender)
    if in_async_context():
        return in_thread(_send_now, message)
    return _send_now(message)


def receive_input(
    input_type: Any,
    timeout: float | None = 3600,
    poll_interval: float = 10,
    raise_timeout_error: bool = False,
    exclude_keys: Iterable[str] | None = None,
    key_prefix: str | None = None,
    flow_run_id: RunId | None = None,
    with_metadata: bool = False,
) -> InputReceiver[Any]:
    """Receive the inputs of a type that are sent to a flow run: iterate over what this gives, plainly or with
    ``async for``.

    Each input is taken once: another receiver, or another attempt of the run, does not get it again; what was received
    is recorded, so a body that runs again gets the same inputs as before.

    Args:
        input_type: A pydantic model (such as a `RunInput`), or another type.
        timeout: Seconds to wait for each; then there are no more. None: as long as it takes.
        poll_interval: Has no effect: who waits is woken when something is sent.
        raise_timeout_error: Raise TimeoutError when the time is up.
        exclude_keys: Keys of inputs that are left to others.
        key_prefix: The name under which they were sent; by default that of the type.
        flow_run_id: The run that they were sent to; by default the one around the call.
        with_metadata: Give inputs that are no models as `WithMetadata`.

    Raises:
        RuntimeError: There is no flow run around the call, and none is named.

    Example:
        >>> for city in receive_input(str, timeout=60):
        ...     greet(city)
    """
    here = FlowRunContext.get()
    if flow_run_id is None and here is None:
        raise RuntimeError("Inputs of which flow run? Outside of a flow, receive_input needs its flow_run_id.")
    target = here.flow_run.id_bytes if flow_run_id is None and here is not None else parse_id(flow_run_id or b"")
    return InputReceiver(
        input_type, target, key_prefix or name_of(input_type), timeout, raise_timeout_error, exclude_keys, with_metadata
    )


class InputReceiver(Generic[T]):
    """Gives the inputs of a flow run, one after another, as they come. Made by `receive_input`."""

    def __init__(
        self,
        input_type: Any,
        flow_run_id: bytes,
        prefix: str,
        timeout: float | None,
        raise_timeout_error: bool,
        exclude_keys: Iterable[str] | None,
        with_metadata: bool,
    ) -> None:
        self._wanted = Wanted(input_type)
        self._flow_run_id = flow_run_id
        self._prefix = prefix
        self._timeout = timeout
        self._raises = raise_timeout_error
        self._exclude = sorted(exclude_keys or ())
        self._with_metadata = with_metadata

    def next(self) -> T:
        """Return the next input. Raises TimeoutError."""
        if messaging.scope_of_run() is not None:
            return self._read(_receive(id_text(self._flow_run_id), self._prefix, self._exclude, self._timeout))
        return self._read(driven(messaging.receive_outside(connect(), self._request(), self._timeout)))

    async def anext(self) -> T:
        """Return the next input. Raises TimeoutError."""
        if messaging.scope_of_run() is not None:
            name = id_text(self._flow_run_id)
            return self._read(await _receive_async(name, self._prefix, self._exclude, self._timeout))
        return self._read(await driven_async(messaging.receive_outside(connect(), self._request(), self._timeout)))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self.next()
        except _NothingCame:
            if self._raises:
                raise
            raise StopIteration from None

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.anext()
        except _NothingCame:
            if self._raises:
                raise
            raise StopAsyncIteration from None

    def _request(self) -> TakeInput:
        return TakeInput(id=new_id(), flow_run_id=self._flow_run_id, prefix=self._prefix, exclude=self._exclude)

    def _read(self, received: Any) -> Any:
        if received is None:
            raise _NothingCame(f"No input {self._prefix!r} came within {self._timeout:g} seconds.")
        key, value, sender = received
        made = self._wanted.read(value)
        metadata = InputMetadata(key=key, sender=sender, receiver=id_text(self._flow_run_id))
        if isinstance(made, RunInput):
            made._metadata = metadata  # pyright: ignore[reportPrivateUsage]
            return made
        return WithMetadata(made, metadata) if self._with_metadata else made


class _NothingCame(TimeoutError):
    """No input came in time."""


def _respond(metadata: InputMetadata | None, run_input: Any, sender: str | None, key_prefix: str | None) -> Any:
    if metadata is None or metadata.sender is None or not metadata.sender.startswith(_SENDER):
        raise RuntimeError("There is nobody to respond to: this input was not received from a flow run.")
    return send_input(run_input, metadata.sender.removeprefix(_SENDER), sender, key_prefix)


def _send_now(message: SendInput) -> None:
    connect().send_input(message)


@task(name="send_input", retries=0, persist_result=True)
def _send(flow_run_id: str, prefix: str, value: str, sender: str | None) -> None:
    driven(messaging.send(parse_id(flow_run_id), prefix, value, sender))


@task(name="send_input", retries=0, persist_result=True)
async def _send_async(flow_run_id: str, prefix: str, value: str, sender: str | None) -> None:
    await driven_async(messaging.send(parse_id(flow_run_id), prefix, value, sender))


@task(name="receive_input", retries=0, persist_result=True)
def _receive(flow_run_id: str, prefix: str, exclude: list[str], timeout: float | None) -> Any:
    return driven(messaging.receive(parse_id(flow_run_id), prefix, exclude, timeout))


@task(name="receive_input", retries=0, persist_result=True)
async def _receive_async(flow_run_id: str, prefix: str, exclude: list[str], timeout: float | None) -> Any:
    return await driven_async(messaging.receive(parse_id(flow_run_id), prefix, exclude, timeout))
