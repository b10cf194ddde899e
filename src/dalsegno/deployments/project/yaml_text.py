"""Reading YAML with the place of everything in it, so that an error can say where it is. The only user of PyYAML."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import yaml

from dalsegno.exceptions import ProjectFileError

_MOST_NODES = 100_000
"""Of a file with its aliases followed: a few lines of aliases of aliases can stand for a million nodes."""

_DEEPEST = 100
_MERGE = "<<"

Path = tuple[str | int, ...]
"""Where something is: keys and positions, from the outside."""


class Place(NamedTuple):
    """A place in a text, counted from 1."""

    line: int
    column: int


class Document:
    """What a YAML text says, and where."""

    def __init__(self, name: str, value: Any, places: dict[Path, Place]) -> None:
        self.name = name
        self.value = value
        self._places = places

    def error(self, path: Path, message: str) -> ProjectFileError:
        """Return an error about what is at a path."""
        while path and path not in self._places:
            path = path[:-1]
        return _error(self.name, self._places.get(path, Place(1, 1)), message)


def read(name: str, text: str) -> Document:
    """Read a text; `name` is that of its file. Raises ProjectFileError, which says line and column."""
    loader: Any = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(name, None, {})
        places: dict[Path, Place] = {}
        _note(name, node, (), places)
        return Document(name, loader.construct_document(node), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
        raise _error(name, place, _told(error)) from None
    except yaml.YAMLError as error:
        raise _error(name, Place(1, 1), str(error)) from None
    finally:
        loader.dispose()


def _note(name: str, node: Any, path: Path, places: dict[Path, Place], depth: int = 0) -> None:
    """Note where everything is; refuse a key that is there twice, of which YAML would keep the last."""
    places.setdefault(path, _place(node))
    if len(places) > _MOST_NODES or depth > _DEEPEST:
        raise _error(name, _place(node), "it stands for too much: its aliases are followed without end.")
    if isinstance(node, yaml.MappingNode):
        _note_pairs(name, node, path, places, depth)
    elif isinstance(node, yaml.SequenceNode):
        for position, each in enumerate(cast("list[Any]", node.value)):
            _note(name, each, (*path, position), places, depth + 1)


def _note_pairs(name: str, node: Any, path: Path, places: dict[Path, Place], depth: int) -> None:
    keys: set[str] = set()
    pairs = [(str(key.value), key, value) for key, value in node.value]
    # What is merged in stands where its anchor is, unless it is said anew.
    for _, _, value in (each for each in pairs if each[0] == _MERGE):
        for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(merged, yaml.MappingNode):
                _note(name, merged, path, places, depth + 1)
    for text, key, value in (each for each in pairs if each[0] != _MERGE):
        if text in keys:
            raise _error(name, _place(key), f"{text!r} is there twice.")
        keys.add(text)
        _note(name, value, (*path, text), places, depth + 1)
        places[(*path, text)] = _place(key)


def _place(node: Any) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _error(name: str, place: Place, message: str) -> ProjectFileError:
    return ProjectFileError(f"{name}, line {place.line}, column {place.column}: {message}")


def _told(error: yaml.MarkedYAMLError) -> str:
    said = "; ".join(part.strip() for part in (error.context, error.problem) if part)
    hint = ""
    if error.problem and "\\t" in error.problem:
        hint = " YAML is indented by spaces."
    elif error.problem and "mapping values are not allowed" in error.problem:
        hint = " A text with ': ' in it has to stand in quotes."
    return f"this is no YAML: {said}.{hint}"
