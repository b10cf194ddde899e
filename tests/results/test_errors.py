"""Errors of runs are written down whatever they are, stay small, and come back as what they were."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from dalsegno.exceptions import FailedRun
from dalsegno.results.errors import decode_error, encode_error, read_error
from dalsegno.results.signing import Signer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "result.key")


class OrderError(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Stubborn(Exception):
    """Pickles, but cannot be made again from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def roundtrip(error: BaseException, signer: Signer) -> BaseException:
    return decode_error(encode_error(raised(error), address=b"run", signer=signer), signer=signer)


def test_an_error_comes_back_with_type_arguments_and_traceback(signer: Signer) -> None:
    found = roundtrip(OrderError(7), signer)
    assert type(found) is OrderError
    assert found.number == 7
    assert "in raised" in str(found.__cause__)
    assert "OrderError: 7" in str(found.__cause__)


def test_notes_come_back(signer: Signer) -> None:
    error = ValueError("x")
    error.add_note("look here")
    assert roundtrip(error, signer).__notes__ == ["look here"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Stubborn(1, 2), FailedRun(f"{__name__}.Stubborn: 1 and 2")),
        (ValueError(threading.Lock()), ValueError),
        (Silent(), Silent()),
        (KeyboardInterrupt(), KeyboardInterrupt()),
        (ExceptionGroup("all", [ValueError("a")]), ExceptionGroup("all", [ValueError("a")])),
        (
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ),
        (RuntimeError("\ud800"), RuntimeError("\ud800")),
    ],
    ids=lambda value: getattr(type(value), "__name__", "type"),
)
def test_odd_errors_come_back_as_well_as_can_be(error: BaseException, expected: Any, signer: Signer) -> None:
    found = roundtrip(error, signer)
    if isinstance(expected, type):
        assert type(found) is expected
    else:
        assert repr(found) == repr(expected)


def test_an_error_stays_small_whatever_it_holds(signer: Signer) -> None:
    packed = encode_error(ValueError("x" * 50_000_000), address=b"run", signer=signer)
    assert len(packed) < 100_000
    record = read_error(packed)
    assert record.data is None
    assert "characters left out" in record.message
    assert isinstance(decode_error(packed, signer=signer), ValueError)


def test_a_deep_recursion_is_written_down(signer: Signer) -> None:
    def down(n: int) -> int:
        return down(n + 1)

    with pytest.raises(RecursionError) as caught:
        down(0)
    packed = encode_error(caught.value, address=b"run", signer=signer)
    assert len(packed) < 100_000
    assert isinstance(decode_error(packed, signer=signer), RecursionError)


def test_without_a_key_the_text_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    signer = Signer(tmp_path / "file" / "result.key")
    found = roundtrip(OrderError(7), signer)
    assert repr(found) == repr(FailedRun(f"{__name__}.OrderError: 7"))
    assert repr(roundtrip(ValueError("x"), signer)) == "ValueError('x')"


def test_a_pickle_that_somebody_slipped_in_is_not_loaded(signer: Signer, tmp_path: Path) -> None:
    other = Signer(tmp_path / "other.key")
    packed = encode_error(OrderError(7), address=b"run", signer=other)
    assert isinstance(decode_error(packed, signer=signer), FailedRun)


def test_people_can_read_it_without_loading_anything(signer: Signer) -> None:
    record = read_error(encode_error(raised(OrderError(7)), address=b"run", signer=signer))
    assert record.type == f"{__name__}.OrderError"
    assert record.message == "7"
    assert record.traceback.startswith("Traceback (most recent call last):")
