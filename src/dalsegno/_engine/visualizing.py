"""A graph of a flow as Mermaid text, or as a picture that Graphviz makes. What is in it is `graph`'s."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from dalsegno._engine.drawing import draw
from dalsegno._engine.graphs import Graph, Node
from dalsegno._engine.spec import FlowSpec
from dalsegno.exceptions import FlowVisualizationError

_ENTITIES = str.maketrans({character: f"#{ord(character)};" for character in "#%$`\\"}) | str.maketrans(
    {'"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}
)
"""What would end a quoted text, or begin a directive, a formula or a tag in it."""


def mermaid(flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return the graph of a flow as Mermaid text."""
    graph = draw(flow, args, kwargs)
    lines = ["graph TD", *_mermaid_nodes(graph, None, "    ")]
    lines += [f"    n{source.number} --> n{node.number}" for source, node in _arrows(graph)]
    return "\n".join(lines) + "\n"


def _mermaid_nodes(graph: Graph, group: Node | None, indent: str) -> Iterator[str]:
    for node in graph.nodes:
        if node.group is not group:
            continue
        label = _mermaid_label(_title(node))
        if not _has_inside(graph, node):
            left, right = ("([", "])") if node.is_flow else ("[[", "]]") if node.is_mapped else ("[", "]")
            yield f"{indent}n{node.number}{left}{label}{right}"
            continue
        yield f"{indent}subgraph n{node.number}[{label}]"
        yield from _mermaid_nodes(graph, node, indent + "    ")
        yield f"{indent}end"


def _mermaid_label(text: str) -> str:
    """Quote a text; in quotes brackets are text, and what is not has an entity."""
    return f'"{" ".join(text.split()).translate(_ENTITIES)}"'


def visualize(flow: FlowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Write the graph of a flow as ``<name of the flow>.png`` into the current folder; return the graph."""
    graphviz = _graphviz(flow.name)
    graph = draw(flow, args, kwargs)
    picture = graphviz.Digraph(flow.name, graph_attr={"compound": "true"}, node_attr={"shape": "box"})
    _add_nodes(picture, graph, None, graphviz.escape)
    for source, node in _arrows(graph):
        _add_edge(picture, graph, source, node)
    try:
        graphviz.version()  # asks for the program before a file is written for it
        picture.render(filename=flow.name, format="png", cleanup=True)
    except graphviz.ExecutableNotFound as error:
        raise FlowVisualizationError(
            f"The flow {flow.name!r} was drawn, but no picture could be made: the program `dot` is missing. Install "
            "Graphviz (https://graphviz.org/download) and put it on the PATH, or use generate_mermaid_graph(), which "
            "needs nothing."
        ) from error
    return picture


def _graphviz(name: str) -> Any:
    try:
        return importlib.import_module("graphviz")
    except ModuleNotFoundError as error:
        raise FlowVisualizationError(
            f"visualize() of the flow {name!r} needs the package graphviz: `pip install graphviz`, and the programs of "
            "Graphviz (https://graphviz.org/download). generate_mermaid_graph() needs nothing."
        ) from error


def _add_nodes(picture: Any, graph: Graph, group: Node | None, escape: Callable[[str], str]) -> None:
    for node in graph.nodes:
        if node.group is not group:
            continue
        label = escape(" ".join(_title(node).split()))
        if _has_inside(graph, node):
            with picture.subgraph(name=f"cluster_n{node.number}", graph_attr={"label": label}) as inner:
                _add_nodes(inner, graph, node, escape)
        else:
            looks = {"style": "rounded"} if node.is_flow else {"peripheries": "2"} if node.is_mapped else {}
            picture.node(f"n{node.number}", label, **looks)


def _add_edge(picture: Any, graph: Graph, source: Node, node: Node) -> None:
    """Draw an arrow; one from or to a nested flow ends at the border of what is in it."""
    borders: dict[str, str] = {}
    if _has_inside(graph, source):
        borders["ltail"] = f"cluster_n{source.number}"
    if _has_inside(graph, node):
        borders["lhead"] = f"cluster_n{node.number}"
    tail, head = _anchor(graph, source, -1), _anchor(graph, node, 0)
    picture.edge(f"n{tail.number}", f"n{head.number}", **borders)


def _arrows(graph: Graph) -> list[tuple[Node, Node]]:
    """Return what depends on what, in an order that is the same every time."""
    ordered = [(node, sorted(node.sources, key=lambda source: source.number)) for node in graph.nodes]
    return [(source, node) for node, sources in ordered for source in sources]


def _anchor(graph: Graph, node: Node, place: int) -> Node:
    """Return a node that is drawn as one: itself, or the first or last in a nested flow."""
    leaves = [inner for inner in graph.inside(node) if not _has_inside(graph, inner)]
    return leaves[place] if leaves else node


def _has_inside(graph: Graph, node: Node) -> bool:
    return node.is_flow and any(other.group is node for other in graph.nodes)


def _title(node: Node) -> str:
    return f"{node.name} (mapped)" if node.is_mapped else node.name
