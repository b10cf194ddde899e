"""Code written for Prefect becomes code for Dalsegno, and nothing else in it changes."""

from __future__ import annotations

import io
import re
import sys
import tokenize
from types import ModuleType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dalsegno.cli.rewriting import CannotRewrite, rewrite
from dalsegno.compat import install_prefect_alias, remove_prefect_alias

CASES = {
    "names": ("from prefect import flow, task", "from dalsegno import flow, task"),
    "an alias of a name": ("from prefect import flow as f", "from dalsegno import flow as f"),
    "a submodule": ("from prefect.cache_policies import INPUTS", "from dalsegno.cache_policies import INPUTS"),
    "a name called otherwise keeps its own here": (
        "from prefect.futures import PrefectFuture, wait\nx: PrefectFuture",
        "from dalsegno.futures import Future as PrefectFuture, wait\nx: PrefectFuture",
    ),
    "a name called otherwise, with an alias": (
        "from prefect.futures import PrefectFutureList as L",
        "from dalsegno.futures import FutureList as L",
    ),
    "words": (
        "from prefect.testing.utilities import prefect_test_harness",
        "from dalsegno.testing.utilities import dalsegno_test_harness as prefect_test_harness",
    ),
    "a star": ("from prefect.cache_policies import *", "from dalsegno.cache_policies import *"),
    "a module and its uses": (
        "import prefect\n@prefect.flow\ndef f(x: prefect.futures.PrefectFuture): return prefect",
        "import dalsegno\n@dalsegno.flow\ndef f(x: dalsegno.futures.Future): return dalsegno",
    ),
    "exceptions": (
        "import prefect\ntry: pass\nexcept (ValueError, prefect.exceptions.PrefectException): pass",
        "import dalsegno\ntry: pass\nexcept (ValueError, dalsegno.exceptions.DalsegnoException): pass",
    ),
    "an alias of the module": (
        "import prefect as p, os\np.futures.PrefectFuture; p.flow",
        "import dalsegno as p, os\np.futures.Future; p.flow",
    ),
    "an alias of a submodule": (
        "import prefect.futures as pf\npf.PrefectFuture",
        "import dalsegno.futures as pf\npf.Future",
    ),
    "an import of a submodule binds the package": (
        "import prefect.futures, prefect.states\nprefect.futures.PrefectFuture",
        "import dalsegno.futures, dalsegno.states\ndalsegno.futures.Future",
    ),
    "a submodule as a name": (
        "from prefect import futures as f, flow\nf.PrefectFutureList",
        "from dalsegno import futures as f, flow\nf.FutureList",
    ),
    "moved names": (
        "from prefect.utilities.annotations import quote, unmapped as u",
        "from dalsegno import quote, unmapped as u",
    ),
    "moved names of a module that has no counterpart": (
        "from prefect.client.schemas.objects import State, StateType",
        "from dalsegno.states import State, StateType",
    ),
    "a moved module": (
        "import prefect.logging.loggers as loggers\nloggers.get_run_logger()",
        "import dalsegno.logging as loggers\nloggers.get_run_logger()",
    ),
    "dotted uses of what moved": (
        "import prefect\nprefect.utilities.annotations.quote(1)\nprefect.logging.loggers.get_logger()",
        "import dalsegno\ndalsegno.quote(1)\ndalsegno.logging.get_logger()",
    ),
    "attributes after a name are not followed": (
        "import prefect\nprefect.flow.PrefectFuture.prefect",
        "import dalsegno\ndalsegno.flow.PrefectFuture.prefect",
    ),
    "for type checkers only": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from prefect.states import State\n    import prefect",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from dalsegno.states import State\n    import dalsegno",
    ),
    "in a function": (
        "def f():\n    import prefect\n    return [prefect.flow for _ in prefect.x()]\nprefect = 1",
        "def f():\n    import dalsegno\n    return [dalsegno.flow for _ in dalsegno.x()]\nprefect = 1",
    ),
    "f-strings": (
        "import prefect\nf'prefect {prefect.runtime.flow_run.name!r:>{prefect.w}} prefect.'",
        "import dalsegno\nf'prefect {dalsegno.runtime.flow_run.name!r:>{dalsegno.w}} prefect.'",
    ),
    "f-strings over several lines, in each other, and with braces that stand for themselves": (
        'import prefect\nf"""é {{prefect}}\n {f\'{prefect.flow}\'} {prefect.futures\n.PrefectFuture}"""',
        'import dalsegno\nf"""é {{prefect}}\n {f\'{dalsegno.flow}\'} {dalsegno.futures\n.Future}"""',
    ),
    "odd spaces": (
        "import  prefect . futures  as  pf\nfrom\tprefect .\\\n states import(State)\npf \\\n . \\\n PrefectFuture",
        "import  dalsegno . futures  as  pf\nfrom\tdalsegno .\\\n states import(State)\npf \\\n . \\\n Future",
    ),
    "comments in a list": (
        "from prefect.futures import (  # prefect\n    PrefectFuture,  # one\n\n    wait , # two\n)  # three\n",
        "from dalsegno.futures import (  # prefect\n    Future as PrefectFuture,  # one\n\n"
        "    wait , # two\n)  # three\n",
    ),
    "several on a line": (
        "import os; import prefect; x = 'é', prefect.flow, 'ü', prefect.task; del os",
        "import os; import dalsegno; x = 'é', dalsegno.flow, 'ü', dalsegno.task; del os",
    ),
    "a chain over lines": (
        "import prefect\n(prefect  # a\n  .futures  # b\n  .PrefectFuture)",
        "import dalsegno\n(dalsegno  # a\n  .futures  # b\n  .Future)",
    ),
    "ends of lines": ("import prefect\r\nprefect.flow\rx = 1\n", "import dalsegno\r\ndalsegno.flow\rx = 1\n"),
    "form feeds and separators": (
        "import prefect\n\x0c\nx = '\x1c\u2028'; prefect.flow\n\x0cprefect.task",
        "import dalsegno\n\x0c\nx = '\x1c\u2028'; dalsegno.flow\n\x0cdalsegno.task",
    ),
}
if sys.version_info >= (3, 12):
    CASES["parameters of types"] = (
        "import prefect\ntype X[prefect] = prefect.x\ndef f[prefect](a: prefect.x): return prefect.x\n"
        "class C[T: prefect.Flow](prefect.Task):\n    x: prefect.State",
        "import dalsegno\ntype X[prefect] = prefect.x\ndef f[prefect](a: prefect.x): return prefect.x\n"
        "class C[T: dalsegno.Flow](dalsegno.Task):\n    x: dalsegno.State",
    )


@pytest.mark.parametrize(("old", "new"), CASES.values(), ids=CASES)
def test_it_becomes(old: str, new: str) -> None:
    done = rewrite(old)
    assert done.text == new
    assert done.changes
    assert rewrite(new).text == new


STAYS = {
    "a relative import": "from .prefect import flow\nfrom . import prefect\nprefect.futures.PrefectFuture",
    "another package": "import prefect_x, prefecture\nfrom prefecture import prefect\nprefect.flow",
    "a parameter": "def f(prefect, *, q=lambda prefect: prefect.flow): return prefect.futures.PrefectFuture",
    "texts and comments": "'import prefect'  # import prefect\n'''prefect.flow'''",
    "an attribute of something else": "x.prefect.flow",
    "a keyword": "f(prefect=1)",
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_it_stays(text: str) -> None:
    assert rewrite(text).text == text


SHADOWED = {
    "a parameter": "def f(prefect): return prefect.futures.PrefectFuture",
    "a variable": "def f():\n    prefect = g()\n    return prefect.futures.PrefectFuture",
    "a lambda": "f = lambda prefect: prefect.flow",
    "a comprehension": "[prefect.flow for prefect in y if prefect.x]",
    "an error": "def f():\n    try: pass\n    except E as prefect: prefect.flow",
    "a pattern": "def f(x):\n  match x:\n    case [*prefect]: prefect.flow\n    case {**prefect}: prefect.flow",
    "a context": "def f():\n    with g() as prefect: prefect.flow",
    "an import": "def f():\n    from . import prefect\n    prefect.flow",
    "a walrus": "def f():\n    [(prefect := y) for y in z]\n    return prefect.flow",
    "an outer function": "def f(prefect):\n    def g():\n        return lambda: prefect.flow\n    return g",
}


@pytest.mark.parametrize("block", SHADOWED.values(), ids=SHADOWED)
def test_a_name_that_means_something_else_in_its_scope_is_not_touched(block: str) -> None:
    assert rewrite(f"import prefect\n{block}\nprefect.flow").text == f"import dalsegno\n{block}\ndalsegno.flow"


SEEN_THROUGH = {
    "defaults, decorators and the first iterable are of the scope outside": (
        "@prefect.flow\ndef f(prefect=prefect.x): [prefect for prefect in prefect.y]\n"
        "[prefect for prefect in prefect.z]",
        "@dalsegno.flow\ndef f(prefect=dalsegno.x): [prefect for prefect in prefect.y]\n"
        "[prefect for prefect in dalsegno.z]",
    ),
}


@pytest.mark.parametrize(("old", "new"), SEEN_THROUGH.values(), ids=SEEN_THROUGH)
def test_the_module_is_seen_where_python_sees_it(old: str, new: str) -> None:
    assert rewrite(f"import prefect\n{old}").text == f"import dalsegno\n{new}"


KEPT = {
    "a fallback": ("try:\n    import prefect\nexcept ImportError:\n    prefect = None\n", "prefect.futures.Future"),
    "our name is taken": ("import prefect\ndalsegno = 1\n", "prefect.futures.Future"),
    "quoted annotations": ("import prefect\ndef f(x: 'prefect.Flow'): pass\n", "prefect.futures.Future"),
    "a quoted return": ("import prefect\ndef f() -> list['prefect.Flow']: pass\n", "prefect.futures.Future"),
    "exported": ("import prefect\n__all__ = ['prefect']\n", "prefect.futures.Future"),
    "a global": ("import prefect\ndef f():\n    global prefect\n    import prefect\n", "prefect.futures.Future"),
    "exported by itself": ("import prefect as prefect\n", "prefect.futures.Future"),
    "a class's own": ("import prefect\nclass C:\n    prefect = 1\n    def f(self): pass\n", "prefect.futures.Future"),
    "a class's method": ("import prefect\nclass C:\n  prefect = 1\n  def f(self): return ", "prefect.futures.Future"),
    "deleted": ("import prefect\ndel prefect\nimport prefect.states\n", "prefect.futures.Future"),
}


@pytest.mark.parametrize(("head", "use"), KEPT.values(), ids=KEPT)
def test_the_local_name_stays_where_something_may_rely_on_it(head: str, use: str) -> None:
    new = rewrite(f"{head}prefect.futures.PrefectFuture").text
    assert "import dalsegno as prefect" in new
    assert new.endswith(use)
    assert "import prefect" not in new


def test_an_attribute_of_a_class_stays_its_attribute() -> None:
    text = "class C:\n    import prefect\n    x = prefect.flow\nC.prefect.flow"
    assert rewrite(text).text == text.replace("import prefect", "import dalsegno as prefect")


def test_what_stands_for_two_things_is_left_and_told() -> None:
    done = rewrite("import prefect\nprefect = wrap(prefect)\nprefect.futures.PrefectFuture")
    assert done.text == "import dalsegno as prefect\nprefect = wrap(prefect)\nprefect.futures.PrefectFuture"
    assert [(left.line, left.text) for left in done.left] == [(3, "prefect.futures.PrefectFuture")]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("from prefect import (flow,\n  automations)", [(2, "prefect.automations")]),
        ("from prefect.events import emit_event", [(1, "prefect.events.emit_event")]),
        ("from prefect.automations import Automation", [(1, "prefect.automations.Automation")]),
        ("import prefect.events as d\nd.run", [(1, "prefect.events"), (2, "prefect.events.run")]),
        ("import prefect\n\nprefect.automations(1).x", [(3, "prefect.automations")]),
        ("from prefect.nothing import *", [(1, "prefect.nothing.*")]),
        (
            "from prefect.client.schemas.objects import State, FlowRun",
            [(1, "prefect.client.schemas.objects.State"), (1, "prefect.client.schemas.objects.FlowRun")],
        ),
        ("import prefect_aws\nfrom prefect_dask import D", [(1, "prefect_aws"), (2, "prefect_dask.D")]),
        (
            "from prefect.flows import _private, annotations",
            [(1, "prefect.flows._private"), (1, "prefect.flows.annotations")],
        ),
        ("from prefect import flow, task, futures, runtime\nruntime.flow_run.id", []),
    ],
)
def test_names_without_a_counterpart_are_told_with_their_lines(text: str, missing: list[tuple[int, str]]) -> None:
    assert [(found.line, found.name) for found in rewrite(text).missing] == missing


def test_texts_that_name_prefect_are_told() -> None:
    done = rewrite(
        '"""import prefect.flow"""\nimport os\nos.environ["PREFECT_API_URL"]\n'
        'getLogger("prefect")\npatch("prefect.flows.x")\nprint("a prefect day")'
    )
    assert [(left.line, left.text) for left in done.left] == [
        (3, "'PREFECT_API_URL'"),
        (4, "'prefect'"),
        (5, "'prefect.flows.x'"),
    ]


def test_names_that_a_star_gives_under_another_name_are_told() -> None:
    done = rewrite("from prefect.futures import *\nPrefectFuture\nwait")
    assert [(left.line, left.text) for left in done.left] == [(2, "PrefectFuture")]


@pytest.mark.parametrize("text", ["import prefect\nprint 1", "import prefect\0", "import prefect\n x"])
def test_what_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(CannotRewrite):
        rewrite(text)


@pytest.mark.parametrize(
    "text", ["import ｐrefect  # prefect", "import prefect; ｐrefect.flow", "from ｐrefect import prefect"]
)
def test_letters_that_only_look_alike_are_refused_rather_than_guessed_at(text: str) -> None:
    with pytest.raises(CannotRewrite, match="change it by hand"):
        rewrite(text)


def test_code_that_is_nested_too_deeply_is_refused_or_rewritten() -> None:
    try:
        assert rewrite(f"import prefect\nx = {'-' * 20_000}1").text.startswith("import dalsegno")
    except CannotRewrite as error:
        assert "Python cannot parse it" in str(error)  # noqa: PT017


LINES = st.sampled_from(
    [
        "import prefect",
        "import prefect.futures",
        "import prefect as p",
        "import prefect.states as s, os",
        "from prefect import futures, flow as f",
        "from prefect.futures import PrefectFuture, wait",
        "from prefect.utilities.annotations import (quote,  # é\n    unmapped)",
        "see('prefect', prefect.futures.PrefectFuture)",
        "see(p.futures.PrefectFuture, 'é', s.State)",
        "see(futures.PrefectFutureList, quote, wait, PrefectFuture)",
        "'é'; see(prefect.logging.loggers.get_logger)",
        "see(f'prefect {prefect.runtime.flow_run.name} é {prefect.states.Completed.__name__!r}')",
        "see(lambda: prefect.exceptions.PrefectException)",
        "see([prefect for prefect in [prefect.flow]])",
        "prefect = prefect.flow; see(prefect)",
        "see(prefect)",
        "prefect = None",
        "prefect = 1",
        "del prefect",
        "dalsegno = 1; see(dalsegno)",
        "__all__ = ['prefect']",
        "q: 'prefect.Flow' = 1",
        "# prefect.futures.PrefectFuture",
        "global prefect",
    ]
)
HEADS = ["", "if True:", "def f(a=1):", "def g(prefect=2):", "class C:", "class C:\n def f(a=1):"]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Give programs of these lines, some of them in functions and classes; not all of them are valid."""
    lines: list[str] = []
    for block in draw(st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=6)):
        head = draw(st.sampled_from(HEADS))
        lines += [head, *(f"  {line}" for line in block), "  pass"] if head else block
        if "def" in head:
            lines.append("C.f()" if "C" in head else f"{head[4]}()")
    return draw(st.sampled_from(["\n", "\r\n"])).join("\n".join(lines).split("\n"))


def is_python(text: str) -> bool:
    try:
        compile(text, "program", "exec")
    except SyntaxError:
        return False
    return True


def what_is_not_code(text: str) -> list[str]:
    """Give the texts and comments of a program, but for what stands in f-strings."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    kinds = (tokenize.STRING, tokenize.COMMENT, tokenize.NUMBER)
    return [token.string for token in tokens if token.type in kinds and not token.string.startswith("f'")]


@given(programs())
def test_whatever_the_program_its_texts_and_comments_stay_and_once_is_enough(program: str) -> None:
    assume(is_python(program))
    done = rewrite(program)
    assert what_is_not_code(done.text) == what_is_not_code(program)
    assert done.text.count("\n") == program.count("\n")
    assert rewrite(done.text).text == done.text
    assert not re.search(r"^\s*(import|from) prefect", done.text, re.MULTILINE)


def what_it_sees(program: str) -> list[object]:
    """Run a program and give what it saw, modules by our names, and the type of the error that ended it."""
    seen: list[object] = []

    def see(*values: Any) -> None:
        for value in values:
            if callable(value) and getattr(value, "__name__", "") == "<lambda>":
                see(value())
            elif isinstance(value, ModuleType):
                seen.append(value.__name__.replace("prefect", "dalsegno"))
            else:
                seen.append(value)

    try:
        exec(compile(program, "program", "exec"), {"see": see, "__name__": "program"})
    except (NameError, AttributeError, TypeError) as error:
        seen.append(type(error))
    return seen


@given(programs())
def test_what_a_program_sees_is_what_it_saw_under_the_alias(program: str) -> None:
    assume(is_python(program))
    done = rewrite(program)
    assume(all(left.reason == "texts are not changed" for left in done.left))
    install_prefect_alias()
    try:
        before = what_it_sees(program)
    finally:
        remove_prefect_alias()
    assert what_it_sees(done.text) == before
