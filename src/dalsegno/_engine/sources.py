"""What identifies a function across processes and edits: its key, and the hash of its source. Nothing is read
on import.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, cast
from weakref import WeakKeyDictionary

# Of a code object's flags: *args, **kwargs, generator, coroutine; not which __future__ its file imports.
_KIND_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200

_hashes: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()
_file_hashes: dict[str, tuple[tuple[int, int], str]] = {}


def source_hash(fn: Any) -> str | None:
    """Return a hash (32 hex digits) of what a function or class does as it is written, or None if that is
    unknown.

    Comments, blank lines, layout and decorators do not count. Without source at hand (a console, `exec`) the
    compiled code counts, less its line numbers. The first call for a function reads its file; later ones do
    not.
    """
    target = _target(fn)
    try:
        return _hashes[target]
    except KeyError:
        made = _hashes[target] = _hash_target(target)
        return made
    except TypeError:  # a built-in, which has no source and takes no weak reference
        return None


def task_key(fn: Any) -> str:
    """Return what names a function across edits: its module and qualified name.

    A script counts by its own name, not as `__main__`. Lambdas and functions inside of functions carry a hash
    of their code, since their names do not tell them apart.

    Example:
        >>> task_key(extract)
        'nightly.extract'
    """
    target = _target(fn)
    module: str = getattr(target, "__module__", None) or "builtins"
    name: str = getattr(target, "__qualname__", None) or type(target).__qualname__
    if "<" not in name:
        return f"{module_name(module)}.{name}"
    return f"{module_name(module)}.{name}:{(source_hash(target) or '')[:12]}"


def module_name(module: str) -> str:
    """Return the name of a module, for `__main__` the one under which the script would be imported."""
    if module != "__main__":
        return module
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name
    path = getattr(main, "__file__", None)
    return Path(path).stem if path else module


def file_hash(path: str | os.PathLike[str]) -> str | None:
    """Return a hash (32 hex digits) of a file's bytes, or None if it cannot be read."""
    name = os.fspath(path)
    try:
        found = os.stat(name)
        stamp = (found.st_mtime_ns, found.st_size)
        known = _file_hashes.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        digest = hashlib.blake2b(Path(name).read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return None
    _file_hashes[name] = (stamp, digest)
    return digest


def code_hash(code: CodeType) -> str:
    """Return a hash of compiled code that line numbers and file names do not change."""
    return hashlib.blake2b(repr(_code_parts(code)).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def _target(fn: Any) -> Any:
    """Find the function that the user wrote below methods, partials, wrappers and callable objects."""
    for _ in range(100):
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, MethodType):
            fn = fn.__func__
        elif isinstance(fn, staticmethod | classmethod) or hasattr(fn, "__wrapped__"):
            fn = cast(Any, fn).__wrapped__
        elif not isinstance(fn, FunctionType | type) and isinstance(_call_of(fn), FunctionType):
            fn = _call_of(fn)
        else:
            break
    return fn


def _call_of(instance: object) -> Any:
    return getattr(type(instance), "__call__", None)  # noqa: B004


def _hash_target(target: Any) -> str | None:
    code: CodeType | None = getattr(target, "__code__", None)
    if code is not None and code.co_name == "<lambda>":  # its source line may hold several
        return code_hash(code)
    text = _definition(target)
    if text is not None:
        return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
    return None if code is None else code_hash(code)


def _definition(target: Any) -> str | None:
    """Return the parsed definition as text, or None if its source cannot be found."""
    import ast
    import inspect

    try:
        source = inspect.getsource(target)
        # Indented source parses as a block; dedenting would change what stands in strings of several lines.
        body = ast.parse("if 1:\n" + source if source[0].isspace() else source).body[0]
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None
    node = body.body[0] if isinstance(body, ast.If) else body
    named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if not named or node.name != target.__name__:
        return None  # the file has changed below us
    node.decorator_list = []
    return _dump(node)


def _dump(node: Any) -> str:
    """Like `ast.dump`, but the same in every version of Python: what is empty or None is left out."""
    if isinstance(node, list):
        return "[" + ",".join(map(_dump, node)) + "]"  # pyright: ignore[reportUnknownArgumentType]
    if not hasattr(node, "_fields"):
        return f"{type(node).__name__}:{node!r}"
    fields = ((name, getattr(node, name, None)) for name in node._fields if name != "ctx")
    kept = ",".join(f"{name}={_dump(value)}" for name, value in fields if value is not None and value != [])
    return f"{type(node).__name__}({kept})"


def _code_parts(code: CodeType) -> tuple[Any, ...]:
    return (
        code.co_name,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & _KIND_FLAGS,
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        [_constant(value) for value in code.co_consts],
    )


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _code_parts(value)
    if isinstance(value, frozenset):  # its order differs between processes
        return "frozenset", sorted(repr(_constant(each)) for each in value)  # pyright: ignore
    if isinstance(value, tuple):
        return tuple(_constant(each) for each in value)  # pyright: ignore
    return value
