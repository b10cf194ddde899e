"""`dalsegno work-pool`, `dalsegno work-queue` and `dalsegno worker ls`."""

from __future__ import annotations

from tests.cli.conftest import Dalsegno

from dalsegno._backend.connect import connect
from dalsegno.model.deployments import DeploymentSpec
from dalsegno.model.ids import new_id
from dalsegno.model.pools import WorkerRecord


def test_a_pool_lives_from_its_making_to_its_deletion(dalsegno: Dalsegno) -> None:
    assert "make one with" in dalsegno("work-pool", "ls").output
    words = ("work-pool", "create", "machines", "--concurrency-limit", "4", "--base-job-template", '{"variables": {}}')
    assert "dalsegno worker start --pool machines" in dalsegno(*words).output
    assert "already" in dalsegno("work-pool", "create", "machines").errors
    lines = dalsegno("work-pool", "ls").output.splitlines()
    assert lines[1].split() == ["machines", "process", "NOT_READY", "4", "0", "0"]
    dalsegno("work-pool", "pause", "machines")
    dalsegno("work-pool", "clear-concurrency-limit", "machines")
    shown = dalsegno("work-pool", "inspect", "machines", "-o", "json").json
    assert (shown["status"], shown["concurrency_limit"], shown["base_job_template"]) == (
        "PAUSED",
        None,
        {"variables": {}},
    )
    dalsegno("work-pool", "resume", "machines")
    dalsegno("work-pool", "set-concurrency-limit", "machines", "7")
    dalsegno("work-pool", "update", "machines", "--description", "In the cellar.")
    page = dalsegno("work-pool", "inspect", "machines").output
    assert "In the cellar." in page
    assert "default" in page
    assert "What is to be changed?" in dalsegno("work-pool", "update", "machines").errors
    connect().apply_deployment(DeploymentSpec(flow_name="etl", name="nightly", work_pool_name="machines"))
    assert "etl/nightly" in dalsegno("work-pool", "delete", "machines").errors
    missing = dalsegno("work-pool", "pause", "cloud")
    assert missing.code == 5
    assert "There are: 'machines'." in missing.errors
    dalsegno("work-pool", "create", "cloud")
    assert dalsegno("work-pool", "delete", "cloud").code == 0


def test_a_queue_lives_from_its_making_to_its_deletion(dalsegno: Dalsegno) -> None:
    dalsegno("work-pool", "create", "machines")
    of = ("--pool", "machines")
    assert "with priority 5" in dalsegno("work-queue", "create", "slow", *of, "--priority", "5").output
    assert [queue["name"] for queue in dalsegno("work-queue", "ls", *of, "-o", "json").json] == ["default", "slow"]
    dalsegno("work-queue", "pause", "slow", *of)
    dalsegno("work-queue", "set-concurrency-limit", "slow", "2", *of)
    shown = dalsegno("work-queue", "inspect", "slow", *of, "-o", "json").json
    assert (shown["paused"], shown["concurrency_limit"]) == (True, 2)
    dalsegno("work-queue", "resume", "slow", *of)
    dalsegno("work-queue", "clear-concurrency-limit", "slow", *of)
    dalsegno("work-queue", "update", "slow", *of, "--priority", "9")
    line = dalsegno("work-queue", "ls").output.splitlines()[2]
    assert line.split() == ["machines", "slow", "9", "-", "0", "0", "no", "never"]
    assert "Polled" in dalsegno("work-queue", "inspect", "slow", *of).output
    missing = dalsegno("work-queue", "pause", "fast", *of)
    assert (missing.code, "It has: 'default', 'slow'." in missing.errors) == (5, True)
    assert "begins with 1" in dalsegno("work-queue", "update", "slow", *of, "--priority", "0").errors
    assert dalsegno("work-queue", "delete", "default", *of).code == 2
    assert dalsegno("work-queue", "delete", "slow", *of).code == 0


def test_workers_are_listed(dalsegno: Dalsegno) -> None:
    assert "dalsegno worker start" in dalsegno("worker", "ls").output
    dalsegno("work-pool", "create", "machines")
    record = WorkerRecord(
        process_id=new_id(),
        name="w",
        type="process",
        work_pool_name="machines",
        host="box",
        pid=7,
        version="1",
        limit=4,
        running=2,
    )
    connect().worker_heartbeat(record)
    line = dalsegno("worker", "ls", "--pool", "machines").output.splitlines()[1]
    assert line.split()[:7] == ["w", "machines", "ONLINE", "2/4", "box", "7", "1"]
    (listed,) = dalsegno("worker", "ls", "-o", "json").json
    assert (listed["worker"]["name"], listed["online"]) == ("w", True)
    assert "There are: 'machines'." in dalsegno("worker", "ls", "--pool", "cloud").errors
