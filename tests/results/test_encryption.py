"""Results that are encrypted where they are kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dalsegno import flow, retry_flow_run, set_task_result, task
from dalsegno._backend.connect import connect
from dalsegno._engine.session import close_journals
from dalsegno.cache_policies import INPUTS
from dalsegno.cli.as_json import result_to_json
from dalsegno.exceptions import CannotResume, EncryptionKeyError, SettingError
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.results import unpack_stored
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.results.encoding import decode_result, encode_payload, encode_result
from dalsegno.results.limits import ResultLimits
from dalsegno.results.signing import Signer
from dalsegno.results.store import ResultStore
from dalsegno.settings import get_current_settings, temporary_settings
from dalsegno.transactions import get_transaction

NAME = "DALSEGNO_RESULTS_ENCRYPTION_KEY"
FIRST, SECOND = "6iTq7mR0VdHkz2gqPRxW9bC1yQxXv4uJd5s8fLw0aBk", "cW8m2Yx7tqLk0ZrB4vN9uJhE5sPdG1fXaKoT6iRyVwQ"
MARK = "the-card-number-4111"


class Order:
    """A value that travels as a signed pickle."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and other.text == self.text

    __hash__ = None  # pyright: ignore[reportAssignmentType]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(NAME, FIRST)
    return FIRST


def kept(value: Any, home: Path, **limits: Any) -> tuple[bytes, dict[bytes, bytes], Signer]:
    signer = Signer(home / "result.key")
    made = encode_result(
        value,
        task_run_id=new_id(),
        run_count=1,
        root_run_id=new_id(),
        signer=signer,
        limits=ResultLimits(storage=str(home / "results"), encryption_keys=(FIRST,), **limits),
    )
    return made.packed, {} if made.blob is None else {made.blob.id: made.blob.data}, signer


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def the_run() -> FlowRunView:
    (listed,) = connect().list_flow_runs(RunFilter(), Page())
    run = connect().read_flow_run(listed.id)
    assert run is not None
    return run


# --- values


@pytest.mark.parametrize("value", [None, 7, MARK, [MARK, 1.5], {"a": {"b": MARK}}, Order(MARK)])
@pytest.mark.parametrize(
    "limits", [{}, {"inline": 0}, {"inline": 0, "blob": 0}], ids=["in the row", "in the database", "in a file"]
)
def test_a_value_comes_back_and_is_nowhere_to_be_read(
    value: Any, limits: dict[str, int], tmp_path: Path, key: str
) -> None:
    packed, blobs, signer = kept(value, tmp_path, **limits)
    assert MARK.encode() not in packed + b"".join(blobs.values()) + everything_in(tmp_path)
    assert decode_result(packed, read_blob=blobs.get, signer=signer) == value
    stored = unpack_stored(packed)
    assert stored is not None
    assert stored.encryption is not None


def test_two_equal_values_look_different(tmp_path: Path) -> None:
    assert kept(MARK, tmp_path)[0] != kept(MARK, tmp_path)[0]


def test_without_the_key_the_error_says_to_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, _, signer = kept(MARK, tmp_path)
    with pytest.raises(EncryptionKeyError, match=f"{NAME} is not set") as missing:
        decode_result(packed, read_blob=lambda _: None, signer=signer)
    assert f"Set {NAME} to that key" in str(missing.value)
    monkeypatch.setenv(NAME, SECOND)
    with pytest.raises(EncryptionKeyError, match=f"but {NAME} holds") as wrong:
        decode_result(packed, read_blob=lambda _: None, signer=signer)
    assert FIRST not in str(wrong.value)
    assert SECOND not in str(wrong.value)


def test_of_several_keys_the_first_encrypts_and_all_decrypt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, _, signer = kept(MARK, tmp_path)
    monkeypatch.setenv(NAME, f"{SECOND},{FIRST}")
    new = encode_payload(msgspec.msgpack.encode(MARK))
    assert decode_result(old, read_blob=lambda _: None, signer=signer) == MARK
    monkeypatch.setenv(NAME, SECOND)
    assert decode_result(new, read_blob=lambda _: None, signer=signer) == MARK
    with pytest.raises(EncryptionKeyError):
        decode_result(old, read_blob=lambda _: None, signer=signer)


def test_bytes_that_were_changed_are_refused(tmp_path: Path, key: str) -> None:
    packed, _, signer = kept(MARK, tmp_path)
    stored = unpack_stored(packed)
    assert stored is not None
    assert stored.data is not None
    changed = msgspec.structs.replace(stored, data=stored.data[:-1] + bytes([stored.data[-1] ^ 1]))
    with pytest.raises(EncryptionKeyError, match="changed since"):
        decode_result(b"\x02" + msgspec.msgpack.encode(changed), read_blob=lambda _: None, signer=signer)


def test_unencrypted_results_stay_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = Signer(tmp_path / "result.key")
    packed = [
        encode_result(value, task_run_id=new_id(), run_count=1, root_run_id=new_id(), signer=signer).packed
        for value in (MARK, Order(MARK))
    ]
    monkeypatch.setenv(NAME, FIRST)
    assert [decode_result(one, read_blob=lambda _: None, signer=signer) for one in packed] == [MARK, Order(MARK)]


def test_a_store_of_records_encrypts_too(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ResultStore(storage=tmp_path / "records").write([MARK], key="order")
    assert MARK.encode() not in everything_in(tmp_path / "records")
    assert ResultStore(storage=tmp_path / "records").read("order").result == [MARK]
    monkeypatch.delenv(NAME)
    with pytest.raises(EncryptionKeyError, match="'order'"):
        ResultStore(storage=tmp_path / "records").read("order")


# --- runs


paid: list[str] = []
broken: dict[str, bool] = {}


@pytest.fixture(autouse=True)
def nothing_paid() -> None:
    paid.clear()
    broken.update(first=True, second=True)


@task
def pay(number: int) -> Any:
    paid.append(f"pay {number}")
    return {"receipt": f"{MARK} {number}"} if number < 2 else Order(MARK)


@task
def small(value: Any) -> Any:
    return value


@task
def fragile(name: str) -> str:
    if broken[name]:
        raise ValueError(f"{name} is broken")
    return name


@task
def keep_in_transaction() -> None:
    transaction = get_transaction()
    assert transaction is not None
    transaction.set("card", MARK)


@keep_in_transaction.on_rollback
def take_back(transaction: Any) -> None:
    paid.append(f"took back {transaction.get('card')}")


@flow
def shop() -> Any:
    keep_in_transaction()
    found = [pay(1), pay(2), small(MARK), small(None), small(7), small(True)]
    fragile("first")
    paid_more = pay(3)
    fragile("second")
    return [found, paid_more]


def test_nothing_of_a_run_is_readable_and_a_retry_pays_nothing_twice(dalsegno_home: Path, key: str) -> None:
    with pytest.raises(ValueError, match="first is broken"):
        shop()
    close_journals()
    assert MARK.encode() not in everything_in(dalsegno_home)
    broken.update(first=False, second=False)
    found, paid_more = retry_flow_run(the_run().id)
    assert (found[0], found[2:], paid_more) == ({"receipt": f"{MARK} 1"}, [MARK, None, 7, True], Order(MARK))
    assert paid == ["pay 1", "pay 2", "pay 3"]
    close_journals()
    assert MARK.encode() not in everything_in(dalsegno_home)
    for run in connect().list_task_runs(RunFilter(), Page(limit=100)):
        view = connect().read_task_run(run.id)
        assert view is not None
        shown = result_to_json(view.result)
        assert shown is None or shown["encrypted"]


def test_a_retry_without_the_key_stops_with_an_error_and_runs_nothing(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="first is broken"):
        shop()
    before = list(paid)
    monkeypatch.delenv(NAME)
    with pytest.raises(CannotResume, match=f"Set {NAME} to that key"):
        retry_flow_run(the_run().id)
    assert paid == before


def test_a_result_under_a_key_that_is_missing_fails_the_retry_and_its_task_does_not_run_again(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow(retries=1)
    def shop() -> Any:
        value = pay(1)
        monkeypatch.setenv(NAME, SECOND)  # the key is lost on the way
        fragile("first")
        return value

    with pytest.raises(EncryptionKeyError, match=f"Set {NAME} to that key"):
        shop()
    assert the_run().state.name == "Failed"
    broken.update(first=False)
    monkeypatch.setenv(NAME, f"{SECOND},{FIRST}")
    assert retry_flow_run(the_run().id, flow=shop) == {"receipt": f"{MARK} 1"}
    assert paid == ["pay 1"]


def test_a_cached_result_under_a_key_that_is_missing_is_an_error_and_no_miss(
    dalsegno_home: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task(cache_policy=INPUTS)
    def fetch(number: int) -> list[str]:
        paid.append("fetch")
        return [MARK]

    @flow
    def shop() -> Any:
        return fetch(1)

    assert shop() == [MARK]
    assert shop() == [MARK]
    close_journals()
    assert MARK.encode() not in everything_in(dalsegno_home)
    monkeypatch.delenv(NAME)
    with pytest.raises(EncryptionKeyError, match=f"{NAME} is not set"):
        shop()
    assert paid == ["fetch"]


def test_a_result_that_is_supplied_by_hand_is_encrypted(key: str) -> None:
    with pytest.raises(ValueError, match="first is broken"):
        shop()
    (failed,) = connect().list_task_runs(RunFilter(state_names=["Failed"]), Page())
    set_task_result(id_text(failed.id), MARK)
    view = connect().read_task_run(failed.id)
    assert view is not None
    assert view.result is not None
    assert MARK.encode() not in view.result
    broken.update(second=False)
    retry_flow_run(the_run().id)
    assert paid == ["pay 1", "pay 2", "pay 3"]


# --- the setting


@pytest.mark.parametrize("text", ["short", "not base64 at all, not base64 at all, no", f"{FIRST},short", FIRST[:-4]])
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingError, match=NAME) as raised, temporary_settings({NAME: text}):
        get_current_settings()
    assert text not in str(raised.value)
    assert "32 random bytes in base64" in str(raised.value)


def test_a_key_may_be_padded_and_of_either_alphabet() -> None:
    import base64

    key = bytes(range(224, 256))
    for text in (base64.b64encode(key), base64.urlsafe_b64encode(key), base64.urlsafe_b64encode(key).rstrip(b"=")):
        with temporary_settings({NAME: text.decode()}) as settings:
            assert len(settings.results.encryption_key) == 1


def test_the_key_is_in_no_repr(key: str) -> None:
    assert key not in repr(get_current_settings())


def test_without_a_key_cryptography_is_not_imported(dalsegno_home: Path) -> None:
    code = (
        "import sys\nfrom dalsegno import flow, task\n"
        "@task\ndef one(): return object\n"
        "@flow\ndef orders(): one()\norders()\n"
        "print([name for name in sys.modules if name.startswith('cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
