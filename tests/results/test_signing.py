"""What was signed verifies, what was changed does not; the key file is made once, for its owner alone."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from dalsegno.exceptions import SignatureMismatch, StorageError
from dalsegno.results.signing import Signer, read_keys


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "home" / "result.key")


@pytest.mark.parametrize("size", [0, 10, 1 << 20])
def test_what_was_signed_verifies(signer: Signer, size: int) -> None:
    data = b"x" * size
    signature, key_id = signer.sign(b"run", "pickle", data)
    Signer(signer.path).verify(b"run", "pickle", data, signature, key_id)


@pytest.mark.parametrize(
    ("address", "serializer", "data"),
    [
        (b"rum", "pickle", b"data"),
        (b"run", "json", b"data"),
        (b"run", "pickle", b"Data"),
        (b"runp", "ickle", b"data"),
    ],
)
def test_what_was_changed_or_moved_is_refused(signer: Signer, address: bytes, serializer: str, data: bytes) -> None:
    signature, key_id = signer.sign(b"run", "pickle", b"data")
    with pytest.raises(SignatureMismatch, match=r"The result of 7 does not match .* run the task again"):
        signer.verify(address, serializer, data, signature, key_id, what="The result of 7")


def test_the_border_between_address_and_data_is_part_of_the_signature(signer: Signer) -> None:
    signature, key_id = signer.sign(b"ab", "x", b"cd")
    with pytest.raises(SignatureMismatch):
        signer.verify(b"a", "x", b"bcd", signature, key_id)


def test_what_has_no_signature_is_refused(signer: Signer) -> None:
    with pytest.raises(SignatureMismatch, match="without a signature"):
        signer.verify(b"run", "pickle", b"data", None, None)


def test_a_foreign_key_is_named(signer: Signer, tmp_path: Path) -> None:
    signature, key_id = Signer(tmp_path / "other.key").sign(b"run", "pickle", b"data")
    with pytest.raises(SignatureMismatch, match=f"key {key_id}, which .*result.key does not hold"):
        signer.verify(b"run", "pickle", b"data", signature, key_id)


def test_after_a_rotation_the_new_key_signs_and_the_old_one_verifies(signer: Signer) -> None:
    reader = Signer(signer.path)
    old = signer.sign(b"run", "pickle", b"data")
    reader.verify(b"run", "pickle", b"data", *old)
    new_id = signer.rotate()
    new = signer.sign(b"run", "pickle", b"data")
    assert new[1] == new_id != old[1]
    assert Signer(signer.path).sign(b"run", "pickle", b"data") == new
    for signature in (old, new):
        reader.verify(b"run", "pickle", b"data", *signature)


def test_only_its_owner_can_read_the_key_file(signer: Signer) -> None:
    signer.sign(b"", "", b"")
    assert stat.S_IMODE(signer.path.stat().st_mode) == 0o600
    signer.path.chmod(0o644)
    Signer(signer.path).sign(b"", "", b"")
    assert stat.S_IMODE(signer.path.stat().st_mode) == 0o600
    assert list(signer.path.parent.iterdir()) == [signer.path]


def sign_at_once(path: Path, barrier: object) -> tuple[bytes, str]:
    barrier.wait()  # type: ignore[attr-defined]
    return Signer(path).sign(b"run", "pickle", b"data")


def test_many_processes_that_make_the_key_at_once_agree_on_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(6) as pool:
        barrier = manager.Barrier(6)
        found = pool.starmap(sign_at_once, [(tmp_path / "home" / "result.key", barrier)] * 6, chunksize=1)
    assert len(set(found)) == 1
    assert len(read_keys(tmp_path / "home" / "result.key")) == 1


def test_a_file_system_without_hard_links_does_as_well(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    signer.verify(b"run", "pickle", b"data", *signer.sign(b"run", "pickle", b"data"))
    assert list(signer.path.parent.iterdir()) == [signer.path]


@pytest.mark.parametrize(
    ("content", "message"),
    [("abc zz\n", "damaged: 'abc'"), ("", "holds no key"), ("# only\n", "holds no key")],
)
def test_a_damaged_key_file_is_said_with_what_to_do(signer: Signer, content: str, message: str) -> None:
    signer.path.parent.mkdir()
    signer.path.write_text(content)
    with pytest.raises(StorageError, match=message):
        signer.sign(b"", "", b"")


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="set DALSEGNO_HOME to another one"):
        Signer(tmp_path / "file" / "result.key").sign(b"", "", b"")
