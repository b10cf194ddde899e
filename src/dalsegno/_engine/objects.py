"""How objects that are not built-in data are written canonically: found by class, without importing anyone's
package.
"""

from __future__ import annotations

import copyreg
import pickle
from collections import OrderedDict
from enum import Enum
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any
from uuid import UUID

from dalsegno._engine.canonical import CanonicalWriter, Handler, kind_name, type_name
from dalsegno._engine.frames import FRAMES

_MISSING = "\udcff missing"


def find_handler(kind: type) -> Handler:
    """Return the function that writes objects of a class."""
    found = _by_content(kind)
    return _by_identity_first(found) if is_ours(kind) else found


def is_ours(kind: type) -> bool:
    """Say whether a class, or one of its bases, is part of this package."""
    return any(base.__module__.partition(".")[0] == "dalsegno" for base in kind.__mro__)


def _by_identity_first(write: Handler) -> Handler:
    def write_ours(writer: CanonicalWriter, value: Any) -> None:
        execution = writer.identity(value)
        if execution is not None:
            writer.refer(b"@", execution)
        elif isinstance(getattr(value, "fn", None), FunctionType):  # a task or a flow
            writer.write_all(b"k", kind_name(value), [value.fn])
        else:
            write(writer, value)

    return write_ours


def _by_content(kind: type) -> Handler:
    for base, write in _BY_BASE:
        if issubclass(kind, base):
            return write
    for base in kind.__mro__:
        write = FRAMES.get((base.__module__.partition(".")[0], base.__qualname__))
        if write is not None:
            return write
    for attribute, write in _BY_ATTRIBUTE:
        if hasattr(kind, attribute):
            return write
    return _write_named_tuple if tuple in kind.__mro__ and hasattr(kind, "_fields") else write_reduced


def write_reduced(writer: CanonicalWriter, value: Any) -> None:
    """Write an object by what pickle would keep of it."""
    size = getattr(value, "nbytes", None)
    if type(size) is int:
        writer.room_for(size)  # before a copy of it is made
    writer.write_object(_write_reduction, value)


def _write_reduction(writer: CanonicalWriter, value: Any) -> None:
    try:
        reductor = copyreg.dispatch_table.get(value.__class__)
        reduced: Any = value.__reduce_ex__(5) if reductor is None else reductor(value)
    except RecursionError:
        raise
    except Exception:  # whatever foreign code raises says the same: it cannot be pickled
        writer.write_type(value)
        return
    if isinstance(reduced, str):
        writer.append_text(b"g", f"{kind_name(value)}:{reduced}")
        return
    parts: tuple[Any, ...] = (*reduced, None, None, None)
    make, arguments, state, items, pairs = parts[:5]
    writer.append_text(b"o", kind_name(value))
    if make is copyreg.__newobj__ or make is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        writer.write(arguments[1:])
    else:
        writer.write_all(b"r", _global_name(make), arguments)
    writer.write(state)
    if items is not None:
        writer.write_all(b"l", "", items)
    if pairs is not None and isinstance(value, OrderedDict):
        writer.write_all(b"q", "", pairs)
    elif pairs is not None:
        writer.write_unordered(b"d", "", pairs)


def _global_name(make: Any) -> str:
    return f"{getattr(make, '__module__', '')}.{getattr(make, '__qualname__', kind_name(make))}"


def _write_function(writer: CanonicalWriter, value: FunctionType) -> None:
    from dalsegno._engine.sources import source_hash, task_key

    cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
    in_object, writer.in_object = (
        writer.in_object,
        False,
    )  # a lock in its closure counts by type, not the function
    try:
        writer.write_all(b"f", task_key(value), [source_hash(value), value.__defaults__, value.__kwdefaults__, cells])
    finally:
        writer.in_object = in_object


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _write_class(writer: CanonicalWriter, value: type) -> None:
    from dalsegno._engine.sources import source_hash

    writer.write_all(b"c", type_name(value), [None if value.__module__ == "builtins" else source_hash(value)])


def _write_builtin(writer: CanonicalWriter, value: BuiltinFunctionType) -> None:
    owner = value.__self__
    named = owner is None or isinstance(owner, ModuleType)
    writer.write_all(b"u", f"{value.__module__}.{value.__qualname__}", [] if named else [owner])


def _write_method(writer: CanonicalWriter, value: MethodType) -> None:
    writer.write_all(b"v", "", [value.__func__, value.__self__])


def _write_enum(writer: CanonicalWriter, value: Enum) -> None:
    writer.write_all(b"n", kind_name(value), [value.name, value.value])


def _write_path(writer: CanonicalWriter, value: PurePath) -> None:
    writer.write_all(b"p", kind_name(value), [str(value)])


def _write_uuid(writer: CanonicalWriter, value: UUID) -> None:
    writer.append(b"U", value.bytes)


def _write_buffer(writer: CanonicalWriter, value: bytearray | memoryview | pickle.PickleBuffer) -> None:
    view = memoryview(value)
    writer.room_for(view.nbytes)
    writer.append_text(b"B", f"{type(value).__name__}:{view.format}:{view.shape}")
    writer.append(b"b", view.tobytes())


def _write_proxy(writer: CanonicalWriter, value: MappingProxyType[Any, Any]) -> None:
    writer.write_all(b"M", "", [dict(value)])


def _write_module(writer: CanonicalWriter, value: ModuleType) -> None:
    writer.append_text(b"m", value.__name__)


def _write_named_tuple(writer: CanonicalWriter, value: tuple[Any, ...]) -> None:
    writer.write_all(b"N", kind_name(value), value)


def _write_fields(writer: CanonicalWriter, value: Any, names: Any) -> None:
    fields = [part for name in names for part in (name, getattr(value, name, _MISSING))]
    writer.write_all(b"D", kind_name(value), fields)


def _write_dataclass(writer: CanonicalWriter, value: Any) -> None:
    _write_fields(writer, value, value.__dataclass_fields__)


def _write_struct(writer: CanonicalWriter, value: Any) -> None:
    _write_fields(writer, value, value.__struct_fields__)


def _write_attrs(writer: CanonicalWriter, value: Any) -> None:
    _write_fields(writer, value, [attribute.name for attribute in value.__attrs_attrs__])


def _write_pydantic(writer: CanonicalWriter, value: Any) -> None:
    names: Any = value.__class__.__pydantic_fields__
    fields = {name: value.__dict__[name] for name in names if name in value.__dict__}
    parts: list[Any] = [fields, value.__pydantic_extra__, value.__pydantic_private__]
    writer.write_all(b"Y", kind_name(value), parts)


_BY_BASE: list[tuple[type, Handler]] = [
    (Enum, _write_enum),
    (PurePath, _write_path),
    (UUID, _write_uuid),
    (bytearray, _write_buffer),
    (memoryview, _write_buffer),
    (pickle.PickleBuffer, _write_buffer),
    (FunctionType, _write_function),
    (BuiltinFunctionType, _write_builtin),
    (MethodType, _write_method),
    (type, _write_class),
    (ModuleType, _write_module),
    (MappingProxyType, _write_proxy),
]

_BY_ATTRIBUTE: list[tuple[str, Handler]] = [
    ("__pydantic_root_model__", _write_pydantic),
    ("__dataclass_fields__", _write_dataclass),
    ("__struct_fields__", _write_struct),
    ("__attrs_attrs__", _write_attrs),
]
