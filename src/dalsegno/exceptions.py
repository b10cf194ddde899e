"""Every error that Dalsegno raises on purpose. A message says what happened, to which object, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class DalsegnoException(Exception):
    """Base of all errors of Dalsegno."""


# --- how runs end


class UnfinishedRun(DalsegnoException):
    """The result of a run was asked for that has not ended (NotReady, Pending, Running ...)."""


class FailedRun(DalsegnoException):
    """A run failed and left no exception of its own."""


class CrashedRun(DalsegnoException):
    """A run crashed: its process or its machine went away, or it was interrupted."""


class CancelledRun(DalsegnoException):
    """A run was cancelled."""


class PausedRun(DalsegnoException):
    """The result of a paused run was asked for."""

    def __init__(self, *args: Any, state: Any = None) -> None:
        super().__init__(*args)
        self.state = state


class UpstreamFailed(UnfinishedRun):
    """A task was called directly while something that it needs did not complete; it names the upstream run."""


class UpstreamTaskError(DalsegnoException):
    """What an upstream left in place of a result is not there to be used."""


class RunTimeout(DalsegnoException, TimeoutError):
    """A run took longer than its `timeout_seconds`."""


class TaskRunTimeoutError(RunTimeout):
    """A task run took longer than its `timeout_seconds`."""


class FlowRunTimeoutError(RunTimeout):
    """A flow run took longer than its `timeout_seconds`."""


class RunFenced(DalsegnoException):
    """This process lost its run: another attempt of it was started elsewhere, and nothing it does is recorded."""


class TerminationSignal(BaseException):
    """The process was told to end (SIGTERM) while it executed a run."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"Process received signal {signal}.")
        self.signal = signal


class RunCancelled(BaseException):
    """Raised inside a run that is to be cancelled; a BaseException so that `except Exception` lets it through."""


class RunSuspended(BaseException):
    """Raised inside a run that gives its process back until it is resumed; a BaseException so that `except Exception`
    lets it through."""


class FlowPauseTimeout(DalsegnoException, TimeoutError):
    """A paused flow run was not resumed in time."""


class Skip(DalsegnoException):
    """Raise it in a task to end it as Skipped: dependents are skipped too unless their trigger allows it.

    Example:
        >>> raise Skip("No new files today.")
    """


# --- results and serialization


class MissingResult(DalsegnoException):
    """A run completed but its result was not kept, or is gone."""


class SerializationError(DalsegnoException):
    """A value could not be turned into bytes, or bytes into a value."""


class SignatureMismatch(DalsegnoException):
    """A stored pickle was not signed by a key of ours: it is not loaded, since loading it could run code."""


class EncryptionKeyError(DalsegnoException):
    """A stored result is encrypted, and the key that opens it is not set. Nothing is run again in its place."""


class StorageError(DalsegnoException):
    """A result could not be written to, or read from, its storage."""


# --- bad input


class ReservedArgumentError(DalsegnoException, TypeError):
    """A function has a parameter that is reserved (`return_state`, `wait_for`)."""


class ParameterBindError(DalsegnoException, TypeError):
    """The arguments of a call do not fit the function's signature."""


class ParameterTypeError(DalsegnoException):
    """Parameters of a flow do not have the types that its annotations ask for."""


class InvalidNameError(DalsegnoException, ValueError):
    """A name holds characters that it may not hold."""


class InvalidSchedule(DalsegnoException, ValueError):
    """A schedule cannot be: the message says which value is wrong, where, and what it may be."""


class MappingLengthMismatch(DalsegnoException):
    """The iterables given to `map` have different lengths."""


class MappingMissingIterable(DalsegnoException):
    """`map` was called without an iterable."""


class ScriptError(DalsegnoException):
    """A user's script raised an error while it was loaded."""

    def __init__(self, path: str, user_exc: BaseException) -> None:
        super().__init__(f"Loading {path!r} failed: {type(user_exc).__name__}: {user_exc}")
        self.path = path
        self.user_exc = user_exc


class MissingFlowError(DalsegnoException):
    """There is no flow where one was looked for."""


class EntrypointError(DalsegnoException):
    """A text is no entry point, or what it names cannot be found."""


class CodeUnavailable(DalsegnoException):
    """The code of a deployment cannot be fetched; the message says from where, and why, without secrets."""


class StepError(DalsegnoException):
    """A step of a deployment (build, push, pull) failed; the message says which, and why."""


class TemplateError(DalsegnoException, ValueError):
    """A placeholder `{{ ... }}` cannot be filled in; the message says which, and what there is."""


class JobVariableError(DalsegnoException, ValueError):
    """Job variables do not fit the template of their work pool, or what a worker of its type makes of them."""


class ProjectFileError(DalsegnoException, ValueError):
    """A file of deployments (`dalsegno.yaml`) cannot be read; the message says where in it, and what was meant."""


class ConfigurationError(DalsegnoException):
    """A setting, or a combination of arguments, cannot work."""


class SettingError(ConfigurationError):
    """A setting has a value that it cannot have, or there is no such setting."""


class ProfileError(ConfigurationError):
    """A profile is missing, or exists where it must not."""


class HashError(DalsegnoException):
    """Something cannot be hashed, so no cache key can be made from it."""


# --- contexts


class MissingContextError(DalsegnoException, RuntimeError):
    """Something was asked for that exists only inside a run."""


class RollBack(DalsegnoException):
    """A transaction was rolled back because of something in it."""


# --- the backend


class BackendError(DalsegnoException):
    """Base of what goes wrong between the engine and what keeps its records."""


class BackendUnavailable(BackendError):
    """The database or server cannot be reached, or cannot write now; nothing was lost, the call can be repeated."""


class ServerFault(BackendUnavailable):
    """The server met an error of its own while it did what it was asked for, though it is there."""


class DatabaseError(BackendError):
    """The database cannot be used as it is; the message says what to do."""


class DatabaseCorrupt(DatabaseError):
    """The database file is damaged."""


class DatabaseTooNew(DatabaseError):
    """The database was written by a newer version."""


class DatabaseReadOnly(DatabaseError):
    """The home folder or the database cannot be written."""


class DiskFull(BackendUnavailable):
    """There is no room left for the database."""


class NotAllowed(BackendError):
    """The server does not know who asks, or does not let them do this."""


class SpoolFull(BackendUnavailable):
    """What waits on disk for a server to be back has reached the size that a setting allows."""


class ObjectNotFound(BackendError):
    """There is no such object."""


class ObjectAlreadyExists(BackendError):
    """There is such an object already."""


class OnlyAdmin(BackendError):
    """A user is the only admin, so this cannot be done to them."""


class RunIsAlive(BackendError):
    """The run is executed at this moment, so this cannot be done to it."""


class AttemptConflict(BackendError):
    """Another process has just started the next attempt of this run."""


class ConcurrencySlotAcquisitionError(BackendError):
    """Slots of a concurrency limit could not be had, or were lost."""


class AcquireConcurrencySlotTimeoutError(ConcurrencySlotAcquisitionError, TimeoutError):
    """Slots of a concurrency limit were not to be had within `timeout_seconds`."""


class StateConflict(BackendError):
    """The run is in a state from which it cannot go to the one that was asked for."""


class InvalidInput(BackendError):
    """What a paused run was resumed with does not fit what it waits for; the message names the field."""

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.fields = list(fields)
        """What is wrong, by field; empty where it is only told in words."""


class InvalidRequest(BackendError):
    """The server cannot take what it was sent; the message says which value is wrong."""


class InvalidParameters(BackendError, ValueError):
    """Parameters of a run of a deployment do not fit the schema of its flow."""


class ChangedMeanwhile(BackendError):
    """Somebody else changed an object since it was read: read it again and decide anew."""


class FlowRunWaitTimeout(DalsegnoException, TimeoutError):
    """A flow run that somebody waited for did not end in time."""


class FlowVisualizationError(DalsegnoException):
    """A flow cannot be drawn; the message says what is missing: a package, or a value that a task would give."""


class CannotResume(DalsegnoException):
    """A run cannot be executed again from here; the message says how it can be."""
