"""Encryption of results at rest: AES-256-GCM, with the keys of the setting results.encryption_key.

Where that is not set nothing here is called, and `cryptography` is not imported. A key encrypts with random nonces: it
is good for some four billion results.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from dalsegno.exceptions import EncryptionKeyError, SerializationError
from dalsegno.settings.kinds import key_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_SET = "DALSEGNO_RESULTS_ENCRYPTION_KEY"


def encrypt(keys: Sequence[str], serializer: str, data: bytes) -> tuple[bytes, str]:
    """Return bytes encrypted with the first key, and the id of that key.

    Raises SerializationError for more than 2 GiB.
    """
    cipher, key_id = _cipher(keys[0])
    nonce = os.urandom(_NONCE)
    try:
        return nonce + cipher.encrypt(nonce, data, _context(serializer)), key_id
    except OverflowError:
        raise SerializationError(
            f"A result of {len(data):,} bytes is too large to be encrypted: 2 GiB is the most."
        ) from None


def decrypt(keys: Sequence[str], key_id: str, serializer: str, data: bytes, *, what: str) -> bytes:
    """Return what `encrypt` encrypted. Raises EncryptionKeyError without that key, or where the bytes were changed."""
    from cryptography.exceptions import InvalidTag

    for key in keys:
        cipher, id_ = _cipher(key)
        if id_ == key_id:
            try:
                return cipher.decrypt(data[:_NONCE], data[_NONCE:], _context(serializer))
            except (InvalidTag, ValueError):
                raise EncryptionKeyError(
                    f"{what} does not fit the key {key_id} that it was encrypted with: its bytes were changed since. "
                    "Restore them from a backup, or have its task run again (retry --from)."
                ) from None
    held = f"but {_SET} holds {', '.join(_cipher(key)[1] for key in keys)}" if keys else f"but {_SET} is not set"
    raise EncryptionKeyError(
        f"{what} is encrypted with the key {key_id}, {held}. Set {_SET} to that key (further keys follow after a "
        "comma; the first encrypts, all decrypt) and try again. If the key is lost, so is the result: run the flow "
        "anew."
    )


@lru_cache(maxsize=64)
def _cipher(key: str) -> tuple[AESGCM, str]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    secret = key_bytes(key)
    return AESGCM(secret), hashlib.sha256(b"dalsegno result key" + secret).hexdigest()[:12]


def _context(serializer: str) -> bytes:
    """Return what is authenticated with the bytes: how they are to be read."""
    return b"dalsegno result:" + serializer.encode()
