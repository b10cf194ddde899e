"""A flow can be drawn: its body is followed, no task runs, and the graph says what depends on what."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dalsegno import allow_failure, flatten, flow, get_run_logger, quote, task, unmapped
from dalsegno.artifacts import create_markdown_artifact
from dalsegno.exceptions import DalsegnoException, FlowVisualizationError, ParameterBindError, ParameterTypeError
from dalsegno.flow_runs import sleep
from dalsegno.futures import as_completed, wait
from dalsegno.transactions import transaction
from dalsegno.variables import Variable

NODE = re.compile(r'^ *(?:subgraph )?(n\d+)(?:\[\[|\(\[|\[)"([^"]*)"(?:\]\]|\]\)|\])$')
EDGE = re.compile(r"^    (n\d+) --> (n\d+)$")


def edges_of(text: str) -> list[str]:
    """Return the arrows of a Mermaid text as ``"extract > clean"``; every line must be one that Mermaid knows."""
    first, *lines = text.splitlines()
    assert first == "graph TD"
    lines = [line for line in lines if line.strip() != "end"]
    names = {found[1]: found[2] for line in lines if (found := NODE.match(line))}
    arrows = [found for line in lines if (found := EDGE.match(line))]
    assert len(names) + len(arrows) == len(lines), text
    return [f"{names[arrow[1]]} > {names[arrow[2]]}" for arrow in arrows]


def refuse(*_: Any) -> Any:
    raise AssertionError("The body of a task ran.")


@task
def extract(day: Any = None) -> Any:
    refuse(day)


@task
def clean(orders: Any, *more: Any, **named: Any) -> Any:
    refuse(orders, more, named)


@task
def load(*rows: Any, **named: Any) -> Any:
    refuse(rows, named)


@task(viz_return_value=["FI", "SE"])
def countries() -> Any:
    refuse()


@task
async def fetch(url: Any) -> Any:
    refuse(url)


# --- shapes


def test_a_sequence_is_drawn_in_the_order_of_its_calls() -> None:
    @flow
    def nightly(day: str) -> None:
        load(clean(extract(day)))

    assert nightly.generate_mermaid_graph("2026-01-31") == (
        'graph TD\n    n1["extract"]\n    n2["clean"]\n    n3["load"]\n    n1 --> n2\n    n2 --> n3\n'
    )


def test_a_flow_without_calls_is_an_empty_graph() -> None:
    @flow
    def idle() -> int:
        return 1

    assert idle.generate_mermaid_graph() == "graph TD\n"


def test_repeated_calls_are_told_apart_and_joined_again() -> None:
    @flow
    def fan() -> None:
        orders = extract()
        futures = [clean.submit(orders) for _ in range(3)]
        load([future.result() for future in futures])

    assert edges_of(fan.generate_mermaid_graph()) == [
        "extract > clean",
        "extract > clean (2)",
        "extract > clean (3)",
        "clean > load",
        "clean (2) > load",
        "clean (3) > load",
    ]


@dataclass
class Batch:
    rows: Any
    size: int = 1


def test_stand_ins_are_found_at_any_depth_of_the_arguments() -> None:
    @flow
    def deep() -> None:
        a, b, c, d = extract(), extract.submit(), extract(return_state=True), extract()
        load({"a": [(a,)], "b": {"c": [Batch(b)]}}, state=c, failed=allow_failure(d))

    assert edges_of(deep.generate_mermaid_graph()) == [
        "extract > load",
        "extract (2) > load",
        "extract (3) > load",
        "extract (4) > load",
    ]


def test_what_is_quoted_is_no_dependency() -> None:
    @flow
    def quoting() -> None:
        load(quote(extract.submit()))

    assert edges_of(quoting.generate_mermaid_graph()) == []


def test_wait_for_is_a_dependency() -> None:
    @flow
    def ordered() -> None:
        first = extract.submit()
        second = extract.submit(wait_for=[first])
        load(wait_for=[first, second])

    assert edges_of(ordered.generate_mermaid_graph()) == [
        "extract > extract (2)",
        "extract > load",
        "extract (2) > load",
    ]


def test_the_text_is_the_same_every_time() -> None:
    @flow
    def fan() -> None:
        load({clean.submit(extract()) for _ in range(20)})

    assert len({fan.generate_mermaid_graph() for _ in range(5)}) == 1


# --- values


def test_viz_return_value_is_what_a_task_gives_and_leads_back_to_it() -> None:
    seen: list[Any] = []

    @flow
    def by_country() -> None:
        for country in countries():
            seen.append(country)
            clean(country)

    assert edges_of(by_country.generate_mermaid_graph()) == ["countries > clean", "countries > clean (2)"]
    assert seen == ["FI", "SE"]


@pytest.mark.parametrize("value", ["2026", b"bytes", 3.5, 1000, {"a": 1}, [1, 2], (1, 2), {1, 2}, object()])
def test_equal_values_of_two_tasks_are_not_mistaken_for_each_other(value: Any) -> None:
    one = extract.with_options(name="one", viz_return_value=value)
    two = extract.with_options(name="two", viz_return_value=value)

    @flow
    def twins() -> Any:
        first, second = one(), two()
        load(second)
        return first

    expected = ["two > load"]
    assert edges_of(twins.generate_mermaid_graph()) == expected


def test_a_value_that_python_has_once_gives_no_false_arrow() -> None:
    small = extract.with_options(viz_return_value=1)

    @flow
    def counting() -> None:
        small()
        load(1)

    assert edges_of(counting.generate_mermaid_graph()) == []


def test_a_change_of_a_given_value_does_not_reach_the_next_drawing() -> None:
    @flow
    def greedy() -> None:
        found = countries()
        found.append("NO")
        load(found)

    assert greedy.generate_mermaid_graph() == greedy.generate_mermaid_graph()
    assert countries.viz_return_value == ["FI", "SE"]


def test_what_is_made_of_a_stand_in_comes_from_the_same_call() -> None:
    @flow
    def shaping() -> None:
        orders, rates = extract(), clean(0)
        recent = orders[orders["day"] > "2026-01-31"].head(10)
        total = (recent.amount * rates).sum()
        recent["rate"] = rates
        load(f"{total}", -total + 1)

    assert edges_of(shaping.generate_mermaid_graph()) == ["extract > load", "clean > load"]


def test_every_condition_on_a_stand_in_holds() -> None:
    taken: list[str] = []

    @flow
    def branching() -> None:
        orders = extract()
        taken.append("some" if orders else "none")
        taken.append("many" if orders > 1000 else "few")
        taken.append("ready" if orders == "ready" else "waiting")
        taken.append("there" if "FI" in orders else "gone")
        if not orders:
            load()

    text = branching.generate_mermaid_graph()
    assert taken == ["some", "many", "ready", "there"]
    assert "load" not in text


def test_branches_follow_the_parameters() -> None:
    @flow
    def branching(full: bool = False) -> None:
        orders = extract()
        if full:
            orders = clean(orders)
        load(orders)

    assert edges_of(branching.generate_mermaid_graph()) == ["extract > load"]
    assert edges_of(branching.generate_mermaid_graph(full=True)) == ["extract > clean", "clean > load"]


def test_futures_can_be_waited_for() -> None:
    @flow
    def waiting() -> None:
        futures = [extract.submit() for _ in range(2)]
        assert wait(futures, timeout=0).not_done == set()
        for future in as_completed(futures):
            assert future.done
            assert future.state.is_completed()
        load([future.result() for future in futures])

    assert edges_of(waiting.generate_mermaid_graph()) == ["extract > load", "extract (2) > load"]


# --- maps


def test_a_map_is_one_node() -> None:
    @flow
    def mapped() -> None:
        orders = extract()
        totals = clean.map([1, 2, 3], unmapped(orders))
        assert len(totals) == 3
        load(totals.result())

    text = mapped.generate_mermaid_graph()
    assert '    n2[["clean (mapped)"]]\n' in text
    assert edges_of(text) == ["extract > clean (mapped)", "clean (mapped) > load"]


@pytest.mark.parametrize(
    "items",
    [
        lambda: extract(),
        lambda: extract.submit(),
        lambda: extract(return_state=True),
        lambda: [extract.submit()],
        lambda: (future for future in [extract.submit()]),
        lambda: flatten(extract()),
        lambda: flatten([extract()]),
        lambda: flatten(extract.submit()),
        lambda: allow_failure(extract.submit()),
    ],
)
@pytest.mark.parametrize("limit", [None, 2])
def test_a_map_over_what_is_not_known_is_drawn_too(items: Any, limit: int | None) -> None:
    @flow
    def mapped() -> None:
        load(clean.map(items(), max_in_flight=limit))

    assert edges_of(mapped.generate_mermaid_graph()) == ["extract > clean (mapped)", "clean (mapped) > load"]


def test_a_map_over_known_and_unknown_lists_is_drawn() -> None:
    @flow
    def mapped() -> None:
        load(clean.map(extract(), ["FI", "SE"]).result())

    assert edges_of(mapped.generate_mermaid_graph()) == ["extract > clean (mapped)", "clean (mapped) > load"]


def test_a_map_over_an_endless_generator_takes_one_item() -> None:
    taken: list[int] = []

    def endless() -> Any:
        while True:
            taken.append(1)
            yield extract()

    @flow
    def mapped() -> None:
        clean.map(endless(), max_in_flight=4)

    assert edges_of(mapped.generate_mermaid_graph()) == ["extract > clean (mapped)"]
    assert len(taken) == 1


def test_the_states_of_a_map_lead_back_to_it() -> None:
    @flow
    def mapped() -> None:
        load(clean.map([1, 2], return_state=True))

    assert edges_of(mapped.generate_mermaid_graph()) == ["clean (mapped) > load"]


# --- nested flows


@flow
def regional(orders: Any, name: str = "north") -> Any:
    return clean(extract(orders))


def test_a_nested_flow_is_a_subgraph_with_its_calls() -> None:
    @flow
    def nightly() -> None:
        load(regional(extract()))

    assert nightly.generate_mermaid_graph() == (
        "graph TD\n"
        '    n1["extract"]\n'
        '    subgraph n2["regional"]\n'
        '        n3["extract (2)"]\n'
        '        n4["clean"]\n'
        "    end\n"
        '    n5["load"]\n'
        "    n1 --> n3\n"
        "    n3 --> n4\n"
        "    n4 --> n5\n"
    )


def test_a_nested_flow_that_only_computes_is_a_node() -> None:
    @flow
    def count(orders: Any) -> str:
        return f"{orders} orders"

    @flow
    def nightly() -> None:
        load(count(extract()))

    text = nightly.generate_mermaid_graph()
    assert '    n2(["count"])\n' in text
    assert edges_of(text) == ["extract > count", "count > load"]


def test_a_nested_flow_waits_and_is_waited_for() -> None:
    @flow
    def nightly() -> None:
        first = extract.submit()
        future = regional.submit(1, wait_for=[first])
        load(wait_for=[future])

    assert edges_of(nightly.generate_mermaid_graph()) == [
        "extract > regional",
        "extract (2) > clean",
        "regional > load",
    ]


def test_a_nested_flow_gets_results_in_the_place_of_futures() -> None:
    @flow
    def shout(orders: Any, names: list[str]) -> Any:
        assert names == ["FI", "SE"]
        return clean(orders.head())

    @flow
    def nightly() -> None:
        load(shout(extract.submit(), countries.submit()))

    assert "extract > clean" in edges_of(nightly.generate_mermaid_graph())


def test_a_mapped_flow_is_one_subgraph() -> None:
    @flow
    def nightly() -> None:
        futures = regional.map([extract(), extract()])
        assert len(futures) == 2
        load(futures.result())

    text = nightly.generate_mermaid_graph()
    assert text.count("subgraph") == 1
    assert edges_of(text) == [
        "extract (2) > regional (mapped)",
        "extract > extract (3)",
        "extract (3) > clean",
        "clean > load",
    ]


def test_a_flow_that_is_mapped_over_what_is_not_known_is_drawn() -> None:
    @flow
    def nightly() -> None:
        load(regional.map(extract()))

    assert edges_of(nightly.generate_mermaid_graph())[-1] == "regional (mapped) > load"


def test_a_flow_that_calls_itself_ends_in_a_node() -> None:
    @flow
    def descend(depth: Any) -> Any:
        return descend(clean(depth)) if depth > 0 else depth

    text = descend.generate_mermaid_graph(3)
    assert edges_of(text) == ["clean > descend"]


def test_the_parameters_of_a_nested_flow_are_checked_where_they_are_known() -> None:
    @flow
    def days(n: int) -> None:
        for _ in range(n):
            extract()

    @flow
    def outer() -> None:
        days("2")  # pyright: ignore[reportArgumentType]

    assert outer.generate_mermaid_graph().count("extract") == 2


# --- kinds of functions


def test_async_flows_and_tasks_are_drawn() -> None:
    @flow
    async def nested(page: Any) -> Any:
        return await fetch(page)

    @flow
    async def crawl() -> None:
        pages = await asyncio.gather(fetch("a"), fetch("b"))
        inner = await nested(pages[0])
        load(pages, inner, nested.submit(pages[1]), await fetch.submit("c"), await fetch("d", return_state=True))

    edges = edges_of(crawl.generate_mermaid_graph())
    assert edges == [
        "fetch > fetch (3)",
        "fetch (2) > fetch (4)",
        "fetch > load",
        "fetch (2) > load",
        "fetch (3) > load",
        "nested (2) > load",
        "fetch (5) > load",
        "fetch (6) > load",
    ]


async def _drawn_in_a_loop(drawn: Any) -> list[str]:
    return [drawn.generate_mermaid_graph(), await drawn.agenerate_mermaid_graph()]


def test_a_running_loop_is_no_hindrance() -> None:
    @flow
    async def crawl() -> None:
        await asyncio.sleep(0)
        load(await fetch("a"))

    texts = asyncio.run(_drawn_in_a_loop(crawl))
    assert [edges_of(text) for text in texts] == [["fetch > load"]] * 2


def test_generator_tasks_stream_one_stand_in_or_what_they_are_said_to() -> None:
    @task
    def pages() -> Any:
        yield refuse()

    @task(viz_return_value=[1000, 2000])
    async def numbers() -> Any:
        yield refuse()

    @flow
    async def reading() -> None:
        load([clean(page) for page in pages()])
        load([number async for number in numbers()], pages.submit().result())

    assert edges_of(reading.generate_mermaid_graph()) == [
        "pages > clean",
        "clean > load",
        "numbers > load (2)",
        "pages (2) > load (2)",
    ]


def test_generator_flows_are_drawn() -> None:
    @flow
    def parts() -> Any:
        yield clean(1)
        yield clean(2)

    @flow
    async def async_parts() -> Any:
        yield await fetch("a")

    @flow
    async def whole() -> None:
        load(list(parts()), [part async for part in async_parts()])

    assert edges_of(whole.generate_mermaid_graph()) == ["clean > load", "clean (2) > load", "fetch > load"]
    assert parts.generate_mermaid_graph().count("clean") == 2
    assert async_parts.generate_mermaid_graph().count("fetch") == 1


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    @task
    def orders(self, day: str) -> Any:
        refuse(self, day)

    @flow
    def nightly(self, day: str) -> None:
        load(self.orders(day), self.name)

    @classmethod
    def make(cls) -> Shop:
        return cls("north")

    @flow
    @staticmethod
    def weekly() -> None:
        load(extract())


def test_methods_are_drawn() -> None:
    assert edges_of(Shop.make().nightly.generate_mermaid_graph("2026-01-31")) == ["orders > load"]
    assert edges_of(Shop.weekly.generate_mermaid_graph()) == ["extract > load"]


# --- names


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ('say "hi"', "say #quot;hi#quot;"),
        ("a[b](c){d}", "a[b](c){d}"),
        ("#35; done", "#35;35; done"),
        ("<b>&amp;</b>", "#lt;b#gt;#amp;amp;#lt;/b#gt;"),
        ("two\nlines --> x", "two lines --#gt; x"),
        ("`end`", "#96;end#96;"),
        ("end", "end"),
        ("%%{init: 1}%%", "#37;#37;{init: 1}#37;#37;"),
        ("$$x$$", "#36;#36;x#36;#36;"),
        ("päivä 2 (2)", "päivä 2 (2)"),
        ("a\\b", "a#92;b"),
    ],
)
def test_hostile_names_are_text(name: str, label: str) -> None:
    hostile = extract.with_options(name=name)

    @flow
    def naming() -> None:
        load(hostile())

    text = naming.generate_mermaid_graph()
    assert text.splitlines()[1] == f'    n1["{label}"]'
    assert edges_of(text) == [f"{label} > load"]


# --- nothing happens


def test_drawing_records_nothing_and_opens_no_database(dalsegno_home: Path) -> None:
    @flow(log_prints=True)
    def busy() -> None:
        get_run_logger().info("Drawing.")
        create_markdown_artifact("# Report", key="report")
        Variable.set("region", "north")
        clean(Variable.get("region"))
        sleep(3600)

    text = busy.generate_mermaid_graph()
    assert [line.strip() for line in text.splitlines()] == ["graph TD", 'n1["clean"]', 'n2["sleep"]']
    assert not dalsegno_home.exists()


def test_transactions_of_a_drawn_flow_do_not_commit(tmp_path: Path, dalsegno_home: Path) -> None:
    hooks: list[str] = []

    @flow
    def booking() -> None:
        with transaction("booking") as block:
            block.stage("done", on_commit_hooks=[lambda _: hooks.append("committed")])
            assert not block.is_committed()
            load(extract())

    for _ in range(2):
        assert edges_of(booking.generate_mermaid_graph()) == ["extract > load"]
    assert hooks == []
    assert not dalsegno_home.exists()


def test_a_flow_can_be_drawn_from_within_a_run() -> None:
    @flow
    def drawn() -> None:
        load(extract())

    @flow
    def drawing() -> str:
        return drawn.generate_mermaid_graph() + one().upper()

    @task
    def one() -> str:
        return "ran"

    text = drawing()
    assert text.endswith("RAN")
    assert edges_of(text.removesuffix("RAN")) == ["extract > load"]


# --- what cannot be drawn


def test_a_body_that_goes_through_what_a_task_gives_is_told_to_set_viz_return_value() -> None:
    @flow
    def looping() -> None:
        for row in extract():
            clean(row)

    with pytest.raises(FlowVisualizationError, match="'extract' gives, and its items are asked for.*viz_return_value"):
        looping.generate_mermaid_graph()


@pytest.mark.parametrize(
    "use", [len, list, int, float, range, Path, lambda value: clean(*value), lambda value: [1, 2][value]]
)
def test_what_needs_the_value_is_refused(use: Any) -> None:
    @flow
    def using() -> None:
        use(extract())

    with pytest.raises(FlowVisualizationError, match="'extract'.*viz_return_value"):
        using.generate_mermaid_graph()


def test_an_error_of_the_body_is_explained() -> None:
    @flow
    def inner(orders: Any) -> None:
        Path(f"/nowhere/{orders}").read_text()

    @flow
    def outer() -> None:
        inner(extract())

    with pytest.raises(FlowVisualizationError) as caught:
        outer.generate_mermaid_graph()
    message = str(caught.value)
    assert "The flow 'outer' cannot be drawn: the body of 'inner' raised FileNotFoundError" in message
    assert "stand-ins in place of values: 'extract'" in message
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert isinstance(caught.value, DalsegnoException)


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_that_the_body_handles_is_the_bodys_own(is_async: bool) -> None:
    @flow
    def failing() -> None:
        raise ValueError("No data.")

    @flow
    async def failing_async() -> None:
        raise ValueError("No data.")

    @flow
    def handling() -> None:
        try:
            failing()
        except ValueError:
            load()

    @flow
    async def handling_async() -> None:
        try:
            await failing_async()
        except ValueError:
            load()

    assert "load" in (handling_async if is_async else handling).generate_mermaid_graph()


def test_a_loop_that_would_never_end_is_ended() -> None:
    @flow
    def polling() -> None:
        while extract():
            clean(1)

    with pytest.raises(FlowVisualizationError, match="never ends"):
        polling.generate_mermaid_graph()


def test_arguments_must_fit_the_flow() -> None:
    @flow
    def daily(n: int) -> None:
        extract(n)

    with pytest.raises(ParameterTypeError):
        daily.generate_mermaid_graph("many")
    with pytest.raises(ParameterBindError):
        daily.generate_mermaid_graph(1, 2)


def test_calls_after_a_failed_drawing_are_calls_again() -> None:
    ran: list[int] = []

    @task
    def step(n: int) -> int:
        ran.append(n)
        return n

    @flow
    def fragile(fail: bool) -> int:
        n = step(1)
        if fail:
            raise RuntimeError
        return n

    with pytest.raises(FlowVisualizationError):
        fragile.generate_mermaid_graph(True)
    assert ran == []
    assert fragile(False) == 1
    assert ran == [1]


# --- pictures


class Digraph:
    """What is used of ``graphviz.Digraph``, with its signatures; keeps what it is told."""

    def __init__(self, name: str | None = None, *, graph_attr: Any = None, node_attr: Any = None) -> None:
        self.name = name
        self.graph_attr = graph_attr or {}
        self.nodes: dict[str, tuple[str, dict[str, str]]] = {}
        self.edges: list[tuple[str, str, dict[str, str]]] = []
        self.inner: list[Digraph] = []
        self.rendered: list[tuple[str, str]] = []

    def __enter__(self) -> Digraph:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def subgraph(self, *, name: str, graph_attr: Any) -> Digraph:
        self.inner.append(Digraph(name, graph_attr=graph_attr))
        return self.inner[-1]

    def node(self, name: str, label: str, **attributes: str) -> None:
        self.nodes[name] = (label, attributes)

    def edge(self, tail_name: str, head_name: str, **attributes: str) -> None:
        self.edges.append((tail_name, head_name, attributes))

    def render(self, *, filename: str, format: str, cleanup: bool) -> str:
        assert cleanup
        self.rendered.append((filename, format))
        return f"{filename}.{format}"


class ExecutableNotFound(RuntimeError):
    pass


@pytest.fixture
def graphviz(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("graphviz")
    vars(module).update(
        Digraph=Digraph,
        ExecutableNotFound=ExecutableNotFound,
        escape=lambda text: f"escaped {text}",
        version=lambda: (12, 0),
    )
    monkeypatch.setitem(sys.modules, "graphviz", module)
    return module


@flow(name="the nightly")
def pictured() -> None:
    orders = extract()
    future = regional.submit(orders)
    load(clean.map([1, 2]), wait_for=[future])


def test_a_picture_is_made_by_graphviz_under_the_name_of_the_flow(graphviz: types.ModuleType) -> None:
    picture = pictured.visualize()
    assert picture.rendered == [("the nightly", "png")]
    assert picture.nodes == {
        "n1": ("escaped extract", {}),
        "n5": ("escaped clean (2) (mapped)", {"peripheries": "2"}),
        "n6": ("escaped load", {}),
    }
    (inner,) = picture.inner
    assert (inner.name, inner.graph_attr) == ("cluster_n2", {"label": "escaped regional"})
    assert inner.nodes == {"n3": ("escaped extract (2)", {}), "n4": ("escaped clean", {})}
    assert picture.edges == [
        ("n1", "n3", {}),
        ("n3", "n4", {}),
        ("n4", "n6", {"ltail": "cluster_n2"}),
        ("n5", "n6", {}),
    ]


def test_the_async_twin_gives_the_same_picture(graphviz: types.ModuleType) -> None:
    assert asyncio.run(pictured.avisualize()).rendered == [("the nightly", "png")]


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(FlowVisualizationError, match="pip install graphviz.*generate_mermaid_graph"):
        pictured.visualize()
    assert pictured.generate_mermaid_graph().startswith("graph TD\n")


def test_without_the_programs_it_is_said_what_to_install(
    graphviz: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version() -> Any:
        raise ExecutableNotFound

    monkeypatch.setattr(graphviz, "version", version)
    monkeypatch.setattr(Digraph, "render", refuse)
    with pytest.raises(FlowVisualizationError, match="`dot` is missing.*generate_mermaid_graph"):
        pictured.visualize()
