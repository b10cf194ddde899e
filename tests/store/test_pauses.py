"""Runs that wait, as the store keeps them: who resumes first, whose time is up, who lets go."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.make import COMPLETED, CRASHED, Run, now
from tests.store.requests import ask, claim, elsewhere, state_of

from dalsegno._backend.embedded import StoreBackend
from dalsegno._services import reaper
from dalsegno._store import crashes, pauses
from dalsegno.exceptions import InvalidInput, ObjectNotFound, StateConflict
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.limits import AcquireSlots, NewLimit
from dalsegno.model.pauses import EXPIRED, BeginPause, PauseView, ResumeRun, SendInput, TakeInput
from dalsegno.model.states import STATE_CODES, StateType, pack_states

SECOND = 1_000_000
PAUSED = STATE_CODES[StateType.PAUSED]


def begin(backend: StoreBackend, run: Run, id: bytes | None = None, **about: Any) -> PauseView:
    values: dict[str, Any] = {"kind": "suspend", "attempt": run.attempt, **about}
    return backend.begin_pause(BeginPause(id=id or new_id(), flow_run_id=run.id, **values))


def suspend(backend: StoreBackend, run: Run, first: int = 1) -> None:
    states = pack_states(run.attempt, first, 0, [(PAUSED, now(), "Suspended")])
    backend.deliver(run.batch(flow_runs=[run.flow_run(PAUSED, state_name="Suspended", states=states)]))


def called(backend: StoreBackend) -> Run:
    """A run that its process executes."""
    run = Run(process=elsewhere())
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    return run


def claimed(backend: StoreBackend) -> Run:
    """A run that was claimed from the queue, and begun."""
    run = ask(backend)
    process = elsewhere()
    (got,) = claim(backend, process)
    run.attempt, run.process = got.attempt, process
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    return run


def test_a_pause_is_begun_once_however_often_it_is_said(backend: StoreBackend) -> None:
    run, id_ = called(backend), new_id()
    first = begin(backend, run, id_, timeout=60.0, key="a")
    assert begin(backend, run, id_, timeout=90.0, key="a").deadline == first.deadline
    assert [pause.id for pause in backend.list_pauses(run.id)] == [id_]
    with pytest.raises(ObjectNotFound):
        begin(backend, Run())


def test_only_a_step_that_begins_anew_gets_its_time_again_once_it_was_up(backend: StoreBackend) -> None:
    run, id_ = called(backend), new_id()
    assert begin(backend, run, id_, timeout=0.0).left == 0
    assert begin(backend, run, id_, timeout=60.0).left == 0
    again = begin(backend, run, id_, timeout=60.0, execution=2).left
    assert again is not None
    assert again > 50
    # A sleep does not begin anew: its time passes, whoever is killed meanwhile.
    slept = new_id()
    begin(backend, run, slept, kind="sleep", timeout=0.0)
    assert begin(backend, run, slept, kind="sleep", timeout=60.0, execution=2).left == 0


def test_an_answer_that_was_refused_leaves_the_pause_open(backend: StoreBackend) -> None:
    run, id_ = called(backend), new_id()
    begin(backend, run, id_, kind="pause", schema='{"type": "object"}')
    backend.resume_run(ResumeRun(flow_run_id=run.id, input='{"a": 1}'))
    assert begin(backend, run, id_, kind="pause").answer == '{"a": 1}'
    refused = begin(backend, run, id_, kind="pause", refused="no")
    assert (refused.answered, refused.answer, refused.problem) == (None, None, "no")
    assert len(backend.list_pauses(run.id)) == 1


def test_inputs_that_do_not_fit_are_refused_by_field(backend: StoreBackend) -> None:
    run = called(backend)
    schema = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 3}}}'
    begin(backend, run, kind="pause", schema=schema)
    for given, wrong in (
        ('{"n": 1}', ("n", "1 is less than the minimum of 3")),
        ("{}", ("input", "'n' is a required property")),
    ):
        with pytest.raises(InvalidInput) as caught:
            backend.resume_run(ResumeRun(flow_run_id=run.id, input=given))
        assert caught.value.fields == [wrong]
    with pytest.raises(InvalidInput, match="no JSON"):
        backend.resume_run(ResumeRun(flow_run_id=run.id, input="{"))
    assert len(backend.list_pauses(run.id)) == 1


def test_a_suspended_run_belongs_to_no_process_and_holds_nothing(backend: StoreBackend) -> None:
    run = claimed(backend)
    backend.create_limit(NewLimit(kind="global", name="database", limit=1))
    slot = AcquireSlots(id=new_id(), names=["database"], process=run.process, holder="run", root_run_id=run.id)
    assert backend.acquire_slots(slot).granted
    begin(backend, run)
    nested = Run(root=run.id, parent=run.id, process=run.process, attempt=run.attempt)
    backend.deliver(run.batch(flow_runs=[nested.flow_run()]))
    suspend(backend, run)
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert (seen.state.name, seen.process) == ("Suspended", None)
    other = AcquireSlots(id=new_id(), names=["database"], process=elsewhere(), holder="other")
    assert backend.acquire_slots(other).granted
    # Neither the end of its process nor the silence of its holder means anything to it.
    later = now() + 1000 * SECOND
    assert crashes.find_crashed(backend.database, later) + crashes.find_idle_claims(backend.database, later) == 0
    # Nor what whoever watched its process says of its end.
    assert backend.crash_attempt(run.id, run.attempt, "exit status 1") is False
    assert state_of(backend, run) == "Suspended"
    assert claim(backend, elsewhere()) == []


def test_a_resumed_run_is_claimed_under_a_new_attempt_and_the_old_one_is_fenced(backend: StoreBackend) -> None:
    run = claimed(backend)
    begin(backend, run)
    suspend(backend, run)
    assert backend.resume_run(ResumeRun(flow_run_id=run.id)).how == "queued"
    assert state_of(backend, run) == "Resuming"
    (got,) = claim(backend, elsewhere())
    assert got.attempt == run.attempt + 1
    assert backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)])).fenced == [run.id]
    assert state_of(backend, run) == "Pending"


def test_somebody_who_resumes_before_the_run_has_left_its_process_is_not_forgotten(backend: StoreBackend) -> None:
    run = claimed(backend)
    begin(backend, run)
    assert backend.resume_run(ResumeRun(flow_run_id=run.id)).how == "goes_on"
    suspend(backend, run)
    assert state_of(backend, run) == "Resuming"
    assert len(claim(backend, elsewhere())) == 1


def test_an_answer_that_the_run_has_seen_wakes_it_only_once(backend: StoreBackend) -> None:
    run, first = claimed(backend), new_id()
    begin(backend, run, first)
    suspend(backend, run)
    backend.resume_run(ResumeRun(flow_run_id=run.id))
    (got,) = claim(backend, run.process)
    run.attempt, run.version = got.attempt, 0
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert begin(backend, run, first).answered is not None
    begin(backend, run)
    suspend(backend, run)
    assert state_of(backend, run) == "Suspended"
    assert claim(backend, elsewhere()) == []


def test_a_run_that_sleeps_is_due_when_it_wakes(backend: StoreBackend) -> None:
    run = claimed(backend)
    begin(backend, run, kind="sleep", timeout=3600.0)
    suspend(backend, run)
    assert state_of(backend, run) == "Suspended"
    assert claim(backend, elsewhere()) == []
    backend.database.write(lambda connection: connection.execute("UPDATE ready SET due = due - ?", (3600 * SECOND,)))
    (got,) = claim(backend, elsewhere())
    assert got.flow_run_id == run.id


def test_a_suspended_run_fails_when_its_time_is_up_and_nobody_resumed_it(backend: StoreBackend) -> None:
    run, other = claimed(backend), called(backend)
    for each in (run, other):
        begin(backend, each, timeout=60.0)
        suspend(backend, each)
    assert pauses.expire(backend.database, now() + 59 * SECOND) == 0
    backend.resume_run(ResumeRun(flow_run_id=other.id))
    assert reaper.tick(backend.database, 30 * SECOND, now() + 61 * SECOND) == 1
    assert (state_of(backend, run), state_of(backend, other)) == ("Failed", "Suspended")
    seen = backend.read_flow_run(run.id)
    assert seen is not None
    assert seen.state.message == EXPIRED
    with pytest.raises(StateConflict, match="has ended"):
        backend.resume_run(ResumeRun(flow_run_id=run.id))
    assert pauses.expire(backend.database, now() + 62 * SECOND) == 0


def test_a_run_that_was_called_is_not_queued_when_it_is_resumed(backend: StoreBackend) -> None:
    run = called(backend)
    begin(backend, run)
    suspend(backend, run)
    assert backend.resume_run(ResumeRun(flow_run_id=run.id)).how == "to_be_executed"
    # Said again: it is still to be executed, and nothing is lost.
    assert backend.resume_run(ResumeRun(flow_run_id=run.id)).how == "to_be_executed"
    assert state_of(backend, run) == "Suspended"
    assert claim(backend, elsewhere()) == []


def test_pauses_of_earlier_attempts_are_none_of_a_run_that_does_not_come_to_them(backend: StoreBackend) -> None:
    run = called(backend)
    begin(backend, run, kind="pause")
    run.attempt = 2
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert backend.list_pauses(run.id) == []
    with pytest.raises(StateConflict, match="does not wait for anybody"):
        backend.resume_run(ResumeRun(flow_run_id=run.id))


def test_receipts_tell_of_wishes_until_the_run_is_resumed(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert backend.request_pause(run.id, False)
    assert backend.heartbeat(run.process.id, {run.id: 1}).pause == [run.id]
    assert backend.request_pause(run.id, True)
    receipt = backend.deliver(run.batch(flow_runs=[run.flow_run()]))
    assert (receipt.pause, receipt.suspend) == ([], [run.id])
    assert backend.resume_run(ResumeRun(flow_run_id=run.id)).how == "goes_on"
    assert backend.heartbeat(run.process.id, {run.id: 1}).suspend == []


def test_who_cannot_be_paused_is_told_why(backend: StoreBackend) -> None:
    run = Run()
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)]))
    with pytest.raises(StateConflict, match="has ended, so it cannot be paused"):
        backend.request_pause(run.id, False)
    lost = called(backend)
    backend.database.write(lambda connection: connection.execute("UPDATE process SET ended = 1"))
    with pytest.raises(StateConflict, match="nobody can pause it"):
        backend.request_pause(lost.id, False)


def test_what_a_run_waited_for_goes_with_it(backend: StoreBackend) -> None:
    run = called(backend)
    begin(backend, run)
    backend.send_input(SendInput(id=new_id(), flow_run_id=run.id, prefix="str", value="1"))
    backend.deliver(run.batch(flow_runs=[run.flow_run(CRASHED)]))
    assert backend.delete_flow_run(run.id)
    for table in ("pause", "pause_wish", "run_input"):
        count = f"SELECT count(*) FROM {table}"
        assert backend.database.read(lambda connection, text=count: connection.execute(text).fetchone()[0]) == 0


def test_an_input_is_sent_once_and_taken_once(backend: StoreBackend) -> None:
    run = called(backend)
    ids = [new_id(), new_id()]
    for id_ in (*ids, ids[0]):
        backend.send_input(SendInput(id=id_, flow_run_id=run.id, prefix="str", value=f'"{ids.index(id_)}"'))
    first = TakeInput(id=new_id(), flow_run_id=run.id, prefix="str")
    taken = [backend.take_input(first) for _ in range(2)]
    assert taken[0] == taken[1]
    assert taken[0] is not None
    assert taken[0].value == '"0"'
    skipping = TakeInput(id=new_id(), flow_run_id=run.id, prefix="str", exclude=[id_text(ids[1])])
    assert backend.take_input(skipping) is None
    second = backend.take_input(TakeInput(id=new_id(), flow_run_id=run.id, prefix="str"))
    assert second is not None
    assert second.key == id_text(ids[1])
    assert backend.take_input(TakeInput(id=new_id(), flow_run_id=run.id, prefix="str")) is None
    assert backend.take_input(TakeInput(id=new_id(), flow_run_id=run.id, prefix="int")) is None


def test_a_run_that_has_ended_receives_nothing_but_what_was_sent_stays_sent(backend: StoreBackend) -> None:
    run, id_ = called(backend), new_id()
    message = SendInput(id=id_, flow_run_id=run.id, prefix="str", value="1")
    assert backend.send_input(message)
    backend.deliver(run.batch(flow_runs=[run.flow_run(COMPLETED)]))
    assert backend.send_input(message) is False
    with pytest.raises(StateConflict, match="receives nothing any more"):
        backend.send_input(SendInput(id=new_id(), flow_run_id=run.id, prefix="str", value="2"))
