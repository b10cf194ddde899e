"""The fingerprint of a call's arguments: equal content gives equal bytes, in any process, so that replay can
match it.

How each kind of object is written is in `canonical`; this module decides what counts by content and what by
origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from dalsegno._engine.canonical import CanonicalWriter, TooLarge, encode_sorted
from dalsegno.results.plain import SCALARS, plain_weight

Identity = Callable[[Any], bytes | None]
"""Gives the execution id of a future, a state, or a value that is known to be a result of ours; else None."""

DEFAULT_CAP = 256 * 1024
"""Bytes of canonical content up to which an argument counts by content."""


class Fingerprint(msgspec.Struct, frozen=True, gc=False):
    """What a call's arguments amount to."""

    digest: bytes | None
    """16 bytes; None: the call can never be matched, and `reason` says why."""
    reason: str | None = None
    by_identity: bool = False
    """An argument over the cap counted by the execution that made it, not by its content."""


def fingerprint(parameters: Mapping[str, Any], identity: Identity, cap: int = DEFAULT_CAP) -> Fingerprint:
    """Return the fingerprint of bound arguments, by name.

    Futures and states, at any depth, count as what `identity` says; so does an argument, or a part of one,
    that is larger than `cap` bytes. One that is larger and that `identity` does not know makes the whole
    unmatchable. What cannot be serialized (a connection, a lock) counts by its type.

    Example:
        >>> fingerprint({"day": "2026-01-31"}, lambda value: None).digest.hex()
        '...'
    """
    if SCALARS.issuperset(map(type, parameters.values())) or _is_plain(parameters, cap):
        try:
            content = encode_sorted(parameters)
        except (TypeError, OverflowError, UnicodeEncodeError):
            pass  # a dict with keys that are no strings, an integer beyond 64 bits, a lone surrogate
        else:
            if len(content) <= cap:
                return Fingerprint(blake2b(content, digest_size=16).digest())
    return _by_parts(parameters, identity, cap)


def _is_plain(parameters: Mapping[str, Any], cap: int) -> bool:
    return isinstance(parameters, dict) and 0 <= plain_weight(parameters, cap) <= cap


def _by_parts(parameters: Mapping[str, Any], identity: Identity, cap: int) -> Fingerprint:
    """Write one argument after the other, each with a budget of its own."""
    hasher = blake2b(b"\xc1", digest_size=16)  # the byte that msgpack never uses: apart from all-scalar calls
    by_identity = False
    for name in sorted(parameters):
        writer = CanonicalWriter(identity, cap)
        try:
            writer.write(parameters[name])
        except TooLarge:
            return Fingerprint(None, f"argument {name!r} is larger than {_size(cap)} and is nobody's result")
        except RecursionError:
            return Fingerprint(None, f"argument {name!r} is nested too deeply")
        label = name.encode("utf-8", "surrogatepass")
        hasher.update(b"%d:%b%d:" % (len(label), label, len(writer.out)))
        hasher.update(writer.out)
        by_identity = by_identity or writer.by_identity
    return Fingerprint(hasher.digest(), None, by_identity)


def _size(cap: int) -> str:
    return f"{cap // 1024} KiB" if cap >= 1024 and cap % 1024 == 0 else f"{cap} bytes"
