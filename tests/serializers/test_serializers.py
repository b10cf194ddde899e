"""What a serializer writes, the same one reads back, also when it is found again by its name."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import pickle
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from dalsegno.exceptions import ConfigurationError, SerializationError
from dalsegno.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    ResultTooLarge,
    Serializer,
    resolve_serializer,
)


@dataclass
class Order:
    id: int
    lines: list[str] = field(default_factory=list)


class Customer(BaseModel):
    name: str
    since: datetime.date


class Colour(enum.Enum):
    RED = 1


@dataclass(frozen=True)
class Shouting(Serializer):
    type = "shouting"
    mark: str = "!"

    def dumps(self, obj: Any) -> bytes:
        return f"{obj}{self.mark}".upper().encode()

    def loads(self, blob: bytes) -> Any:
        return blob.decode().removesuffix(self.mark)


def encode_as_text(value: Any) -> Any:
    return f"<{type(value).__name__}>"


def decode_marked(value: dict[str, Any]) -> Any:
    return {**value, "seen": True}


@pytest.mark.parametrize(
    "serializer",
    [
        PickleSerializer(),
        PickleSerializer(picklelib="pickle"),
        JSONSerializer(),
        JSONSerializer(dumps_kwargs={"indent": 1}, loads_kwargs={"parse_int": None}),
        JSONSerializer(object_encoder=encode_as_text, object_decoder=decode_marked),
        CompressedSerializer(PickleSerializer()),
        CompressedSerializer("json", compressionlib="bz2"),
        CompressedSerializer(CompressedSerializer(JSONSerializer(jsonlib="json"), "zlib")),
        CompressedPickleSerializer(),
        CompressedPickleSerializer(compressionlib="zlib"),
        CompressedJSONSerializer(),
        Shouting(),
        Shouting(mark="?"),
    ],
    ids=lambda serializer: serializer.describe(),
)
def test_a_serializer_is_found_again_by_its_description(serializer: Serializer) -> None:
    found = resolve_serializer(serializer.describe())
    assert found.describe() == serializer.describe()
    assert found.loads(serializer.dumps("A")) == serializer.loads(serializer.dumps("A")) == "A"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pickle", PickleSerializer),
        (None, PickleSerializer),
        ("json", JSONSerializer),
        ("compressed/pickle", CompressedPickleSerializer),
        ("compressed/json", CompressedJSONSerializer),
        ("shouting", Shouting),
        (Shouting(), Shouting),
    ],
)
def test_names_stand_for_serializers(name: Any, kind: type) -> None:
    assert type(resolve_serializer(name)) is kind


def test_any_serializer_can_be_compressed_by_name() -> None:
    assert resolve_serializer("compressed/shouting").loads(resolve_serializer("compressed/shouting").dumps("a")) == "A"


@pytest.mark.parametrize("name", ["nosuch", "compressed/nosuch", "", 'json{"nosuch": 1}', "json{"])
def test_a_wrong_name_is_said(name: str) -> None:
    with pytest.raises(ConfigurationError, match="serializer"):
        resolve_serializer(name)


# --- pickle


def test_importable_classes_go_by_reference() -> None:
    data = PickleSerializer().dumps([Order(1), encode_as_text, Order])
    assert data == pickle.dumps([Order(1), encode_as_text, Order], 5)


def test_lambdas_and_local_classes_go_by_value() -> None:
    class Local:
        def __init__(self, n: int) -> None:
            self.n = n

    n = 3
    loaded = PickleSerializer().loads(PickleSerializer().dumps((lambda x: x + n, Local(4))))
    assert loaded[0](1) == 4
    assert loaded[1].n == 4
    with pytest.raises(SerializationError, match="cannot be pickled"):
        PickleSerializer(picklelib="pickle").dumps(lambda: 1)


def test_the_classes_of_a_script_are_the_same_classes_when_it_is_loaded_as_main(tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text(
        "import sys\n"
        "from dataclasses import dataclass\n"
        "from dalsegno.serializers import PickleSerializer\n"
        "@dataclass\n"
        "class Order:\n    id: int = 7\n"
        "if sys.argv[1] == 'write':\n"
        "    open('pickled', 'wb').write(PickleSerializer().dumps(Order()))\n"
        "else:\n"
        "    print(type(PickleSerializer().loads(open('pickled', 'rb').read())) is Order)\n"
    )
    for way in ("write", "read"):
        found = subprocess.run(
            [sys.executable, "nightly.py", way], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    assert found.stdout.strip() == "True"


def test_a_class_that_is_gone_is_said_with_what_to_do() -> None:
    data = PickleSerializer().dumps(Order(1)).replace(b"Order", b"Ordre")
    with pytest.raises(SerializationError, match=r"Ordre.* must be importable under the names"):
        PickleSerializer().loads(data)


def test_another_pickle_library_may_be_named() -> None:
    assert PickleSerializer(picklelib="marshal").loads(PickleSerializer(picklelib="marshal").dumps([1])) == [1]
    with pytest.raises(ConfigurationError, match="'nosuch', needed to pickle a result, cannot be imported"):
        PickleSerializer(picklelib="nosuch").dumps(1)


@pytest.mark.parametrize("serializer", [PickleSerializer(), JSONSerializer(), CompressedPickleSerializer()])
def test_the_limit_holds_for_the_bytes_before_compression(serializer: Serializer) -> None:
    assert serializer.loads(serializer.dumps_within("x" * 100, 200)) == "x" * 100
    with pytest.raises(ResultTooLarge):
        serializer.dumps_within("x" * 300, 200)


def test_the_limit_holds_for_what_goes_by_value() -> None:
    text = "x" * 10_000
    assert PickleSerializer().loads(PickleSerializer().dumps_within(lambda: text, 20_000))() == text
    with pytest.raises(ResultTooLarge):
        PickleSerializer().dumps_within(lambda: text, 5000)


# --- JSON


@pytest.mark.parametrize(
    "value",
    [
        datetime.datetime(2026, 1, 31, 3, 5, tzinfo=datetime.UTC),
        datetime.date(2026, 1, 31),
        datetime.time(3, 5),
        datetime.timedelta(days=-1, microseconds=5),
        {1, 2},
        frozenset({"a"}),
        b"\x00\xff",
        uuid.UUID(int=7),
        decimal.Decimal("1.10"),
        1 + 2j,
        Path("a/b"),
        Colour.RED,
        Order(1, ["x"]),
        Customer(name="a", since=datetime.date(2026, 1, 31)),
        [{"deep": [Order(2), {datetime.date(2026, 1, 31)}]}],
        {"__dalsegno__": "unknown", "value": 1},
        {"a": None, "b": [1.5, True]},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("name", ["json", "compressed/json"])
def test_json_gives_back_more_than_json_has(name: str, value: Any) -> None:
    serializer = resolve_serializer(name)
    found = serializer.loads(serializer.dumps(value))
    assert found == value
    assert type(found) is type(value)


def test_json_gives_back_exceptions() -> None:
    found = JSONSerializer().loads(JSONSerializer().dumps(ValueError("bad", 3)))
    assert type(found) is ValueError
    assert found.args == ("bad", 3)


def test_plain_json_is_plain() -> None:
    assert json.loads(JSONSerializer().dumps({"a": [1, "é"]})) == {"a": [1, "é"]}


def test_encoder_and_decoder_may_be_ones_own() -> None:
    serializer = JSONSerializer(object_encoder=encode_as_text, object_decoder=decode_marked)
    assert serializer.object_encoder == f"{__name__}.encode_as_text"
    assert serializer.loads(serializer.dumps({"a": object()})) == {"a": "<object>", "seen": True}
    with pytest.raises(ConfigurationError, match="must be a function of a module"):
        JSONSerializer(object_encoder=lambda value: value)


def test_a_library_without_hooks_decodes_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hookless:
        dumps = staticmethod(json.dumps)

        @staticmethod
        def loads(blob: bytes) -> Any:
            return json.loads(blob)

    monkeypatch.setitem(sys.modules, "hookless", Hookless)  # type: ignore[arg-type]
    serializer = JSONSerializer(jsonlib="hookless")
    assert serializer.loads(serializer.dumps([{"a": Order(1)}])) == [{"a": Order(1)}]


@pytest.mark.parametrize("value", [object(), {"a": object()}, {(1, 2): 3}])
def test_what_has_no_json_form_is_said(value: Any) -> None:
    with pytest.raises(SerializationError, match="cannot be written as JSON"):
        JSONSerializer().dumps(value)


@pytest.mark.parametrize("name", ["pickle", "json", "compressed/json", "compressed/pickle"])
def test_damaged_bytes_are_said(name: str) -> None:
    with pytest.raises(SerializationError):
        resolve_serializer(name).loads(b"\xff\x00damaged")


def test_importing_it_loads_neither_cloudpickle_nor_pydantic() -> None:
    program = (
        "import sys, dalsegno.serializers\nprint({'cloudpickle', 'pydantic', 'fsspec', 'lzma'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
