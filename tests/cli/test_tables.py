"""Tables and pages as text."""

from __future__ import annotations

import io

import pytest

from dalsegno.cli.looks import LOOKS, state_cell
from dalsegno.cli.run_tables import shown_ids
from dalsegno.cli.screen import Screen, columns, cut, screen_of
from dalsegno.cli.tables import Cell, Column, fit, page, table
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.states import StateRecord, StateType
from dalsegno.model.views import FlowView

HEADS = [Column("NAME", shrinks=True), Column("COUNT", right=True)]


def test_columns_are_as_wide_as_what_stands_in_them() -> None:
    assert table(HEADS, [["a", "1"], ["longer", "20"]], Screen()) == ("NAME    COUNT\na           1\nlonger     20")


def test_a_table_without_rows_is_its_heads() -> None:
    assert table(HEADS, [], Screen()) == "NAME  COUNT"


def test_what_is_too_wide_is_cut_to_the_screen() -> None:
    lines = table(HEADS, [["x" * 100, "1"]], Screen(width=30)).splitlines()
    assert [len(line) for line in lines] == [30, 30]
    assert lines[1].startswith("x" * 22 + "…  ")


def test_the_widest_column_gives_way_first() -> None:
    assert fit([50, 20, 10], [True, True, False], 60) == [26, 20, 10]
    assert fit([50, 20], [False, False], 10) == [50, 20]
    assert fit([10, 10], [True, True], 100) == [10, 10]


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 6) == "日本語"


def test_line_breaks_do_not_break_a_row() -> None:
    assert table([Column("A")], [["x\ny"]], Screen()) == "A\nx y"


def test_colours_are_only_where_the_screen_has_them() -> None:
    rows = [[Cell("bad", "red")]]
    assert "\x1b" not in table([Column("A")], rows, Screen())
    assert "\x1b[31mbad\x1b[0m" in table([Column("A")], rows, Screen(colours=True))


def test_each_type_of_state_has_a_shape_of_its_own() -> None:
    assert LOOKS.keys() == set(StateType)
    for index in (0, 1):
        assert len({look[index] for look in LOOKS.values()}) == len(StateType)


def test_a_screen_without_the_shapes_gets_letters() -> None:
    ascii_only = screen_of(io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    state = StateRecord(type=StateType.FAILED, name="Failed", timestamp=0)
    assert state_cell(state, ascii_only).text.isascii()
    assert state_cell(state, Screen()).text == "✗ Failed"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"  # pyright: ignore[reportAssignmentType]

        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert screen_of(Terminal()).colours
    monkeypatch.setenv(name, value)
    assert not screen_of(Terminal()).colours


def test_ids_are_cut_on_a_narrow_screen_but_tell_runs_apart() -> None:
    class Run(FlowView):
        id: bytes

    def run(id: bytes) -> Run:
        return Run(id=id, name="", version=None, description=None, run_count=0, last_run=None, last_state=None)

    near = new_id(5_000_000)
    runs = [run(near), run(near[:-1] + bytes([near[-1] ^ 1])), run(new_id(90_000_000_000))]
    assert set(shown_ids(runs, Screen()).values()) == {id_text(one.id) for one in runs}
    assert {len(text) for text in shown_ids(runs, Screen(width=80)).values()} == {36}
    assert {len(text) for text in shown_ids(runs[1:], Screen(width=80)).values()} == {13}


def test_a_page_leaves_out_what_is_not_there() -> None:
    assert page([("Name", "x"), ("Message", None), ("Tags", ""), ("Longer", "a\nb")]) == (
        "Name    x\nLonger  a\n        b"
    )
