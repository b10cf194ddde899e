"""Who waits for a change is told of it: by notices where the database has them, and by looking where it has none."""

from __future__ import annotations

import queue
import threading
import time

from tests.store.conftest import Opener
from tests.store.make import COMPLETED, Run

from dalsegno._store import changes
from dalsegno._store.changes import ANYTHING, MOST_ROOTS, Changes
from dalsegno._store.opening import open_database
from dalsegno._store.postgresql.notices import Notifier
from dalsegno._store.postgresql.pool import Pool
from dalsegno.model.ids import new_id
from tests import postgres


def test_a_wait_ends_when_another_commits(open_backend: Opener) -> None:
    waiting, other = open_backend(), open_backend()
    run = Run()
    token = waiting.wait_for_change(None, 0)
    said: queue.Queue[object] = queue.Queue()
    thread = threading.Thread(target=lambda: said.put(waiting.wait_for_change(token, 60)))
    thread.start()
    other.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert said.get(timeout=60) != token
    thread.join()


def test_a_wait_for_what_has_happened_does_not_wait(open_backend: Opener) -> None:
    waiting, other = open_backend(), open_backend()
    run = Run()
    token = waiting.change_token()
    other.deliver(run.batch(flow_runs=[run.flow_run()]))
    start = time.monotonic()
    assert waiting.wait_for_change(token, 60) != token
    assert time.monotonic() - start < 10


def test_a_wait_for_nothing_ends_in_time(open_backend: Opener) -> None:
    backend = open_backend()
    token = backend.wait_for_change(None, 1)
    assert backend.wait_for_change(token, 0.05) == token


def test_listeners_hear_of_changes_until_they_leave(open_backend: Opener) -> None:
    listening, other = open_backend().database, open_backend()
    first, second = Run(), Run()
    heard: queue.Queue[Changes] = queue.Queue()
    stop = listening.listen(heard.put)
    assert heard.get(timeout=60) == ANYTHING
    other.deliver(first.batch(flow_runs=[first.flow_run(COMPLETED)]))
    told = heard.get(timeout=60)
    assert told.concerns("flow_run", first.id)
    if listening.dialect == "postgresql":
        assert told == Changes(frozenset({"flow_run"}), frozenset({first.id}))
        assert not told.concerns("flow_run", second.id)
        assert not told.concerns("variable")
    stop()
    last: queue.Queue[Changes] = queue.Queue()
    listening.listen(last.put)
    other.deliver(second.batch(flow_runs=[second.flow_run()]))
    while not last.get(timeout=60).concerns("flow_run", second.id):
        continue
    assert heard.empty()


def test_a_process_that_executes_runs_is_woken_when_something_is_wanted_of_one(
    open_on_postgresql: Opener,
) -> None:
    executing, person = open_on_postgresql(), open_on_postgresql()
    run = Run()
    executing.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert executing.database.wait_for_wish(60)
    # When it begins to listen, anything may have been wanted.
    assert executing.database.wait_for_wish(60)
    assert not executing.database.wait_for_wish(0.05)
    assert person.request_cancel(run.id)
    assert executing.database.wait_for_wish(60)
    assert executing.heartbeat(run.process.id, {run.id: 1}).cancel == [run.id]


def test_one_who_was_cut_off_listens_again(postgres_url: str, postgres_server: postgres.Server) -> None:
    database = open_database(postgres_url)
    heard: queue.Queue[Changes] = queue.Queue()
    database.listen(heard.put)
    assert heard.get(timeout=60) == ANYTHING
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    # It may have missed something.
    assert heard.get(timeout=60) == ANYTHING
    database.announce(Changes(frozenset({"variable"})))
    assert heard.get(timeout=60) == Changes(frozenset({"variable"}))
    database.close()


def test_what_happens_at_once_is_told_in_one() -> None:
    sent: queue.Queue[str] = queue.Queue()
    go_on = threading.Event()

    def send(payload: str) -> None:
        sent.put(payload)
        go_on.wait(60)

    notifier = Notifier(send)
    roots = [new_id() for _ in range(3)]
    notifier.announce(Changes(frozenset({"flow_run"}), frozenset(roots[:1])))
    first = changes.unpack(sent.get(timeout=60))
    for root in roots[1:]:
        notifier.announce(Changes(frozenset({"log"}), frozenset({root})))
    go_on.set()
    notifier.close()
    assert first == Changes(frozenset({"flow_run"}), frozenset(roots[:1]))
    assert changes.unpack(sent.get(timeout=60)) == Changes(frozenset({"log"}), frozenset(roots[1:]))
    assert sent.empty()


def test_more_roots_than_are_worth_naming_are_any() -> None:
    many = Changes(frozenset({"log"}), frozenset(new_id() for _ in range(MOST_ROOTS)))
    assert (many | Changes(frozenset({"log"}), frozenset({new_id()}))).root_run_ids is None
    assert len(changes.pack(many)) < 8000
    assert changes.unpack(changes.pack(many)) == many
    assert changes.unpack("something of a later version") == ANYTHING
    assert (many | ANYTHING) == ANYTHING


def test_no_connection_is_made_by_one_who_neither_tells_nor_listens(postgres_url: str) -> None:
    before = threading.active_count()
    pool = Pool(postgres_url, pgbouncer=False)
    pool.close()
    assert threading.active_count() == before
