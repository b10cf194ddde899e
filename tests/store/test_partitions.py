"""On PostgreSQL the tables of many rows are cut by week: parts are there in time, old ones are dropped as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.store.conftest import Opener
from tests.store.make import COMPLETED, Run, many_task_runs, now
from tests.store.test_retention import fill, old_id, rows

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import retention
from dalsegno._store.connection import Connection
from dalsegno._store.postgresql import partitions
from dalsegno._store.postgresql.partitions import AHEAD, TABLES, Week
from dalsegno.model.ids import new_id
from dalsegno.model.views import RunFilter

DAY = 86_400
WEEK = 7 * DAY * 1_000_000


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


def parts(backend: StoreBackend, table: str = "task_run") -> list[Week]:
    return backend.database.read(lambda connection: partitions.weeks(connection, table))


def in_default(backend: StoreBackend) -> int:
    def count(connection: Connection) -> int:
        return connection.execute("SELECT count(*) FROM task_run_default").fetchone()[0]

    return backend.database.read(count)


def make_past_weeks(backend: StoreBackend, weeks: int) -> None:
    """Make the parts that a database which was there so long ago has."""
    for back in range(weeks, 0, -1):
        partitions.make_ahead(backend.database, now() - back * WEEK)


def clean_up(backend: StoreBackend, moment: int, runs: float, logs: float) -> None:
    while retention.clean_up(backend.database, moment, runs * DAY, logs * DAY):
        pass


def test_a_week_begins_on_monday_and_its_ids_are_in_order_of_time() -> None:
    week = Week.of(1_792_368_000_000_000)
    assert week.part_of("log") == "log_20261019"
    assert week.start < new_id(1_792_368_000_000_000_000) < week.end
    assert Week(week.number + 1).start == week.end


def test_a_new_database_has_the_parts_of_this_week_and_the_next_ones(backend: StoreBackend) -> None:
    this = Week.of(now())
    for table in TABLES:
        assert parts(backend, table) == [Week(this.number + ahead) for ahead in range(AHEAD + 1)]
    assert partitions.make_ahead(backend.database, now()) == []
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 10)))
    assert in_default(backend) == 0


def test_parts_are_made_ahead_as_time_goes_by(backend: StoreBackend) -> None:
    later = now() + 2 * WEEK
    made = partitions.make_ahead(backend.database, later)
    assert len(made) == 4
    assert parts(backend)[-1] == Week(Week.of(later).number + AHEAD)
    backend.clean_up()


def test_what_belongs_to_no_part_is_kept_all_the_same_and_found(backend: StoreBackend, tmp_path: Path) -> None:
    run, _ = fill(backend, tmp_path, 400)
    assert in_default(backend) == 52
    assert backend.count_task_runs(RunFilter(root_run_ids=[run.id])) == {"Completed": 52}
    # A part cannot be made around it.
    assert partitions.make_ahead(backend.database, now() - 400 * DAY * 1_000_000) != []
    assert in_default(backend) == 52
    clean_up(backend, now(), 90, 30)
    assert set(rows(backend).values()) == {0}


def test_a_week_that_is_past_its_age_is_dropped_with_all_that_belongs_to_it(
    backend: StoreBackend, tmp_path: Path
) -> None:
    make_past_weeks(backend, 16)
    young, young_file = fill(backend, tmp_path, 1)
    before = rows(backend)
    _, file = fill(backend, tmp_path, 100)
    fill(backend, tmp_path, 105)
    alone = old_id(104)
    outside = Run()
    backend.deliver(
        outside.batch(attempts={alone: 1}, task_runs=[outside.task_run(id=alone, root_run_id=alone, flow_run_id=None)])
    )
    assert in_default(backend) == 0
    clean_up(backend, now(), 90, 90)
    assert rows(backend) == before
    assert not file.exists()
    assert young_file.exists()
    assert parts(backend)[0] == parts(backend, "log")[0] == Week.of(now() - 90 * DAY * 1_000_000)
    assert backend.count_task_runs(RunFilter(root_run_ids=[young.id])) == {"Completed": 52}


def test_logs_are_dropped_by_their_own_age(backend: StoreBackend, tmp_path: Path) -> None:
    make_past_weeks(backend, 8)
    run, _ = fill(backend, tmp_path, 45)
    clean_up(backend, now(), 90, 30)
    assert backend.list_logs(flow_run_id=run.id) == []
    assert backend.count_task_runs(RunFilter(root_run_ids=[run.id])) == {"Completed": 52}
    assert Week.of(now() - 45 * DAY * 1_000_000) in parts(backend)
    assert Week.of(now() - 45 * DAY * 1_000_000) not in parts(backend, "log")


def test_a_week_with_a_run_that_goes_on_is_kept_and_the_rest_of_it_goes_by_rows(
    backend: StoreBackend, tmp_path: Path
) -> None:
    make_past_weeks(backend, 16)
    run = Run(id=old_id(100))
    backend.deliver(run.batch(flow_runs=[run.flow_run()], task_runs=many_task_runs(run, 5)))
    ended, file = fill(backend, tmp_path, 100)
    week = Week.of(now() - 100 * DAY * 1_000_000)
    clean_up(backend, now(), 90, 90)
    assert week in parts(backend)
    assert backend.read_flow_run(ended.id) is None
    assert not file.exists()
    assert backend.count_task_runs(RunFilter(root_run_ids=[run.id])) == {"Completed": 5}
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED, end_time=now())]))
    clean_up(backend, now(), 90, 90)
    assert backend.read_flow_run(run.id) is not None
    clean_up(backend, now() + 91 * DAY * 1_000_000, 90, 90)
    assert week not in parts(backend)
    assert backend.read_flow_run(run.id) is None


def test_a_reader_who_takes_long_only_puts_off_the_drop(open_backend: Opener, tmp_path: Path) -> None:
    backend, reader = open_backend(), open_backend()
    make_past_weeks(backend, 16)
    fill(backend, tmp_path, 100)

    def read(connection: Connection) -> None:
        connection.execute("SELECT count(*) FROM task_run").fetchone()
        retention.clean_up(backend.database, now(), 90 * DAY, None)
        assert Week.of(now() - 100 * DAY * 1_000_000) in parts(backend)

    reader.database.read(read)
    clean_up(backend, now(), 90, 90)
    assert Week.of(now() - 100 * DAY * 1_000_000) not in parts(backend)
