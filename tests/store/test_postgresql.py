"""What only a server can do to us: it goes away and comes back, cuts connections, runs many writers side by side."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.store.conftest import Opener
from tests.store.make import COMPLETED, RUNNING, Run, many_task_runs, now
from tests.store.test_attempts import gone
from tests.store.test_many_processes import in_child

from dalsegno._backend.embedded import StoreBackend
from dalsegno._processes import current_process
from dalsegno._store.postgresql.database import PostgresDatabase
from dalsegno._store.postgresql.pool import PostgresConnection
from dalsegno._store.unflushed import Unflushed
from dalsegno.exceptions import BackendUnavailable, DatabaseError
from dalsegno.model.ids import new_id
from dalsegno.model.views import OpenRun, Page, RunFilter
from tests import postgres

ROOT = Path(__file__).resolve().parents[2]
_TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'"


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


def name_of(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


def in_thread(work: object) -> tuple[threading.Thread, list[BaseException]]:
    """Start a function in a thread; return the thread, and a list for what it raises."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


# --- the server and the network


def test_connections_that_are_cut_lose_nothing(
    backend: StoreBackend, url: str, postgres_server: postgres.Server
) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    batches = [run.batch(task_runs=many_task_runs(run, 20), logs=[run.log("x", nonce=n)]) for n in range(150)]
    delivered = threading.Semaphore(0)

    def deliver() -> None:
        for batch in batches:
            backend.deliver(batch)
            delivered.release()

    thread, failures = in_thread(deliver)
    cuts = 0
    for _ in range(28):
        for _ in range(5):
            delivered.acquire(timeout=60)
        cuts += postgres_server.execute(_TERMINATE.format(name_of(url)))[0][0]
    thread.join()
    assert failures == []
    assert cuts >= 10
    assert backend.count_task_runs(RunFilter()) == {"Completed": 3000}
    assert len(backend.list_logs(flow_run_id=run.id, limit=1000)) == 150


def test_what_may_not_be_done_twice_is_not_done_again_when_nobody_knows(
    backend: StoreBackend, url: str, postgres_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks while it is committed."""
    command = PostgresConnection.command
    runs: list[int] = []

    def cut_before_commit(self: PostgresConnection, text: str) -> None:
        if text == "COMMIT" and len(runs) == 1:
            postgres_server.execute(_TERMINATE.format(name_of(url)))
        command(self, text)

    monkeypatch.setattr(PostgresConnection, "command", cut_before_commit)
    with pytest.raises(BackendUnavailable, match="may have been made or not"):
        backend.database.write(lambda connection: runs.append(1))
    assert runs == [1]
    runs.clear()
    backend.database.write(lambda connection: runs.append(1), repeatable=True)
    assert runs == [1, 1]


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory, postgres_server: postgres.Server, open_folder: Path) -> object:
    """A server that the test may break."""
    server = postgres.Server.start(open_folder / "own", postgres_server.binaries)
    server.make_template()
    yield server
    server.stop()


def test_a_crash_of_the_server_loses_nothing_that_was_confirmed_as_durable(own_server: postgres.Server) -> None:
    url = own_server.make_database()
    backend = StoreBackend.open(url)
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], durable=True))
    confirmed = 0
    enough = threading.Event()

    def deliver() -> None:
        nonlocal confirmed
        while not (enough.is_set() and confirmed > 20):
            backend.deliver(run.batch(task_runs=many_task_runs(run, 10), durable=True))
            confirmed += 1

    thread, failures = in_thread(deliver)
    for _ in range(3):
        own_server.control("restart", "-m", "immediate")
    enough.set()
    thread.join()
    assert failures == []
    assert backend.count_task_runs(RunFilter()) == {"Completed": confirmed * 10}
    backend.close()


def test_a_run_that_goes_on_while_the_server_crashes_is_recorded_whole(own_server: postgres.Server) -> None:
    """What was confirmed without having been on the disk is sent again, definitions of tasks included."""
    backend = StoreBackend.open(own_server.make_database())
    run = Run()
    own_server.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
    own_server.execute("SELECT pg_reload_conf()")
    for crash in (False, True, True):
        if crash:
            own_server.control("restart", "-m", "immediate")
        first = not run.version
        for _ in range(5):
            batch = run.batch(task_runs=many_task_runs(run, 10), logs=[run.log("x", nonce=run.version)])
            if first:
                batch.flow_runs, first = [run.flow_run()], False
            else:
                batch.recorded, batch.tasks, batch.flows, batch.process = [run.id], [], [], None
            assert backend.deliver(batch).fenced == []
    assert backend.heartbeat(run.process.id, {run.id: 1}).fenced == []
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED, first=1)], recorded=[run.id], durable=True))
    own_server.control("restart", "-m", "immediate")
    assert backend.count_task_runs(RunFilter(root_run_ids=[run.id])) == {"Completed": 150}
    assert len(backend.list_logs(flow_run_id=run.id)) == 15
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.flow_name, seen.state.name) == ("nightly", "Completed")
    backend.close()


def test_a_database_that_others_rely_on_waits_for_its_disk_each_time(url: str) -> None:
    with contextlib.closing(PostgresDatabase(url)) as database:
        show = "SHOW synchronous_commit"
        assert database.write(lambda connection: connection.execute(show).fetchone()) == ("off",)
        database.always_durable = True
        assert database.write(lambda connection: connection.execute(show).fetchone()) == ("on",)


def test_what_is_on_the_disk_is_not_kept() -> None:
    class Server:
        dialect, losses = "postgresql", 0

    server = Server()
    kept = Unflushed(server)  # type: ignore[arg-type]
    run = Run()
    first, second = run.batch(), run.batch(task_runs=many_task_runs(run, 5000))
    kept.committed(first, 0, flushed=None)
    mark = kept.mark()
    assert not kept.wants_flush()
    kept.committed(second, 0, flushed=None)
    assert kept.wants_flush()
    assert kept.lost() == []
    server.losses = 1
    assert [len(batch.task_runs) for batch in kept.lost()] == [0, 5000]
    kept.committed(run.batch(), 1, flushed=mark)
    server.losses = 2
    assert [len(batch.task_runs) for batch in kept.lost()] == [5000]
    kept.committed(run.batch(), 2, flushed=kept.mark())
    assert not kept.wants_flush()
    server.losses = 3
    assert kept.lost() == []


def test_a_server_that_is_gone_is_named_without_a_password(own_server: postgres.Server) -> None:
    url = own_server.make_database().replace("://tester@", "://tester:very-secret@")
    database = PostgresDatabase(url, reconnect_timeout=0.3)
    own_server.control("stop", "-m", "fast")
    with pytest.raises(BackendUnavailable, match=f"127.0.0.1:{own_server.port}.* cannot be reached") as caught:
        database.read(lambda connection: connection.execute("SELECT 1").fetchone())
    assert "secret" not in str(caught.value)
    own_server.control("start")
    assert database.read(lambda connection: connection.execute("SELECT 1").fetchone()[0]) == 1
    database.close()


def test_a_database_that_is_not_there_is_refused_at_once(postgres_server: postgres.Server) -> None:
    with pytest.raises(DatabaseError, match="Check user, password and name"):
        StoreBackend.open(postgres_server.url("nowhere"))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_urls_of_other_drivers_are_taken(url: str, scheme: str) -> None:
    backend = StoreBackend.open(url.replace("postgresql://", f"{scheme}://").replace("tester@", "tester:secret@"))
    assert backend.list_flow_runs(RunFilter(), Page()) == []
    assert backend.url == url
    backend.close()


# --- side by side


_RACER = """
import sys
from dalsegno._backend.embedded import StoreBackend
from dalsegno._processes import current_process
from dalsegno.exceptions import AttemptConflict, RunIsAlive
from dalsegno.model.views import OpenRun
backend = StoreBackend.open(sys.argv[1])
backend.change_token()
print("ready", flush=True)
input()
try:
    opened = backend.open_run(OpenRun(flow_run_id=bytes.fromhex(sys.argv[2]), process=current_process()))
    print("opened", opened.attempt, flush=True)
except (AttemptConflict, RunIsAlive) as error:
    print(type(error).__name__, flush=True)
input()
backend.close()
"""


def test_of_processes_that_open_the_next_attempt_at_once_one_does(backend: StoreBackend, url: str) -> None:
    run = Run(process=gone())
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, url, run.id.hex()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = sorted(racer.stdout.readline().strip() for racer in racers if racer.stdout is not None)
    for racer in racers:
        racer.communicate("\n")
    assert said == ["RunIsAlive", "RunIsAlive", "RunIsAlive", "opened 2"]


def test_nothing_of_an_attempt_is_written_after_the_next_was_opened(backend: StoreBackend) -> None:
    run = Run(process=gone())
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    batches = [run.batch(task_runs=many_task_runs(run, 10), recorded=[run.id]) for _ in range(200)]
    fenced: list[bool] = []
    started = threading.Event()

    def deliver() -> None:
        for batch in batches:
            fenced.append(backend.deliver(batch).fenced == [run.id])
            if len(fenced) > 20:
                started.set()

    thread, failures = in_thread(deliver)
    started.wait(60)
    opened = backend.open_run(OpenRun(flow_run_id=run.id, process=current_process()))
    seen = backend.count_task_runs(RunFilter())
    thread.join()
    assert failures == []
    assert opened.attempt == 2
    assert fenced == sorted(fenced)
    assert fenced.count(False) * 10 == sum(seen.values()) == sum(backend.count_task_runs(RunFilter()).values())


def test_many_threads_write_and_read_side_by_side(backend: StoreBackend) -> None:
    """More of them than there are connections; and all of the same tasks, which each of them is the first to name."""
    runs = [Run() for _ in range(24)]

    def record(run: Run) -> None:
        backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 50)))
        backend.count_task_runs(RunFilter(flow_run_ids=[run.id]))
        backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)], task_runs=many_task_runs(run, 50)))

    threads = [in_thread(lambda run=run: record(run)) for run in runs]
    for thread, failures in threads:
        thread.join()
        assert failures == []
    assert backend.count_task_runs(RunFilter()) == {"Completed": 2400}
    assert {run.state.name for run in backend.list_flow_runs(RunFilter(), Page())} == {"Completed"}


def test_a_write_gives_up_when_others_hold_what_it_needs(backend: StoreBackend, url: str) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    hasty = StoreBackend.open(url, busy_timeout=0.2)

    def try_to_write(connection: object) -> None:
        connection.execute("SELECT 1 FROM flow_run WHERE id = ? FOR UPDATE", (run.id,))  # type: ignore[attr-defined]
        with pytest.raises(BackendUnavailable, match="in use by others"):
            hasty.deliver(run.batch(task_runs=[run.task_run()]))

    backend.database.write(try_to_write)
    hasty.close()


# --- forks


def test_parent_and_child_of_a_fork_have_connections_of_their_own(backend: StoreBackend) -> None:
    run, of_child = Run(), new_id()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 10)))
    backend.wait_for_change(None, 1)

    def work() -> bytes:
        theirs = Run(id=of_child)
        backend.deliver(theirs.batch(flow_runs=[theirs.flow_run()], task_runs=many_task_runs(theirs, 10)))
        return repr(backend.count_task_runs(RunFilter())).encode()

    assert in_child(work) == b"{'Completed': 20}"
    backend.deliver(run.batch(task_runs=many_task_runs(run, 10)))
    assert backend.count_task_runs(RunFilter()) == {"Completed": 30}


def test_threads_that_write_while_others_fork_lose_nothing(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    batches = [run.batch(task_runs=many_task_runs(run, 50)) for _ in range(60)]
    thread, failures = in_thread(lambda: [backend.deliver(batch) for batch in batches])
    said: set[bytes] = set()
    while thread.is_alive():
        said.add(in_child(lambda: repr(sorted(backend.count_task_runs(RunFilter()))).encode()))
    thread.join()
    assert failures == []
    assert said <= {b"[]", b"['Completed']"}
    assert backend.count_task_runs(RunFilter()) == {"Completed": 3000}


# --- what PostgreSQL is stricter in


def test_texts_that_it_cannot_keep_are_written_out(backend: StoreBackend) -> None:
    run = Run()
    odd = "nul \0 and \udcff"
    backend.deliver(run.batch(flow_runs=[run.flow_run(name=odd)], logs=[run.log(odd)]))
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.name == "nul \\x00 and \\udcff"
    assert [line.message for line in backend.list_logs(flow_run_id=run.id)] == [seen.name]
    assert backend.list_flow_runs(RunFilter(name=odd), Page()) != []


def test_a_batch_may_hold_a_record_twice(backend: StoreBackend) -> None:
    run = Run()
    begun, ended = run.flow_run(), run.flow_run(COMPLETED, first=1)
    first = run.task_run(RUNNING)
    again = run.task_run(COMPLETED, id=first.id, first=1)
    backend.deliver(run.batch(flow_runs=[begun, ended], task_runs=[first, again]))
    seen, task_run = backend.read_flow_run(run.id), backend.read_task_run(first.id)
    assert seen is not None
    assert task_run is not None
    assert [state.name for state in seen.states or []] == ["Running", "Completed"]
    assert [state.name for state in task_run.states or []] == ["Running", "Completed"]


def test_tasks_that_are_known_take_no_numbers(open_backend: Opener) -> None:
    """There are two thousand million of them, and each process names all of its tasks."""
    for _ in range(3):
        run = Run()
        open_backend().deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 2)))

    def last_number(connection: object) -> int:
        found = connection.execute("SELECT nextval(pg_get_serial_sequence('task', 'number'))")  # type: ignore[attr-defined]
        return found.fetchone()[0]

    assert open_backend().database.write(last_number) == 3  # type: ignore[arg-type]


def test_a_transaction_that_goes_on_after_an_error_is_not_taken_for_done(backend: StoreBackend) -> None:
    def stumble(connection: object) -> None:
        connection.execute("DELETE FROM variable")  # type: ignore[attr-defined]
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT nonsense")  # type: ignore[attr-defined]

    with pytest.raises(DatabaseError, match="rolled back"):
        backend.database.write(stumble)  # type: ignore[arg-type]


def test_the_clock_is_the_servers(backend: StoreBackend) -> None:
    there = backend.database.read(
        lambda connection: connection.execute(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        ).fetchone()[0]
    )
    assert abs(backend.database.now() - there) < 1_000_000
    assert abs(backend.database.now() - now()) < 5_000_000


def test_a_list_costs_no_more_because_history_is_long(open_backend: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each list can be had from an index in its order: no sorting, and no reading of what it does not show."""
    backend = open_backend()
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 500)))
    shown: list[tuple[str, list[object]]] = []
    execute = PostgresConnection.execute

    def noting(self: PostgresConnection, text: str, values: object = (), /) -> object:
        if "LIMIT" in text and "ORDER BY" in text:
            shown.append((text, values))  # type: ignore[arg-type]
        return execute(self, text, values)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(PostgresConnection, "execute", noting)
        for filter in [RunFilter(), RunFilter(flow_run_ids=[run.id]), RunFilter(root_run_ids=[run.id])]:
            backend.list_task_runs(filter, Page())
        backend.list_task_runs(RunFilter(task_names=["clean"]), Page())
        backend.list_task_runs(RunFilter(state_types=[COMPLETED]), Page())
        backend.list_flow_runs(RunFilter(flow_names=["nightly"]), Page())
        backend.replay_entries(run.id, None, 100)
    assert len(shown) >= 7

    def plan(connection: object, text: str, values: list[object]) -> str:
        for way in ("seqscan", "sort", "bitmapscan", "hashjoin"):
            connection.execute(f"SET LOCAL enable_{way} = off")  # type: ignore[attr-defined]
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {text}", values))  # type: ignore[attr-defined]

    for text, values in shown:
        found = backend.database.read(lambda connection, text=text, values=values: plan(connection, text, values))
        assert "Sort  (" not in found, found
        assert "Seq Scan on task_run" not in found, found


def test_a_task_run_takes_at_most_500_bytes(backend: StoreBackend, url: str, postgres_server: postgres.Server) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    for _ in range(10):
        backend.deliver(run.batch(task_runs=many_task_runs(run, 2000)))
    sizes = "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'task_run'::regclass"
    size = float(postgres_server.execute(sizes, name_of(url))[0][0])
    print(f"{size / 20_000:.0f} bytes a task run")
    assert size / 20_000 <= 500


# --- behind PgBouncer


@pytest.fixture
def bouncer(postgres_server: postgres.Server, url: str, open_folder: Path) -> object:
    """The URL of the test's database by way of a PgBouncer in transaction mode."""
    port, name = postgres.free_port(), name_of(url)
    users = open_folder / "users.txt"
    users.write_text(f'"{postgres.USER}" ""\n')
    config = open_folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{name} = host=127.0.0.1 port={postgres_server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\nauth_file = {users}\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nunix_socket_dir =\n"
    )
    command = [*postgres.as_postgres(), "pgbouncer", str(config)]
    if shutil.which("pgbouncer") is None:
        pytest.skip("PgBouncer is not installed here.")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "process up" in line:
                break
        else:
            pytest.fail("PgBouncer did not start.")
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield f"postgresql://{postgres.USER}@127.0.0.1:{port}/{name}"
        subprocess.run([*postgres.as_postgres(), "kill", str(child_of(process.pid))], check=True)
        drain.join()


def child_of(pid: int) -> int:
    """Return the process that `runuser` started, or the process itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if os.getuid() == 0 else pid


def test_behind_pgbouncer_nothing_is_kept_in_a_session(bouncer: str, url: str) -> None:
    backend = StoreBackend.open(bouncer, pgbouncer=True, listen_url=url)
    runs = [Run() for _ in range(6)]

    def record(run: Run) -> None:
        for _ in range(10):
            backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 10)))
            backend.count_task_runs(RunFilter(flow_run_ids=[run.id]))

    for thread, failures in [in_thread(lambda run=run: record(run)) for run in runs]:
        thread.join()
        assert failures == []
    assert backend.count_task_runs(RunFilter()) == {"Completed": 600}
    heard = threading.Event()
    stop = backend.database.listen(lambda changes: heard.set() if changes.concerns("variable") else None)
    backend.deliver(runs[0].batch(flow_runs=[runs[0].flow_run(COMPLETED)]))
    assert heard.wait(30)
    stop()
    backend.close()


def test_behind_pgbouncer_without_a_direct_url_changes_are_looked_for(bouncer: str, url: str) -> None:
    backend, other = StoreBackend.open(bouncer, pgbouncer=True), StoreBackend.open(url)
    token = backend.change_token()
    run = Run()
    other.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert backend.wait_for_change(token, 30) != token
    backend.close()
    other.close()
