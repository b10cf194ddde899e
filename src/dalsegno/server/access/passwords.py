"""Hashes passwords with argon2id, and verifies them in the same time whether or not there is such a user."""

from __future__ import annotations

import functools
import unicodedata

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from dalsegno.exceptions import BackendError
from dalsegno.server.access.secrets import new_token

SHORTEST = 12
"""Characters."""


class Passwords:
    """A way of hashing passwords; argon2-cffi's own parameters (RFC 9106, 64 MiB) unless others are given."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()

    def hash(self, password: str) -> str:
        """Return the hash to keep. Raises BackendError if the password is too short."""
        password = _normal(password)
        if len(password) < SHORTEST:
            raise BackendError(f"The password has {len(password)} characters; it must have at least {SHORTEST}.")
        return self._hasher.hash(password)

    def rehash(self, password: str) -> str:
        """Return a hash of a password that was verified, whatever its length: it was long enough once."""
        return self._hasher.hash(_normal(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Tell whether a password is the one of a hash; None (no such user) takes as long as any other."""
        try:
            return self._hasher.verify(kept or self._nobodys, _normal(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, kept: str) -> bool:
        """Tell whether a hash was made with other parameters than these."""
        return self._hasher.check_needs_rehash(kept)

    @functools.cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(new_token())


def _normal(password: str) -> str:
    # The same password typed on another keyboard may come as other code points.
    return unicodedata.normalize("NFC", password)
