"""Canonical bytes of Python objects: type-tagged, the same for equal content in every process, cut off at a
size.

It is for comparing only and cannot be read back. It knows neither identity nor memoisation (an object that is
held twice is written twice), nor the order of sets and dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dalsegno._engine.inputs import steady
from dalsegno.results.plain import PLAIN, SCALARS, TEXTS, plain_weight

_encode = msgspec.msgpack.Encoder().encode
encode_sorted = msgspec.msgpack.Encoder(order="deterministic").encode

# What is not plain msgpack begins with the byte that msgpack never uses, then a byte for the kind.
_END = b"\xc1;"


class TooLarge(Exception):
    """The canonical form would exceed the cap."""


class Unserializable(Exception):
    """Something that has no content to speak of (a lock, a socket, a generator) was found inside of an
    object.
    """


Handler = Callable[["CanonicalWriter", Any], None]


class CanonicalWriter:
    """Writes values into `out`, up to `cap` bytes.

    `identity(obj)` is asked for our own objects (futures, states), and for whatever does not fit.
    """

    __slots__ = ("_active", "by_identity", "cap", "identity", "in_object", "out")

    def __init__(self, identity: Callable[[Any], bytes | None], cap: int) -> None:
        self.out = bytearray()
        self.identity = identity
        self.cap = cap
        self.by_identity = False
        self.in_object = False
        """Within an object that counts by its type if anything in it has no content."""
        self._active: dict[int, int] = {}
        """The objects that are being written, by id: their level."""

    def write(self, value: Any) -> None:
        """Append the canonical form of `value`. Raises TooLarge, or Unserializable inside of an object."""
        kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind in SCALARS:
            if kind in TEXTS:
                self._write_or_refer(_write_text, value)
            else:
                _write_number(self, value)
            return
        level = self._active.get(id(value))
        if level is not None:  # a cycle: refer to the level at which it began
            self.append(b"^", b"%d" % level)
            return
        self._active[id(value)] = len(self._active)
        try:
            self._write_or_refer(_handlers.get(kind) or handler_of(kind), value)
        finally:
            del self._active[id(value)]

    def append(self, kind: bytes, content: bytes | bytearray | memoryview = b"") -> None:
        """Append tagged content, led by its length."""
        self.room_for(len(content))
        self.out += b"\xc1%b%d:" % (kind, len(content))
        self.out += content

    def append_text(self, kind: bytes, text: str) -> None:
        """Append tagged text."""
        self.append(kind, text.encode("utf-8", "surrogatepass"))

    def refer(self, kind: bytes, execution_id: bytes) -> None:
        """Append an execution id. It takes nothing from the budget: a list of futures may have any length."""
        self.cap += len(execution_id) + 8
        self.append(kind, execution_id)

    def room_for(self, size: int) -> None:
        """Raise TooLarge unless `size` more bytes fit."""
        if len(self.out) + size > self.cap:
            raise TooLarge

    def write_all(self, kind: bytes, name: str, values: Iterable[Any]) -> None:
        """Append a named group of values, in their order."""
        self.append_text(kind, name)
        for value in values:
            self.write(value)
        self.out += _END

    def write_unordered(self, kind: bytes, name: str, members: Iterable[tuple[Any, ...]]) -> None:
        """Append a named group of tuples of values, in the order of their canonical forms."""
        self.append_text(kind, name)
        for form in sorted(self._forms(members)):
            self.out += form
        self.out += _END

    def write_type(self, value: Any) -> None:
        """Append that something stands here which counts by its type alone; inside of an object, give that
        up.
        """
        if self.in_object:
            raise Unserializable
        self.append_text(b"?", kind_name(value))

    def write_object(self, write: Handler, value: Any) -> None:
        """Append an object by its content; by its type, if there is something in it that has none.

        So the outermost object that cannot be serialized counts by its type, as a client does that holds a
        lock somewhere within: counters and caches inside of it do not matter.
        """
        if self.in_object:
            write(self, value)
            return
        start = len(self.out)
        self.in_object = True
        try:
            write(self, value)
        except Unserializable:
            del self.out[start:]
            self.append_text(b"?", kind_name(value))
        finally:
            self.in_object = False

    def _forms(self, members: Iterable[tuple[Any, ...]]) -> Iterable[bytes]:
        start = len(self.out)
        for member in members:
            begin = len(self.out)
            for value in member:
                self.write(value)
            yield bytes(self.out[begin:])
        del self.out[start:]

    def _write_or_refer(self, write: Handler, value: Any) -> None:
        """Write a value; if it does not fit and is a result of ours, its execution's id in its place."""
        start = len(self.out)
        try:
            write(self, value)
            self.room_for(0)
        except TooLarge:
            origin = self.identity(value)
            if origin is None:
                raise
            del self.out[start:]
            self.by_identity = True
            self.refer(b"=", origin)


def kind_name(value: object) -> str:
    """Return the name of an object's class, as `type_name` gives it."""
    return type_name(type(value))


def type_name(kind: type) -> str:
    """Return the module and qualified name of a class; a script counts by its own name."""
    if kind.__module__ == "__main__":
        from dalsegno._engine.sources import module_name

        return f"{module_name('__main__')}.{kind.__qualname__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def _write_number(writer: CanonicalWriter, value: float | None) -> None:
    try:
        writer.out += _encode(value)
    except OverflowError:
        writer.append(b"i", b"%x" % value)


def _write_text(writer: CanonicalWriter, value: str | bytes) -> None:
    writer.room_for(len(value))
    try:
        writer.out += _encode(value)
    except UnicodeEncodeError:
        writer.append_text(b"s", str(value))


def _write_list(writer: CanonicalWriter, value: list[Any]) -> None:
    content = _plain_content(writer, value)
    if content is None:
        writer.write_all(b"l", "", value)
    else:
        writer.out += content


def _write_tuple(writer: CanonicalWriter, value: tuple[Any, ...]) -> None:
    content = _plain_content(writer, list(value))
    if content is None:
        writer.write_all(b"T", "", value)
    else:
        writer.append(b"t")
        writer.out += content


def _write_dict(writer: CanonicalWriter, value: dict[Any, Any]) -> None:
    content = _plain_content(writer, value)
    if content is None:
        writer.write_unordered(b"d", "", steady(value.items()))
    else:
        writer.out += content


def _write_set(writer: CanonicalWriter, value: set[Any] | frozenset[Any]) -> None:
    writer.room_for(len(value))
    writer.write_unordered(b"e", type(value).__name__, [(each,) for each in steady(value)])


def _plain_content(writer: CanonicalWriter, value: list[Any] | dict[Any, Any]) -> bytes | None:
    """Return a plain value's msgpack, made by one call in C; None if it is not plain, or has keys that are no
    strings.
    """
    if value and len(value) > writer.cap:
        first = next(iter(value.values())) if isinstance(value, dict) else value[0]
        if type(first) not in PLAIN:  # perhaps futures, which may be as many as they like
            return None
    weight = plain_weight(value, writer.cap)
    if weight < 0:
        return None
    writer.room_for(weight)  # known before anything large is encoded
    try:
        content = encode_sorted(value)
    except (TypeError, OverflowError, UnicodeEncodeError):
        return None
    writer.room_for(len(content))
    return content


_handlers: dict[type, Handler] = {
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_dict,
    set: _write_set,
    frozenset: _write_set,
}


def handler_of(kind: type) -> Handler:
    """Find how objects of a class are written, and remember it."""
    from dalsegno._engine.objects import find_handler

    found = find_handler(kind)
    if len(_handlers) < 1000:  # classes made on the fly must not pile up
        _handlers[kind] = found
    return found
