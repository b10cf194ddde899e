"""From a value to what stands in its run's row, and back: begin with `encode_result` and `decode_result`.

Plain values travel as msgpack, unsigned; all others are serialized, and signed together with where they
belong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dalsegno.exceptions import DalsegnoException, MissingResult, SerializationError, StorageError
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.records import ResultBlob
from dalsegno.model.results import PLAIN, StoredResult, pack_plain, pack_stored, unpack_stored
from dalsegno.results.encryption import decrypt, encrypt
from dalsegno.results.files import delete_file, is_own, join, own_name, read_file, write_file
from dalsegno.results.limits import ResultLimits, current_limits
from dalsegno.results.plain import decode, plain_payload
from dalsegno.results.signing import Signer
from dalsegno.serializers import Serializer, resolve_serializer

MSGPACK = "msgpack"


class EncodedResult(msgspec.Struct, frozen=True, gc=False):
    """A value, ready to be recorded."""

    packed: bytes
    """For the row."""
    blob: ResultBlob | None
    """To be delivered with the row, or before it; None: the row holds it all, or a file does."""
    size: int
    """Bytes, as serialized."""


def run_address(root_run_id: bytes, run_id: bytes, run_count: int) -> bytes:
    """Return what ties a signature to one execution of one run."""
    return b"run:%b%b%d" % (root_run_id, run_id, run_count)


def cache_address(key: str) -> bytes:
    """Return what ties a signature to a cache key or a record's key."""
    return b"key:" + key.encode("utf-8", "surrogatepass")


def encode_result(
    value: Any,
    *,
    task_run_id: bytes,
    run_count: int,
    root_run_id: bytes,
    signer: Signer,
    serializer: str | Serializer | None = None,
    storage: str | None = None,
    storage_key: str | None = None,
    expires: int | None = None,
    key_address: bytes | None = None,
    limits: ResultLimits | None = None,
) -> EncodedResult:
    """Return `value` as it will be kept; a large one is written to its storage before this returns.

    `task_run_id` is the run's id, of flow runs too. With a `storage` (folder or fsspec URL) or a
    `storage_key` it goes to a file whatever its size. `expires`: microseconds since 1970. `key_address`
    (`cache_address`) is signed in place of the run's address. Raises SerializationError (ResultTooLarge over
    the limit) and StorageError.
    """
    limits = limits or current_limits()
    name, data = _serialize(value, serializer, limits)
    to_file = storage is not None or storage_key is not None or len(data) > limits.blob
    size = len(data)
    keys = limits.encryption_keys
    if name == MSGPACK and expires is None and not to_file and size <= limits.inline and not keys:
        return EncodedResult(pack_plain(data), None, size)
    signature = key_id = address = None
    if name != MSGPACK:
        address = key_address or run_address(root_run_id, task_run_id, run_count)
        signature, key_id = signer.sign(address, name, data)
    inline = blob = url = encryption = None
    if keys:
        data, encryption = encrypt(keys, name, data)
    if to_file:
        name_in_storage = storage_key
        if name_in_storage is None:
            name_in_storage = own_name(root_run_id, task_run_id, run_count)
        url = join(storage or limits.storage, name_in_storage)
        write_file(url, data)
    elif size <= limits.inline:
        inline = data
    else:
        blob = ResultBlob(new_id(), root_run_id, data)
    stored = StoredResult(
        name, size, inline, blob and blob.id, url, signature, key_id, address, expires, encryption=encryption
    )
    return EncodedResult(pack_stored(stored), blob, size)


def encode_payload(payload: bytes) -> bytes:
    """Return a plain value, given as msgpack, as it stands in a row whatever its size."""
    keys = current_limits().encryption_keys
    if not keys:
        return pack_plain(payload)
    data, encryption = encrypt(keys, MSGPACK, payload)
    return pack_stored(StoredResult(MSGPACK, len(payload), data, encryption=encryption))


def decode_result(
    packed: bytes, *, read_blob: Callable[[bytes], bytes | None], signer: Signer, address: bytes | None = None
) -> Any:
    """Return the value of a packed result.

    With an `address` (`run_address`, `cache_address`) a result that was signed for another place is refused.
    Raises MissingResult if its bytes are gone, SignatureMismatch if they are not ours, EncryptionKeyError if
    they are encrypted and the key is not set, StorageError, SerializationError.
    """
    stored = unpack_stored(packed)
    if stored is None:
        return _decode_plain(memoryview(packed)[1:] if packed[0] == PLAIN else b"", "A result")
    what = describe_stored(stored, address)
    data = _stored_bytes(stored, read_blob, what)
    if stored.encryption is not None:
        data = decrypt(current_limits().encryption_keys, stored.encryption, stored.serializer, data, what=what)
    if len(data) != stored.size:
        raise StorageError(f"{what} is damaged: it has {len(data):,} bytes, not {stored.size:,}. Run the task again.")
    if stored.serializer == MSGPACK:
        return _decode_plain(data, what)
    expected = stored.address or b"" if address is None else address
    signer.verify(expected, stored.serializer, data, stored.signature, stored.key_id, what=what)
    try:
        return resolve_serializer(stored.serializer).loads(data)
    except Exception as error:  # a user's serializer may raise anything
        raise SerializationError(f"{what} cannot be read. {error}") from error


def delete_stored(packed: bytes) -> bool:
    """Delete the file of a result, if it has one that is this run's alone; say whether one was deleted.

    Files under a `result_storage_key` are shared between runs and stay. Raises StorageError.
    """
    stored = unpack_stored(packed) if packed else None
    if stored is None or stored.url is None or not is_own(stored.url):
        return False
    return delete_file(stored.url)


def describe_stored(stored: StoredResult, address: bytes | None = None) -> str:
    """Return what a stored result is, for messages; `address`: where it was looked for."""
    address = stored.address or address or b""
    if address.startswith(b"run:") and len(address) > 36:
        execution = address[36:].decode("ascii", "replace")
        return f"The result of run {id_text(address[20:36])} (execution {execution})"
    if address.startswith(b"key:"):
        return f"The result under the key {address[4:].decode('utf-8', 'replace')!r}"
    return f"A stored result ({stored.serializer}, {stored.size:,} bytes)"


def _serialize(value: Any, serializer: str | Serializer | None, limits: ResultLimits) -> tuple[str, bytes]:
    if serializer is None:
        payload = plain_payload(value, limits.largest)
        if payload is not None:
            return MSGPACK, payload
    chosen = resolve_serializer(limits.serializer if serializer is None else serializer)
    try:
        return chosen.describe(), chosen.dumps_within(value, limits.largest)
    except DalsegnoException:
        raise
    except Exception as error:  # of a user's serializer
        raise SerializationError(
            f"A value of type {type(value).__qualname__} cannot be serialized by {chosen.type!r}:"
            f" {type(error).__name__}: {error}"
        ) from error


def _stored_bytes(stored: StoredResult, read_blob: Callable[[bytes], bytes | None], what: str) -> bytes:
    if stored.data is not None:
        return stored.data
    if stored.url is not None:
        return read_file(stored.url)
    data = None if stored.blob is None else read_blob(stored.blob)
    if data is None:
        raise MissingResult(f"{what} is gone: it was deleted with its run, or has expired. Run the task again.")
    return data


def _decode_plain(payload: bytes | memoryview, what: str) -> Any:
    try:
        return decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SerializationError(f"{what} is damaged and cannot be read: {error}. Run the task again.") from error
