"""Exceptions as values: what a failed run leaves. Writing it down never fails, and stays small."""

from __future__ import annotations

import builtins
from typing import Any

import msgspec

from dalsegno.exceptions import DalsegnoException, FailedRun
from dalsegno.results.signing import Signer
from dalsegno.serializers import PickleSerializer

LARGEST_PICKLE = 64 * 1024
LONGEST_MESSAGE = 8 * 1024
LONGEST_TRACEBACK = 32 * 1024


class ErrorRecord(msgspec.Struct, frozen=True, array_like=True):
    """An exception, for people and, where it could be pickled, for `raise`."""

    type: str
    """Module and qualified name of its class; of built-in ones the name alone."""
    message: str
    traceback: str
    data: bytes | None = None
    """The exception pickled, without its traceback."""
    signature: bytes | None = None
    key_id: str | None = None
    address: bytes | None = None


class OriginalTraceback(Exception):
    """Stands as the cause of an error that was read back, and shows where it was raised first."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}" if self.args else ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ErrorRecord).decode


def encode_error(error: BaseException, *, address: bytes, signer: Signer) -> bytes:
    """Return an exception as bytes, at most about 100 KiB; `address` as `run_address` gives it."""
    signature = key_id = None
    data = _pickled(error)
    if data is not None:
        try:
            signature, key_id = signer.sign(address, "pickle", data)
        except DalsegnoException:  # no key can be had: its text must do
            data = None
    record = ErrorRecord(
        _type_name(type(error)),
        _cut(_message(error), LONGEST_MESSAGE),
        _cut(_traceback(error), LONGEST_TRACEBACK),
        data,
        signature,
        key_id,
        address,
    )
    return _encode(record)


def read_error(packed: bytes) -> ErrorRecord:
    """Return what `encode_error` wrote, without loading anything."""
    return _decode(packed)


def decode_error(packed: bytes, *, signer: Signer) -> BaseException:
    """Return the exception: the same type with the same arguments where it can be loaded, and its traceback
    as cause.

    Where it cannot, it is of the same built-in type with its message, or else a FailedRun that names the
    type.
    """
    record = _decode(packed)
    error = _loaded(record, signer) or _rebuilt(record)
    if record.traceback and error.__cause__ is None:
        error.__cause__ = OriginalTraceback(record.traceback)
    return error


def _pickled(error: BaseException) -> bytes | None:
    try:
        return PickleSerializer().dumps_within(error, LARGEST_PICKLE)
    except DalsegnoException:
        return None


def _loaded(record: ErrorRecord, signer: Signer) -> BaseException | None:
    if record.data is None:
        return None
    try:
        signer.verify(record.address or b"", "pickle", record.data, record.signature, record.key_id)
        found: Any = PickleSerializer().loads(record.data)
    except DalsegnoException:  # a class that is gone or refuses its arguments, a foreign signature: the text is left
        return None
    return found if isinstance(found, BaseException) else None


def _rebuilt(record: ErrorRecord) -> BaseException:
    kind = getattr(builtins, record.type, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(record.message)
        except TypeError:  # UnicodeDecodeError and such want more arguments
            return FailedRun(f"{record.type}: {record.message}")
    return FailedRun(f"{record.type}: {record.message}")


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"<str() of the exception failed: {type(second).__name__}>"


def _traceback(error: BaseException) -> str:
    import traceback

    try:
        return "".join(traceback.format_exception(error))
    except Exception as second:
        return f"<the traceback could not be formatted: {type(second).__name__}>"


def _cut(text: str, limit: int) -> str:
    """Cut the middle out of a long text, since its ends say most; make sure that it is valid UTF-8."""
    if len(text) > limit:
        left_out = f"\n... {len(text) - limit} characters left out ...\n"
        text = text[: limit // 4] + left_out + text[-(limit * 3 // 4) :]
    return text.encode("utf-8", "backslashreplace").decode()
