"""Runs that are told to stop: by Ctrl-C, by SIGTERM, by a wish from another process, by their own code."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.guarantees.processes import Ended, Program, Started
from tests.guarantees.servers import Server

from dalsegno import flow, task
from dalsegno._backend.connect import connect
from dalsegno.model.ids import id_text
from dalsegno.model.views import FlowRunView, Page, RunFilter
from dalsegno.task_runners import ThreadPoolTaskRunner

AT_ONCE = 1.5
"""Seconds within which a process that is told to stop has ended, with some for a busy machine."""
SOON = 3.0
"""Seconds after which a wish of another process has been heard, at the latest."""
SLACK = 2.0

HEAD = """
import asyncio
import os
import sys
import threading
import time

from dalsegno import flow, get_run_logger, task
from dalsegno.task_runners import ThreadPoolTaskRunner


def say(line: str) -> None:
    os.write(1, f"{line}\\n".encode())  # in one piece, whatever other threads say


def note(what):
    return lambda flow, run, state: say(f"{what} {state.name}")


@task
def first() -> int:
    get_run_logger().info("done")
    return 1


@task
def stuck(seconds: float = 60.0) -> None:
    say("stuck")
    time.sleep(seconds)


@task
def queued() -> None:
    say("a queued task has started")


@task
async def stuck_async() -> None:
    say("stuck")
    await asyncio.sleep(60)


"""

HOOKS = (
    '@flow(on_cancellation=[note("on_cancellation")], on_crashed=[note("on_crashed")], on_failure=[note("on_failure")]'
)
MAIN = """

if __name__ == "__main__":
    stop_me()
    print("went on after its flow", flush=True)
"""
ASYNC_MAIN = MAIN.replace("stop_me()", "asyncio.run(stop_me())")

DIRECT = f"""{HEAD}{HOOKS})
def stop_me() -> None:
    first()
    stuck()
{MAIN}"""

IN_BODY = f"""{HEAD}{HOOKS})
def stop_me() -> None:
    first()
    say("stuck")
    time.sleep(60)
{MAIN}"""

WORKERS = f"""{HEAD}{HOOKS}, task_runner=ThreadPoolTaskRunner(max_workers=2))
def stop_me() -> None:
    first()
    futures = [stuck.submit(4.0), stuck.submit(4.0), *(queued.submit() for _ in range(20))]
    say("waits")
    for future in futures:
        future.result()
{MAIN}"""

ASYNC = f"""{HEAD}{HOOKS})
async def stop_me() -> None:
    first()
    await stuck_async()
{ASYNC_MAIN}"""

ASYNC_SUBMITTED = f"""{HEAD}{HOOKS})
async def stop_me() -> None:
    first()
    await asyncio.gather(*[stuck_async.submit() for _ in range(3)])
{ASYNC_MAIN}"""

NESTED = f"""{HEAD}
@flow
def inner() -> None:
    stuck()


{HOOKS})
def stop_me() -> None:
    first()
    inner()
    queued()
{MAIN}"""

KINDS = {
    "direct": DIRECT,
    "in the body": IN_BODY,
    "worker threads": WORKERS,
    "coroutine": ASYNC,
    "submitted coroutines": ASYNC_SUBMITTED,
    "nested flow": NESTED,
}
SLEEPERS = {DIRECT, IN_BODY, NESTED}
every_kind = pytest.mark.parametrize("text", KINDS.values(), ids=KINDS.keys())


def the_root() -> FlowRunView:
    (listed,) = connect().list_flow_runs(RunFilter(top_level=True), Page())
    run = connect().read_flow_run(listed.id)
    assert run is not None
    return run


def states_of_tasks(run: FlowRunView) -> dict[str, Counter[str]]:
    states: dict[str, Counter[str]] = {}
    for one in connect().list_task_runs(RunFilter(root_run_ids=[run.id]), Page(limit=1000)):
        states.setdefault(one.task_name, Counter())[one.state.name] += 1
    return states


def until_stuck(started: Started, text: str) -> None:
    started.until("waits" if text is WORKERS else "stuck")
    if text is WORKERS:
        return
    if text is ASYNC_SUBMITTED:
        started.until("stuck")
    if text in SLEEPERS:
        until_asleep(started.process.pid)


def until_asleep(pid: int) -> None:
    """Wait until the main thread of a process sleeps in the kernel: Python does not see a signal that comes between
    its last look and the call, and no program of Python would be woken by it."""
    place = Path(f"/proc/{pid}/wchan")
    give_up = time.monotonic() + 5.0
    while "nanosleep" not in place.read_text() and time.monotonic() < give_up:
        time.sleep(0.002)


def seconds_to_end(started: Started) -> tuple[float, Ended]:
    start = time.monotonic()
    ended = started.end()
    return time.monotonic() - start, ended


@every_kind
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_script_and_its_run_says_why(
    text: str, number: signal.Signals, tmp_path: Path, dalsegno_home: Path
) -> None:
    with Program(tmp_path, dalsegno_home, text).start() as started:
        until_stuck(started, text)
        started.send(number)
        seconds, ended = seconds_to_end(started)
    print(f"ended {seconds:.2f} s after {number.name}")
    assert seconds < AT_ONCE, ended.errors
    assert ended.status in (-number, 128 + number), ended.errors
    run = the_root()
    reason = "an interrupt signal" if number == signal.SIGINT else "signal 15"
    assert run.state.name == "Crashed"
    assert reason in (run.state.message or "")
    said = [line for line in ended.output.splitlines() if line not in ("stuck", "waits")]
    assert said == ["on_crashed Crashed"]
    states = states_of_tasks(run)
    assert states.pop("first") == {"Completed": 1}
    assert {name for names in states.values() for name in names} <= {"Crashed"}
    assert connect().list_flow_runs(RunFilter(state_names=["Running", "Pending"]), Page()) == []


@pytest.mark.embedded
@every_kind
def test_a_wish_from_another_process_cancels_the_run(text: str, tmp_path: Path, dalsegno_home: Path) -> None:
    # It is woken: the next heartbeat would come much too late.
    rarely = {"DALSEGNO_JOURNAL_HEARTBEAT_INTERVAL": "600"}
    with Program(tmp_path, dalsegno_home, text).start(settings=rarely) as started:
        until_stuck(started, text)
        backend = connect()
        while not backend.list_flow_runs(RunFilter(), Page()):
            time.sleep(0.01)
        assert backend.request_cancel(the_root().id)
        seconds, ended = seconds_to_end(started)
    assert seconds < SOON, ended.errors
    assert ended.status != 0
    run = the_root()
    assert run.state.name == "Cancelled"
    said = [line for line in ended.output.splitlines() if line not in ("stuck", "waits")]
    assert said == ["on_cancellation Cancelled"]
    states = states_of_tasks(run)
    assert states.pop("first") == {"Completed": 1}
    assert {name for names in states.values() for name in names} <= {"Cancelled"}
    for nested in backend.list_flow_runs(RunFilter(), Page()):
        assert nested.state.name == "Cancelled"


@pytest.fixture
def patient_server(dalsegno_home: Path) -> Iterator[Server]:
    """Give a server whose leases need next to no heartbeats."""
    server = Server(dalsegno_home, lease=6000.0)
    yield server
    server.stop()


@pytest.mark.embedded
def test_a_wish_reaches_a_process_at_once_through_a_server(
    tmp_path: Path, dalsegno_home: Path, patient_server: Server
) -> None:
    settings = {"DALSEGNO_JOURNAL_HEARTBEAT_INTERVAL": "600", "DALSEGNO_API_URL": patient_server.url}
    with Program(tmp_path, tmp_path / "client-home", DIRECT).start(settings=settings) as started:
        until_stuck(started, DIRECT)
        while not connect().list_flow_runs(RunFilter(), Page()):
            time.sleep(0.01)
        # The process is waiting for it, or is told when it begins to.
        answer = httpx.post(f"{patient_server.url}/flow-runs/{the_root().id.hex()}/cancel", json={})
        assert answer.status_code == 200, answer.text
        seconds, ended = seconds_to_end(started)
    print(f"ended {seconds:.2f} s after the wish")
    assert seconds < SOON + SLACK, ended.errors
    assert the_root().state.name == "Cancelled"


@pytest.mark.embedded
def test_a_wish_of_a_server_that_was_started_anew_reaches_a_process(
    tmp_path: Path, dalsegno_home: Path, patient_server: Server
) -> None:
    settings = {"DALSEGNO_JOURNAL_HEARTBEAT_INTERVAL": "600", "DALSEGNO_API_URL": patient_server.url}
    with Program(tmp_path, tmp_path / "client-home", DIRECT).start(settings=settings) as started:
        until_stuck(started, DIRECT)
        while not connect().list_flow_runs(RunFilter(), Page()):
            time.sleep(0.01)
        patient_server.stop()
        patient_server.start()
        assert connect().request_cancel(the_root().id)
        # It asks again some seconds after its server went, and is told then.
        _, ended = seconds_to_end(started)
    assert ended.status != 0
    assert the_root().state.name == "Cancelled"


def test_after_an_interrupt_nothing_that_was_queued_starts() -> None:
    """In a notebook the process goes on after Ctrl-C."""
    started: list[int] = []
    busy, go_on = threading.Event(), threading.Event()

    @task
    def hold() -> None:
        busy.set()
        go_on.wait()

    @task
    def queued(number: int) -> None:
        started.append(number)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def stop_me() -> None:
        hold.submit()
        queued.map(range(20))
        busy.wait()
        raise KeyboardInterrupt

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def after() -> None:
        queued.submit(100).result()

    with pytest.raises(KeyboardInterrupt):
        stop_me()
    assert states_of_tasks(the_root()) == {"hold": {"Crashed": 1}, "queued": {"Crashed": 20}}
    go_on.set()
    after()
    workers = [thread for thread in threading.enumerate() if thread.name == "dalsegno-worker"]
    for worker in workers:
        worker.join(10)
    assert started == [100]


def test_the_command_cancels_a_run_that_a_script_began(tmp_path: Path, dalsegno_home: Path) -> None:
    program = Program(tmp_path, dalsegno_home, DIRECT)
    with program.start() as started:
        until_stuck(started, DIRECT)
        ended = program.run("flow-run", "cancel", "last", tool="dalsegno.cli")
        assert ended.status == 0, ended.errors
        seconds, _ = seconds_to_end(started)
    print(f"ended {seconds:.2f} s after the wish")
    assert seconds < SOON + SLACK
    assert the_root().state.name == "Cancelled"


def test_exit_in_a_task_ends_the_script_with_its_status(tmp_path: Path, dalsegno_home: Path) -> None:
    text = f"""{HEAD}
@task
def leave() -> None:
    sys.exit(3)


{HOOKS})
def stop_me() -> None:
    first()
    leave()
{MAIN}"""
    ended = Program(tmp_path, dalsegno_home, text).run()
    assert (ended.status, ended.output) == (3, "on_crashed Crashed\n"), ended.errors
    run = the_root()
    assert (run.state.name, run.state.message) == ("Crashed", "Execution was aborted by Python system exit call.")
    assert states_of_tasks(run) == {"first": {"Completed": 1}, "leave": {"Crashed": 1}}


def test_exit_in_a_submitted_task_crashes_that_task(tmp_path: Path, dalsegno_home: Path) -> None:
    text = f"""{HEAD}
@task
def leave() -> None:
    sys.exit(3)


{HOOKS})
def stop_me() -> None:
    first()
    leave.submit().result()
{MAIN}"""
    ended = Program(tmp_path, dalsegno_home, text).run()
    assert ended.status != 0
    run = the_root()
    assert run.state.name in ("Crashed", "Failed")
    assert states_of_tasks(run) == {"first": {"Completed": 1}, "leave": {"Crashed": 1}}


def test_an_error_while_a_script_is_imported_leaves_no_run(tmp_path: Path, dalsegno_home: Path) -> None:
    program = Program(
        tmp_path, dalsegno_home, HEAD + "@flow\ndef stop_me():\n    pass\n\n\nraise ValueError('broken')\n"
    )
    ended = program.run("run", "program.py", tool="dalsegno.cli")
    assert ended.status != 0
    assert "ValueError: broken" in ended.errors
    assert f'{program.path}", line' in ended.errors
    assert connect().list_flow_runs(RunFilter(), Page()) == []


def test_an_abrupt_end_loses_only_what_was_written_in_the_last_moment(tmp_path: Path, dalsegno_home: Path) -> None:
    text = f"""{HEAD}
@flow
def stop_me() -> None:
    logger = get_run_logger()
    number = 0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        logger.info("line %d %d", number, time.monotonic_ns())
        number += 1
        time.sleep(0.001)
    print(number, time.monotonic_ns(), flush=True)
    os._exit(9)
{MAIN}"""
    ended = Program(tmp_path, dalsegno_home, text).run()
    assert ended.status == 9
    written, moment = map(int, ended.last.split())
    connect().find_crashed()
    run = the_root()
    assert run.state.name == "Crashed"
    assert "ended without saying how" in (run.state.message or "")
    lines = [line.message.split() for line in connect().list_logs(flow_run_id=run.id, limit=10_000)]
    kept = [(int(line[1]), int(line[2])) for line in lines if line[0] == "line"]
    # The beginning of what was written, without a gap, up to the last tenth of a second.
    assert [number for number, _ in kept] == list(range(len(kept)))
    lost = (moment - kept[-1][1]) / 1e9
    print(f"{written - len(kept)} of {written} lines lost, {lost * 1000:.0f} ms")
    assert lost < 0.1
    assert id_text(run.id)
