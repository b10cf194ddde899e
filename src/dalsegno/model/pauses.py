"""Pauses of runs, and the inputs that are sent to them: what a run asks the store, and what it is told."""

from __future__ import annotations

from typing import Literal

import msgspec

PauseKind = Literal["pause", "suspend", "sleep"]
"""``pause``: its process waits; ``suspend``: it has none, and waits for somebody; ``sleep``: or for a time."""

EXPIRED = "The flow was failed and never resumed."
"""The message of a run whose pause was over before somebody resumed it."""


class BeginPause(msgspec.Struct, kw_only=True):
    """Says that a run waits from now on. Saying it twice is saying it once: the pause is known by its step's id."""

    id: bytes
    """Of the step: the id of its task run."""
    flow_run_id: bytes
    """The flow run in whose body the step stands."""
    attempt: int
    kind: PauseKind
    execution: int = 1
    """How often the step was begun. A step that begins anew after its time was up gets the whole time again."""
    timeout: float | None = None
    """Seconds after which the pause is over; None: never."""
    key: str | None = None
    """A name by which it can be resumed where several wait."""
    schema: str | None = None
    """The JSON schema of the input that is wanted; None: none is."""
    description: str | None = None
    """What people are told of the input."""
    refused: str | None = None
    """Why the answer that was given cannot be used: the pause waits for another."""


class PauseView(msgspec.Struct, kw_only=True):
    """A pause."""

    id: bytes
    flow_run_id: bytes
    kind: PauseKind
    key: str | None
    schema: str | None
    description: str | None
    begun: int
    deadline: int | None
    """When it is over (microseconds); of a sleep, when the run goes on."""
    left: float | None
    """Seconds until then, never below 0."""
    answered: int | None
    """When it was resumed; None: it waits."""
    answer: str | None
    """The input, as JSON."""
    problem: str | None
    """Why an earlier answer could not be used."""


class ResumeRun(msgspec.Struct, kw_only=True):
    """Asks for a run that waits to go on."""

    flow_run_id: bytes
    """The flow run that waits, or the root that it belongs to."""
    input: str | None = None
    """JSON."""
    key: str | None = None
    """Which of its pauses is meant, where there are several."""


class ResumedRun(msgspec.Struct, kw_only=True):
    """What became of it."""

    root_run_id: bytes
    how: Literal["goes_on", "queued", "to_be_executed"]
    """``goes_on``: in its process; ``queued``: it waits to be claimed; ``to_be_executed``: by whoever called it."""


class SendInput(msgspec.Struct, kw_only=True):
    """Sends an input to a flow run."""

    id: bytes
    """Sending it twice under one id is sending it once."""
    flow_run_id: bytes
    prefix: str
    """What kind of input it is: whoever receives asks for one prefix."""
    value: str
    """JSON."""
    sender: str | None = None


class TakeInput(msgspec.Struct, kw_only=True):
    """Asks for the oldest input of a flow run that nobody has taken."""

    id: bytes
    """Of whoever takes it: asking again under one id gives the same input."""
    flow_run_id: bytes
    prefix: str
    exclude: list[str] = []
    """Keys of inputs that are not wanted."""


class InputView(msgspec.Struct, kw_only=True):
    """An input that was taken."""

    key: str
    value: str
    sender: str | None
    sent: int
