"""Variables, cached results and blobs are kept under their keys."""

from __future__ import annotations

from tests.store.make import Run, now

from dalsegno._backend.embedded import StoreBackend
from dalsegno.model.ids import new_id
from dalsegno.model.records import ResultBlob
from dalsegno.model.results import StoredResult, pack_plain, pack_stored
from dalsegno.model.views import CacheEntry, VariableView


def variable(name: str, value: object, **fields: object) -> VariableView:
    return VariableView(name=name, value=value, tags=("t",), created=1, updated=1, **fields)


def test_a_variable_is_set_once_unless_it_may_be_overwritten(backend: StoreBackend) -> None:
    assert backend.set_variable(variable("limit", {"a": [1, None, "ü"]}), overwrite=False)
    assert not backend.set_variable(variable("limit", 2), overwrite=False)
    seen = backend.get_variable("limit")
    assert seen is not None
    assert (seen.value, seen.tags) == ({"a": [1, None, "ü"]}, ("t",))
    assert backend.set_variable(variable("limit", 2), overwrite=True)
    assert backend.set_variable(variable("other", True), overwrite=True)
    assert [each.name for each in backend.list_variables(None, 10)] == ["limit", "other"]
    assert [each.value for each in backend.list_variables("limit", 10)] == [True]
    assert backend.unset_variable("limit")
    assert not backend.unset_variable("limit")
    assert backend.get_variable("limit") is None


def entry(key: str, result: bytes, expires: int | None = None) -> CacheEntry:
    return CacheEntry(key=key, result=result, task_run_id=None, created=now(), expires=expires)


def stored(blob: bytes) -> bytes:
    return pack_stored(StoredResult(serializer="msgpack", size=4, blob=blob))


def test_a_cached_result_is_found_until_it_expires(backend: StoreBackend) -> None:
    backend.put_cached(entry("k", pack_plain(b"\x01")))
    backend.put_cached(entry("old", pack_plain(b"\x01"), expires=now() - 1))
    backend.put_cached(entry("fresh", pack_plain(b"\x02"), expires=now() + 60_000_000))
    assert backend.find_cached("missing") is None
    assert backend.find_cached("old") is None
    assert [found.result for key in ("k", "fresh") if (found := backend.find_cached(key))] == [
        b"\x01\x01",
        b"\x01\x02",
    ]


def test_the_blob_of_a_cached_result_goes_with_it(backend: StoreBackend) -> None:
    first, second = new_id(), new_id()
    backend.put_cached(entry("k", stored(first)), b"1111")
    assert backend.read_blob(first) == b"1111"
    backend.put_cached(entry("k", stored(second), expires=now() - 1), b"2222")
    assert backend.read_blob(first) is None
    assert backend.read_blob(second) == b"2222"
    assert backend.clean_up() == 1
    assert backend.read_blob(second) is None
    assert backend.clean_up() == 0


def test_a_blob_is_written_once(backend: StoreBackend) -> None:
    run = Run()
    blob = ResultBlob(new_id(), run.id, b"first")
    backend.deliver(run.batch(flow_runs=[run.flow_run()], blobs=[blob]))
    backend.deliver(run.batch(blobs=[ResultBlob(blob.id, run.id, b"second")]))
    assert backend.read_blob(blob.id) == b"first"
