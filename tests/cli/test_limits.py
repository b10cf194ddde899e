"""`dalsegno gcl` and `dalsegno concurrency-limit`."""

from __future__ import annotations

from tests.cli.conftest import Dalsegno
from tests.store.requests import elsewhere

from dalsegno._backend.connect import connect
from dalsegno.model.ids import new_id
from dalsegno.model.limits import AcquireSlots


def hold(name: str, kind: str = "global") -> None:
    request = AcquireSlots(
        id=new_id(),
        names=[name],
        kind=kind,
        process=elsewhere(),
        holder="nightly",
        lease=300.0,  # type: ignore[arg-type]
    )
    assert connect().acquire_slots(request).granted


def test_a_global_limit_lives_from_its_making_to_its_deletion(dalsegno: Dalsegno) -> None:
    assert "make one with `dalsegno gcl create" in dalsegno("gcl", "ls").output
    assert (
        dalsegno("gcl", "create", "database", "--limit", "3").output
        == "Concurrency limit 'database' is made: 3 slots.\n"
    )
    again = dalsegno("gcl", "create", "database", "--limit", "3")
    assert again.code != 0
    assert "already" in again.errors
    hold("database")
    lines = dalsegno("gcl", "ls").output.splitlines()
    assert lines[0].split() == ["NAME", "LIMIT", "HELD", "WAITING", "DECAY/S", "ACTIVE", "UPDATED"]
    assert lines[1].split()[:5] == ["database", "3", "1", "0", "yes"]
    shown = dalsegno("gcl", "inspect", "database").output
    assert "nightly" in shown
    whole = dalsegno("gcl", "inspect", "database", "-o", "json").json
    assert (whole["active_slots"], whole["holders"][0]["holder"]) == (1, "nightly")
    dalsegno("gcl", "update", "database", "--limit", "5", "--slot-decay-per-second", "0.5")
    dalsegno("gcl", "disable", "database")
    (listed,) = dalsegno("gcl", "ls", "-o", "json").json
    assert (listed["limit"], listed["slot_decay_per_second"], listed["active"]) == (5, 0.5, False)
    dalsegno("gcl", "enable", "database")
    assert dalsegno("gcl", "ls", "-o", "json").json[0]["active"]
    assert dalsegno("gcl", "delete", "database").code == 0
    missing = dalsegno("gcl", "inspect", "database")
    assert "There is no concurrency limit 'database'; `dalsegno gcl ls` lists them." in missing.errors


def test_an_update_says_what_it_needs(dalsegno: Dalsegno) -> None:
    dalsegno("gcl", "create", "database", "--limit", "3", "--disable")
    assert not dalsegno("gcl", "ls", "-o", "json").json[0]["active"]
    assert "What is to be changed?" in dalsegno("gcl", "update", "database").errors
    assert "does not go with" in dalsegno("gcl", "update", "database", "--enable", "--disable").errors
    assert dalsegno("gcl", "create", "odd", "--limit", "-1").code != 0


def test_the_limit_of_a_tag_lives_from_its_making_to_its_deletion(dalsegno: Dalsegno) -> None:
    dalsegno("concurrency-limit", "create", "heavy", "2")
    done = dalsegno("concurrency-limit", "create", "heavy", "1")
    assert done.output == "At most 1 task runs with the tag 'heavy' run at once.\n"
    hold("heavy", "tag")
    assert dalsegno("concurrency-limit", "ls").output.splitlines()[1].split()[:3] == ["heavy", "1", "1"]
    assert "nightly" in dalsegno("concurrency-limit", "inspect", "heavy").output
    assert dalsegno("concurrency-limit", "reset", "heavy").output == "The tag 'heavy' is free again: 1 held slots.\n"
    assert dalsegno("gcl", "ls", "-o", "json").json == []
    dalsegno("concurrency-limit", "delete", "heavy")
    assert dalsegno("concurrency-limit", "ls", "-o", "json").json == []
