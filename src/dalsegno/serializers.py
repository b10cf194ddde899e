"""Serializers: how a value that is not plain data becomes bytes, and a value again.

A serializer is named by a text (``"pickle"``, ``"compressed/json"``) that is stored with what it wrote.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import io
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextvars import ContextVar
from types import ModuleType
from typing import Any, ClassVar, cast

from dalsegno.exceptions import ConfigurationError, SerializationError

_registry: dict[str, type[Serializer]] = {}


class ResultTooLarge(SerializationError):
    """A value would take more bytes than a setting allows, so it is not kept."""


class Serializer(ABC):
    """Turns values into bytes and back. A subclass has a `type` of its own, by which it is found again.

    A subclass that is a dataclass is stored with those of its fields that are not at their defaults (they
    must fit into JSON), any other one by its `type` alone.

    Example:
        >>> class Text(Serializer):
        ...     type = "text"
        ...     def dumps(self, obj): return str(obj).encode()
        ...     def loads(self, blob): return blob.decode()
    """

    type: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.type:
            _registry[cls.type] = cls

    @abstractmethod
    def dumps(self, obj: Any) -> bytes:
        """Return `obj` as bytes. Raises SerializationError."""

    @abstractmethod
    def loads(self, blob: bytes) -> Any:
        """Return what was made by `dumps`. Raises SerializationError."""

    def dumps_within(self, obj: Any, limit: int) -> bytes:
        """Like `dumps`, but raise ResultTooLarge if there are more than `limit` bytes."""
        made = self.dumps(obj)
        if len(made) > limit:
            raise _too_large(obj, limit)
        return made

    def describe(self) -> str:
        """Return the text from which `resolve_serializer` makes an equal one."""
        options = _options(self)
        return self.type + (_json().dumps(options, sort_keys=True) if options else "")


def resolve_serializer(serializer: str | Serializer | None) -> Serializer:
    """Return the serializer that a name, as given to `result_serializer` or stored, stands for; None is
    pickle.

    Raises ConfigurationError if there is none of that name.

    Example:
        >>> resolve_serializer("compressed/json")
        CompressedJSONSerializer(serializer=JSONSerializer(...), compressionlib='lzma')
    """
    if isinstance(serializer, Serializer):
        return serializer
    return _resolve_name("pickle" if serializer is None else serializer)


@functools.lru_cache(maxsize=64)
def _resolve_name(name: str) -> Serializer:
    kind, brace, options = name.partition("{")
    if kind in _registry:
        try:
            return _registry[kind](**_json().loads(brace + options)) if brace else _registry[kind]()
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"The serializer {name!r} cannot be made: {error}") from error
    if name.startswith("compressed/"):
        return CompressedSerializer(_resolve_name(name.removeprefix("compressed/")))
    raise ConfigurationError(
        f"There is no serializer {name!r}. Known: {', '.join(sorted(_registry))}."
        " One of your own is known once the module that defines it has been imported."
    )


def _options(serializer: Serializer) -> dict[str, Any]:
    if not dataclasses.is_dataclass(serializer):
        return {}
    options: dict[str, Any] = {}
    for field in dataclasses.fields(serializer):
        value = getattr(serializer, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if value != default:
            options[field.name] = value.describe() if isinstance(value, Serializer) else value
    return options


def _too_large(obj: Any, limit: int) -> ResultTooLarge:
    return ResultTooLarge(
        f"A value of type {type(obj).__qualname__} takes more than {limit:,} bytes and is not kept."
        " Raise the setting results.max_size, or write it to a file or table and return where it is."
    )


def _json() -> ModuleType:
    return importlib.import_module("json")  # most runs never need it


def _library(name: str, purpose: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(f"{name!r}, needed {purpose}, cannot be imported: {error}. Install it.") from error


# --- pickle


@dataclasses.dataclass(frozen=True)
class PickleSerializer(Serializer):
    """Pickles: the standard library's where it can, else those of `picklelib`, which may also be ``"dill"``
    or so.

    What is importable, classes of the script included, is referred to by name, so that it comes back as the
    same class; cloudpickle steps in for the rest (lambdas, classes made inside of functions), which goes by
    value.
    """

    type: ClassVar[str] = "pickle"
    picklelib: str = "cloudpickle"

    def dumps(self, obj: Any) -> bytes:
        """Return `obj` as a pickle of protocol 5."""
        if self.picklelib not in ("cloudpickle", "pickle"):
            return self._dumps_by_library(obj)
        try:
            return pickle.dumps(obj, 5)
        except Exception as error:
            return self._dumps_by_value(obj, io.BytesIO(), error)

    def dumps_within(self, obj: Any, limit: int) -> bytes:
        """Return `obj` as a pickle; stop as soon as it takes more than `limit` bytes."""
        if self.picklelib not in ("cloudpickle", "pickle"):
            return super().dumps_within(obj, limit)
        file = _Bounded(limit)
        try:
            pickle.Pickler(file, 5).dump(obj)
        except _OverLimit:
            raise _too_large(obj, limit) from None
        except Exception as error:
            return self._dumps_by_value(obj, _Bounded(limit), error)
        return file.getvalue()

    def loads(self, blob: bytes) -> Any:
        """Return the object of a pickle. Only ever load what was verified: loading can run code."""
        try:
            if self.picklelib in ("cloudpickle", "pickle"):
                return _Unpickler(io.BytesIO(blob)).load()
            return _library(self.picklelib, "to read a result").loads(blob)
        except _NotInMain as error:
            raise SerializationError(
                f"A pickle cannot be loaded here: it refers to {error.args[0]!r} of the script or notebook that"
                " wrote it, which is not the program that runs here. Read it there, or retry the run with"
                f" `dalsegno flow-run retry`; or define {error.args[0]!r} in a module that both import."
            ) from error
        except ConfigurationError:
            raise
        except Exception as error:
            raise SerializationError(
                f"A pickle cannot be loaded here: {type(error).__name__}: {error}. The classes and functions"
                " in it must be importable under the names that they had when it was written."
            ) from error

    def _dumps_by_value(self, obj: Any, file: io.BytesIO, error: Exception) -> bytes:
        reason: Exception = error
        if self.picklelib == "cloudpickle":
            import cloudpickle

            try:
                cloudpickle.Pickler(file, 5).dump(obj)  # pyright: ignore[reportUnknownMemberType]
                return file.getvalue()
            except _OverLimit as over:
                raise _too_large(obj, over.limit) from None
            except Exception as second:
                reason = second
        raise SerializationError(
            f"A value of type {type(obj).__qualname__} cannot be pickled: {type(reason).__name__}: {reason}."
        ) from reason

    def _dumps_by_library(self, obj: Any) -> bytes:
        library = _library(self.picklelib, "to pickle a result")
        try:
            return library.dumps(obj)
        except Exception as error:
            raise SerializationError(
                f"A value of type {type(obj).__qualname__} cannot be pickled by {self.picklelib}: {error}"
            ) from error


_main: ContextVar[Callable[[], ModuleType] | None] = ContextVar("dalsegno_main", default=None)


@contextlib.contextmanager
def main_of(script: Callable[[], ModuleType] | None) -> Generator[None]:
    """While the block loads pickles, have `__main__` in them be the script that wrote them.

    Args:
        script: Gives its module; called only if a pickle refers to `__main__`. None: the program that runs here.
    """
    token = _main.set(script)
    try:
        yield
    finally:
        _main.reset(token)


class _NotInMain(Exception):
    """The main program of this process has no such name."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name != "__main__":
            return super().find_class(module_name, global_name)
        script = _main.get()
        if script is not None:
            try:
                return functools.reduce(getattr, global_name.split("."), cast("Any", script()))
            except AttributeError:
                pass  # what another program gave that ran this script's flow
        try:
            return super().find_class(module_name, global_name)
        except AttributeError as error:
            raise _NotInMain(global_name) from error


class _OverLimit(Exception):
    def __init__(self, limit: int) -> None:
        self.limit = limit


class _Bounded(io.BytesIO):
    """A file in memory that refuses to grow beyond a size, so that a huge object is not copied first."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._left = self._limit = limit

    def write(self, data: Any, /) -> int:
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            raise _OverLimit(self._limit)
        return super().write(data)


# --- JSON


@dataclasses.dataclass(frozen=True)
class JSONSerializer(Serializer):
    """JSON, with datetimes, sets, exceptions, dataclasses, pydantic models and such in a tagged form.

    As always in JSON, tuples come back as lists and the keys of dicts as texts. `object_encoder` and
    `object_decoder` are functions, or their names as ``"package.module.function"``; `dumps_kwargs` and
    `loads_kwargs` go to the `jsonlib`.
    """

    type: ClassVar[str] = "json"
    jsonlib: str = "json"
    object_encoder: str | Callable[[Any], Any] | None = "dalsegno.results.tagged_json.encode_object"
    object_decoder: str | Callable[[Any], Any] | None = "dalsegno.results.tagged_json.decode_object"
    dumps_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    loads_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name in ("object_encoder", "object_decoder"):
            function = getattr(self, name)
            if callable(function):
                object.__setattr__(self, name, _importable_name(function))

    def dumps(self, obj: Any) -> bytes:
        """Return `obj` as JSON in UTF-8."""
        options = dict(self.dumps_kwargs)
        if self.object_encoder is not None:
            options.setdefault("default", _function(self.object_encoder))
        try:
            text = _library(self.jsonlib, "to write a result as JSON").dumps(obj, **options)
            return text.encode() if isinstance(text, str) else text
        except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as error:
            raise SerializationError(
                f"A value of type {type(obj).__qualname__} cannot be written as JSON: {error}"
            ) from error

    def loads(self, blob: bytes) -> Any:
        """Return the value of a JSON text."""
        library = _library(self.jsonlib, "to read a result from JSON")
        decoder = None if self.object_decoder is None else _function(self.object_decoder)
        try:
            if decoder is None or self.jsonlib != "json":
                value = library.loads(blob, **self.loads_kwargs)
                return value if decoder is None else _decode_deep(value, decoder)
            return library.loads(blob, **{"object_hook": decoder, **self.loads_kwargs})
        except SerializationError:
            raise
        except Exception as error:
            raise SerializationError(f"JSON cannot be read: {type(error).__name__}: {error}") from error


def _decode_deep(value: Any, decoder: Callable[[Any], Any]) -> Any:
    """Apply a decoder to every object, for libraries that have no hook for it."""
    if isinstance(value, list):
        return [_decode_deep(each, decoder) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return decoder({name: _decode_deep(each, decoder) for name, each in members.items()})
    return value


def _function(name: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    if callable(name):
        return name
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"The JSON encoder or decoder {name!r} cannot be imported: {error}") from error


def _importable_name(function: Any) -> str:
    if "<" in function.__qualname__ or "." in function.__qualname__:
        raise ConfigurationError(
            f"{function.__qualname__} cannot be found again by name: an object_encoder or object_decoder"
            " must be a function of a module."
        )
    return f"{function.__module__}.{function.__qualname__}"


# --- compression


@dataclasses.dataclass(frozen=True)
class CompressedSerializer(Serializer):
    """Compresses what another serializer makes, by a module with `compress` and `decompress` (lzma, bz2,
    zlib).
    """

    type: ClassVar[str] = "compressed"
    serializer: str | Serializer = "pickle"
    compressionlib: str = "lzma"

    def dumps(self, obj: Any) -> bytes:
        """Return `obj` as bytes, compressed."""
        return self._library().compress(resolve_serializer(self.serializer).dumps(obj))

    def dumps_within(self, obj: Any, limit: int) -> bytes:
        """Return `obj` as bytes, compressed; the limit holds before compression."""
        return self._library().compress(resolve_serializer(self.serializer).dumps_within(obj, limit))

    def loads(self, blob: bytes) -> Any:
        """Return what was compressed."""
        try:
            plain = self._library().decompress(blob)
        except ConfigurationError:
            raise
        except Exception as error:
            raise SerializationError(f"A result cannot be decompressed by {self.compressionlib}: {error}") from error
        return resolve_serializer(self.serializer).loads(plain)

    def describe(self) -> str:
        """Return ``"compressed/pickle"`` and such, or with options if the library is not the usual one."""
        inner = resolve_serializer(self.serializer).describe()
        if self.compressionlib == "lzma":
            return f"compressed/{inner}"
        return "compressed" + _json().dumps({"compressionlib": self.compressionlib, "serializer": inner})

    def _library(self) -> Any:
        return _library(self.compressionlib, "to compress results")


@dataclasses.dataclass(frozen=True)
class CompressedPickleSerializer(CompressedSerializer):
    """Pickles, compressed."""

    type: ClassVar[str] = "compressed/pickle"
    serializer: str | Serializer = "pickle"


@dataclasses.dataclass(frozen=True)
class CompressedJSONSerializer(CompressedSerializer):
    """JSON, compressed."""

    type: ClassVar[str] = "compressed/json"
    serializer: str | Serializer = "json"
