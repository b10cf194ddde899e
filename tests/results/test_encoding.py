"""Results come back as they were, from the row, the database or a file, and only if they are ours."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dalsegno.exceptions import (
    ConfigurationError,
    MissingResult,
    SerializationError,
    SignatureMismatch,
    StorageError,
)
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.results import PLAIN, pack_stored, unpack_stored
from dalsegno.results import ResultTooLarge
from dalsegno.results.encoding import (
    EncodedResult,
    cache_address,
    decode_result,
    delete_stored,
    encode_result,
    run_address,
)
from dalsegno.results.limits import ResultLimits
from dalsegno.results.signing import Signer
from dalsegno.serializers import JSONSerializer, Serializer

ROOT, RUN = new_id(), new_id()
ADDRESS = run_address(ROOT, RUN, 1)


class Bench:
    """A signer, a table of blobs and a folder, as an engine has them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.signer = Signer(home / "result.key")
        self.blobs: dict[bytes, bytes] = {}
        self.limits = ResultLimits(inline=100, blob=1000, largest=10_000, storage=str(home / "results"))

    def encode(self, value: Any, **options: Any) -> EncodedResult:
        options = {"limits": self.limits, **options}
        made = encode_result(value, task_run_id=RUN, run_count=1, root_run_id=ROOT, signer=self.signer, **options)
        if made.blob is not None:
            self.blobs[made.blob.id] = made.blob.data
        return made

    def decode(self, packed: bytes, address: bytes | None = ADDRESS) -> Any:
        return decode_result(packed, read_blob=self.blobs.get, signer=self.signer, address=address)

    def files(self) -> list[Path]:
        return [path for path in self.home.rglob("*") if path.is_file() and path.name != "result.key"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


values = st.recursive(
    st.one_of(
        st.none(),
        st.integers(),
        st.text(max_size=200),
        st.binary(max_size=200),
        st.complex_numbers(allow_nan=False),
    ),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_comes_back(bench: Bench, value: Any) -> None:
    found = bench.decode(bench.encode(value).packed)
    assert found == value
    assert type(found) is type(value)


def where(made: EncodedResult) -> str:
    stored = unpack_stored(made.packed)
    if stored is None:
        return "row"
    return "described" if stored.data is not None else "blob" if stored.blob is not None else "file"


@pytest.mark.parametrize(("size", "place"), [(10, "row"), (500, "blob"), (5000, "file")])
def test_the_size_says_where_a_plain_value_goes(bench: Bench, size: int, place: str) -> None:
    made = bench.encode("x" * size)
    assert where(made) == place
    assert (made.blob is not None) == (place == "blob")
    assert len(made.packed) < 300
    assert made.size >= size
    assert bench.decode(made.packed) == "x" * size


@pytest.mark.parametrize(("size", "place"), [(10, "described"), (500, "blob"), (5000, "file")])
def test_other_values_are_signed_wherever_they_go(bench: Bench, size: int, place: str) -> None:
    made = bench.encode(("x" * size,))
    assert where(made) == place
    stored = unpack_stored(made.packed)
    assert stored is not None
    assert stored.serializer == "pickle"
    assert stored.signature is not None
    assert bench.decode(made.packed) == ("x" * size,)


def test_a_small_plain_value_takes_one_byte_more_than_msgpack(bench: Bench) -> None:
    assert bench.encode(1).packed == bytes([PLAIN, 1])
    assert not bench.signer.path.exists()


class Heavy:
    pickled = 0

    def __getstate__(self) -> Any:
        Heavy.pickled += 1
        return b"x" * 6000


@pytest.mark.parametrize("value", ["x" * 10_001, ("x" * 10_001,), [Heavy() for _ in range(1000)]], ids=type)
def test_what_is_too_large_is_not_kept_and_the_error_says_how_to_keep_it(bench: Bench, value: Any) -> None:
    Heavy.pickled = 0
    with pytest.raises(ResultTooLarge, match=r"more than 10,000 bytes .* results.max_size"):
        bench.encode(value)
    assert Heavy.pickled < 20
    assert bench.files() == []


def test_a_serializer_that_is_asked_for_is_used(bench: Bench) -> None:
    made = bench.encode({"a": (1, 2)}, serializer="json")
    stored = unpack_stored(made.packed)
    assert stored is not None
    assert stored.serializer == "json"
    assert stored.data == b'{"a": [1, 2]}'
    assert bench.decode(made.packed) == {"a": [1, 2]}


def test_the_options_of_a_serializer_are_kept_with_the_result(bench: Bench) -> None:
    made = bench.encode({"b": 1, "a": 2}, serializer=JSONSerializer(dumps_kwargs={"sort_keys": True}))
    stored = unpack_stored(made.packed)
    assert stored is not None
    assert stored.data == b'{"a": 2, "b": 1}'
    assert bench.decode(made.packed) == {"a": 2, "b": 1}


def test_the_serializer_of_the_settings_is_for_what_is_not_plain(bench: Bench) -> None:
    limits = msgspec.structs.replace(bench.limits, serializer="compressed/pickle")
    stored = unpack_stored(bench.encode((1,), limits=limits).packed)
    assert stored is not None
    assert stored.serializer == "compressed/pickle"
    assert unpack_stored(bench.encode([1], limits=limits).packed) is None


def test_an_explicit_storage_takes_small_results_too(bench: Bench) -> None:
    made = bench.encode(1, storage=str(bench.home / "mine"))
    assert where(made) == "file"
    assert bench.decode(made.packed) == 1
    assert [path.parent.parent.name for path in bench.files()] == ["mine"]


def test_a_storage_may_be_any_fsspec_url(bench: Bench) -> None:
    made = bench.encode((1, 2), storage="memory://lake/results")
    stored = unpack_stored(made.packed)
    assert stored is not None
    assert stored.url is not None
    assert stored.url.startswith("memory://lake/results/")
    assert bench.decode(made.packed) == (1, 2)
    assert delete_stored(made.packed)
    with pytest.raises(MissingResult, match="is gone"):
        bench.decode(made.packed)


def test_a_storage_key_names_the_file(bench: Bench) -> None:
    made = bench.encode(7, storage_key="day/2026.json", serializer="json")
    assert (bench.home / "results/day/2026.json").read_text() == "7"
    assert not delete_stored(made.packed)
    assert bench.decode(made.packed) == 7


@pytest.mark.parametrize("key", ["../x", "/etc/x", "a/../../x", "a\\..\\x", ""])
def test_a_storage_key_does_not_lead_out_of_the_storage(bench: Bench, key: str) -> None:
    with pytest.raises(ConfigurationError, match="does not name a file inside"):
        bench.encode(7, storage_key=key)


def test_expiry_is_kept(bench: Bench) -> None:
    stored = unpack_stored(bench.encode(1, expires=123).packed)
    assert stored is not None
    assert stored.expires == 123


# --- what is wrong


def changed(packed: bytes, **fields: Any) -> bytes:
    stored = unpack_stored(packed)
    assert stored is not None
    return pack_stored(msgspec.structs.replace(stored, **fields))


class Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("serializer", ["pickle", "json", "compressed/pickle"])
def test_a_pickle_that_somebody_slipped_in_is_not_loaded(
    bench: Bench, serializer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench.home)
    data = pickle.dumps(Bomb())
    packed = changed(bench.encode((1,)).packed, data=data, size=len(data), serializer=serializer)
    with pytest.raises(SignatureMismatch, match=f"The result of run {id_text(RUN)} \\(execution 1\\) does not match"):
        bench.decode(packed)
    assert not Path("exploded").exists()


def test_a_result_of_another_run_does_not_pass_for_this_ones(bench: Bench) -> None:
    packed = bench.encode((1,)).packed
    assert bench.decode(packed, address=None) == (1,)
    with pytest.raises(SignatureMismatch):
        bench.decode(packed, address=run_address(ROOT, new_id(), 1))
    with pytest.raises(SignatureMismatch):
        bench.decode(changed(packed, address=run_address(ROOT, RUN, 2)), address=None)


def test_a_cached_result_is_tied_to_its_key(bench: Bench) -> None:
    packed = bench.encode((1,), key_address=cache_address("k")).packed
    assert bench.decode(packed, cache_address("k")) == (1,)
    with pytest.raises(SignatureMismatch, match="under the key 'k'"):
        bench.decode(packed, cache_address("other"))


def test_a_blob_that_is_gone_is_missing(bench: Bench) -> None:
    made = bench.encode("x" * 500)
    bench.blobs.clear()
    with pytest.raises(MissingResult, match="was deleted with its run"):
        bench.decode(made.packed)


def the_file(bench: Bench) -> Path:
    (path,) = bench.files()
    return path


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda path: path.unlink(), MissingResult),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), StorageError),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), SignatureMismatch),
        (lambda path: (path.unlink(), path.mkdir()), StorageError),
    ],
)
def test_a_damaged_file_is_said(bench: Bench, damage: Callable[[Path], Any], error: type[Exception]) -> None:
    packed = bench.encode(("x" * 5000,)).packed
    damage(the_file(bench))
    with pytest.raises(error):
        bench.decode(packed)


def test_a_damaged_plain_value_is_said(bench: Bench) -> None:
    with pytest.raises(SerializationError, match="damaged"):
        bench.decode(b"\x01\x93\x01")


def test_deleting_takes_the_file_and_its_empty_folder(bench: Bench) -> None:
    packed = bench.encode("x" * 5000).packed
    folder = the_file(bench).parent
    assert delete_stored(packed)
    assert not folder.exists()
    assert not delete_stored(packed)
    assert not delete_stored(bench.encode(1).packed)


def test_deleting_never_touches_a_file_of_another_name(bench: Bench, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    packed = changed(bench.encode("x" * 5000).packed, url=f"file://{precious}")
    assert not delete_stored(packed)
    assert precious.exists()


def test_a_storage_that_cannot_be_written_is_said_and_leaves_nothing(bench: Bench) -> None:
    (bench.home / "results").write_text("in the way")
    with pytest.raises(StorageError, match=r"A result of 5,\d+ bytes cannot be written to file://"):
        bench.encode("x" * 5000)
    assert the_file(bench).read_text() == "in the way"


def test_passwords_in_urls_are_not_shown(bench: Bench) -> None:
    with pytest.raises(StorageError) as caught:
        bench.encode(1, storage="nosuch://me:secret@host/x")
    assert "secret" not in str(caught.value)


def test_what_cannot_be_serialized_is_said_by_its_type(bench: Bench) -> None:
    with pytest.raises(SerializationError, match="type generator cannot be pickled"):
        bench.encode(n for n in range(3))
    with pytest.raises(SerializationError, match="cannot be written as JSON"):
        bench.encode(object(), serializer="json")


class Broken(Serializer):
    type = "broken"

    def dumps(self, obj: Any) -> bytes:
        if obj == "no":
            raise KeyError("no")
        return b"x"

    def loads(self, blob: bytes) -> Any:
        raise OSError("cannot")


def test_errors_of_a_users_serializer_are_ours(bench: Bench) -> None:
    with pytest.raises(SerializationError, match=r"by 'broken': KeyError"):
        bench.encode("no", serializer=Broken())
    with pytest.raises(SerializationError, match="cannot be read. cannot"):
        bench.decode(bench.encode("yes", serializer="broken").packed)


def test_an_unknown_serializer_is_said(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="There is no serializer 'nosuch'"):
        bench.encode(1, serializer="nosuch")
