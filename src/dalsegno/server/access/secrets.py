"""Makes the random texts that stand for somebody, and the hashes by which the database knows them."""

from __future__ import annotations

import hashlib
import secrets

KEY_PREFIX = "dsn_"
HINT_LENGTH = 10


def new_token() -> str:
    """Return 256 random bits as text: nobody guesses them, so a plain hash of them is enough."""
    return secrets.token_urlsafe(32)


def new_api_key() -> str:
    """Return the text of a new API key; its beginning lets people and scanners recognize it."""
    return KEY_PREFIX + new_token()


def digest(text: str) -> bytes:
    """Return what is kept of a token or key."""
    return hashlib.sha256(text.encode()).digest()
