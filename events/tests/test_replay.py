import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from core.errors import ReasonMissing
from core.ids import new_id
from events.base import Context, Group, Outbound, PermanentFailure, Route, Uncertain
from events.delivery import drain_all, drain_group
from events.models import Delivery, Event, Receipt, Replay
from events.replay import (
    CAP,
    NothingToReplay,
    NotReplayable,
    PlanStale,
    ReplayNotStartable,
    ReplayTooLarge,
    ReplayUnknown,
    Selection,
    advance_replay,
    begin_replay,
    cancel_replay,
    pause_replay,
    plan_replay,
    running_replays,
    start_replay,
)
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    StepTaken,
    leave_trace,
    record_at,
    run_replay,
    states,
    steps,
    traces,
)
from events.tests.conftest import Start, UseRoutes

LATER = AT + timedelta(hours=1)


class Patient:
    """Fails until it is healed."""

    __name__ = "note_step"

    def __init__(self, *sick_at: int) -> None:
        self.sick_at = set(sick_at)

    def __call__(self, event: StepTaken, context: Context) -> None:
        if event.number in self.sick_at:
            raise PermanentFailure
        leave_trace(f"note {event.number}")


def count_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"count {event.number}")


def tell_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.number} of {context.generation}")


def everything_owed() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Delivery, Receipt)]


def run(mode: str = "redeliver", **selected: Any) -> dict[str, int]:
    """Replay what is selected, every step if nothing is; return how many came to which end."""
    return run_replay(Selection(**selected or {"type": "step.taken"}), at=LATER, mode=mode)


def plan(mode: str = "redeliver", *, reason: str = "to see", **selected: Any) -> Replay:
    selection = Selection(**selected or {"type": "step.taken"})
    return plan_replay(selection, mode=mode, actor="test", reason=reason, at=LATER)


@pytest.fixture
def patient(use_routes: UseRoutes, db: None, clock: HandClock) -> Patient:
    """Step 1 delivered, 2 dead, 3 and 4 blocked behind it."""
    handler = Patient(2)
    use_routes({StepTaken: (Route(handler, Group.CORE, ordered=True),)})
    record_at(AT, *steps(4))
    drain_all(clock)
    assert states() == ["dead", "blocked", "blocked"]
    return handler


def test_a_plan_changes_nothing_and_tells_what_would_run(patient: Patient) -> None:
    before = everything_owed()

    planned = plan()

    assert everything_owed() == before
    assert planned.state == "planned"
    assert [(row["found"], row["count"], row["runs"]) for row in planned.summary] == [
        ("blocked", 2, False),
        ("dead", 1, True),
        ("delivered", 1, False),
    ]
    dead = planned.summary[1]
    assert dead["samples"] == [Delivery.objects.get(state="dead").event_id]
    assert dead["oldest"] == dead["newest"] == AT.isoformat()
    assert (planned.total, planned.seconds) == (1, 1 / 50)
    assert planned.progress() == {"left": 1}


def test_executing_runs_exactly_what_was_planned(patient: Patient) -> None:
    planned = plan()
    patient.sick_at = {5}
    record_at(AT, *steps(5)[4:], StepTaken(story="two", number=5))
    drain_all(lambda: LATER)
    assert states().count("dead") == 2

    start_replay(planned.id, actor="other", at=LATER)
    advance_replay(planned.id, lambda: LATER, time_slice=timedelta(0))
    drain_all(lambda: LATER)

    planned.refresh_from_db()
    assert (planned.state, planned.progress()) == ("done", {"revived": 1})
    # The one that died after the plan stays dead.
    assert Delivery.objects.get(state="dead", event__subject="story:two")


def test_a_revived_one_lets_go_what_stood_behind_it(patient: Patient) -> None:
    patient.sick_at.clear()

    run()
    drain_all(lambda: LATER)

    assert traces() == ["note 1", "note 2", "note 3", "note 4"]
    assert states() == []


def test_one_that_still_fails_is_dead_again_and_blocks_again(patient: Patient) -> None:
    run()
    drain_all(lambda: LATER)

    assert states() == ["dead", "blocked", "blocked"]
    assert traces() == ["note 1"]


def test_a_revived_one_has_all_its_attempts_again(patient: Patient) -> None:
    Delivery.objects.filter(state="dead").update(attempts=8, doubtful_calls=1)

    run()

    revived = Delivery.objects.get(state="retry")
    assert (revived.attempts, revived.doubtful_calls, revived.next_at) == (0, 0, LATER)


def test_asking_for_a_blocked_one_alone_does_not_let_it_overtake(patient: Patient) -> None:
    last = Event.objects.latest("id").id

    with pytest.raises(NothingToReplay, match="1 blocked"):
        run(ids=(last,))
    drain_all(lambda: LATER)

    assert traces() == ["note 1"]


@pytest.mark.parametrize("times", [1, 3])
def test_replaying_often_delivers_once(patient: Patient, times: int) -> None:
    patient.sick_at.clear()

    run()
    drain_all(lambda: LATER)
    for _ in range(times):
        with pytest.raises(NothingToReplay, match="4 delivered"):
            run()
        drain_all(lambda: LATER)

    assert traces() == ["note 1", "note 2", "note 3", "note 4"]


def test_a_handler_that_was_added_later_gets_its_delivery(
    patient: Patient, use_routes: UseRoutes
) -> None:
    use_routes(
        {
            StepTaken: (
                Route(patient, Group.CORE, ordered=True),
                Route(count_step, Group.CORE, ordered=True),
            )
        }
    )

    assert run(type="step.taken", handler="count_step") == {"added": 4}
    drain_all(lambda: LATER)

    assert traces() == ["note 1", "count 1", "count 2", "count 3", "count 4"]


@pytest.mark.django_db
def test_one_that_waits_for_its_next_try_is_tried_now(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace("tried")
        if context.attempt == 1:
            raise ValueError

    use_routes({StepTaken: (Route(note_step, Group.CORE),)})
    record_at(AT, StepTaken())
    drain_all(clock)
    Delivery.objects.update(next_at=LATER + timedelta(minutes=10))

    assert run() == {"hurried": 1}
    drain_all(lambda: LATER)

    assert traces() == ["tried"]


@pytest.mark.django_db
def test_an_uncertain_one_is_repeated_when_a_person_says_so(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    answers: list[Any] = [Uncertain("silence"), "sent"]

    def ask(event: LetterOwed, context: Context) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    send_letter = Outbound(
        name="send_letter", ask=ask, write=lambda event, answer, context: leave_trace(answer)
    )
    use_routes({LetterOwed: (Route(send_letter, Group.MAIL),)})
    record_at(AT, LetterOwed())
    drain_all(clock)
    assert states() == ["uncertain"]

    assert run(type="letter.owed") == {"revived": 1}
    drain_all(lambda: LATER)

    assert traces() == ["sent"]


def test_a_replay_is_a_row_that_says_who_what_why_and_how_much(patient: Patient) -> None:
    begun = begin_replay(
        Selection(subject="story:one", since=AT),
        mode="redeliver",
        actor="console:selam",
        reason="the stay was put back",
        at=LATER,
    )

    row = Replay.objects.get(id=begun.id)
    assert (row.actor, row.executed_by, row.reason) == (
        "console:selam",
        "console:selam",
        "the stay was put back",
    )
    assert (row.mode, row.created_at, row.started_at) == ("redeliver", LATER, LATER)
    assert row.selection == {"subject": "story:one", "since": "2026-11-22T09:00:00Z"}


@pytest.mark.django_db
def test_an_event_whose_type_is_forgotten_owes_nothing(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, StepTaken())
    use_routes({})

    with pytest.raises(NothingToReplay, match="no event at all"):
        run(subject="story:one")


def test_a_replay_that_meets_a_worker_waits_and_finds_it_delivered(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock, start: Start
) -> None:
    running, go_on = threading.Event(), threading.Event()

    def note_step(event: StepTaken, context: Context) -> None:
        if context.attempt == 1:
            raise ValueError
        running.set()
        assert go_on.wait(10)
        leave_trace("noted")

    use_routes({StepTaken: (Route(note_step, Group.CORE),)})
    record_at(AT, StepTaken())
    drain_all(clock)
    Delivery.objects.update(next_at=AT)
    worker = start(lambda: drain_group(Group.CORE, clock))
    assert running.wait(10)

    replaying = start(run)
    with pytest.raises(TimeoutError):
        replaying.result(0.05)
    go_on.set()

    assert replaying.result() == {"delivered_meanwhile": 1}
    worker.result()
    assert not Delivery.objects.exists()


def test_two_replays_at_once_add_one_delivery(
    use_routes: UseRoutes, transactional_db: None, start: Start
) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, *steps(40))
    use_routes({StepTaken: (Route(count_step, Group.CORE),)})

    for replaying in [start(run) for _ in range(2)]:
        replaying.result()

    assert Delivery.objects.count() == 40


class TestSkip:
    def test_a_skipped_one_is_paid_by_a_person_and_releases_its_subject(
        self, patient: Patient
    ) -> None:
        dead = Delivery.objects.get(state="dead")

        assert run("skip", ids=(dead.event_id,)) == {"skipped": 1}
        drain_all(lambda: LATER)

        assert traces() == ["note 1", "note 3", "note 4"]
        receipt = Receipt.objects.get(event_id=dead.event_id)
        assert (receipt.how, receipt.handler) == ("skipped", "note_step")
        with pytest.raises(NothingToReplay, match="4 delivered"):
            run()

    def test_what_is_on_its_way_cannot_be_skipped(self, patient: Patient) -> None:
        record_at(AT, StepTaken(story="two", number=7))

        with pytest.raises(NothingToReplay, match="1 ready"):
            run("skip", subject="story:two")

    def test_what_was_delivered_meanwhile_is_not_skipped(self, patient: Patient) -> None:
        planned = plan("skip", state="dead")
        patient.sick_at.clear()
        run()
        drain_all(lambda: LATER)

        start_replay(planned.id, actor="test", at=LATER)
        done = advance_replay(planned.id, lambda: LATER, time_slice=timedelta(0))

        assert done.progress() == {"delivered_meanwhile": 1}
        assert not Receipt.objects.filter(how="skipped").exists()

    def test_a_debt_that_outlived_its_receipt_is_removed_and_not_skipped(
        self, patient: Patient
    ) -> None:
        dead = Delivery.objects.get(state="dead")
        Receipt.objects.create(
            event_id=dead.event_id, handler=dead.handler, attempts=1, worker="gone", done_at=AT
        )

        assert run("skip", ids=(dead.event_id,)) == {"delivered_meanwhile": 1}
        drain_all(lambda: LATER)

        assert traces() == ["note 1", "note 3", "note 4"]
        assert Receipt.objects.get(event_id=dead.event_id).how == "done"


class TestRerun:
    @pytest.fixture
    def counted(self, use_routes: UseRoutes, db: None, clock: HandClock) -> None:
        use_routes({StepTaken: (Route(tell_step, Group.CORE, ordered=True, replayable=True),)})
        record_at(AT, *steps(3))
        drain_all(clock)

    @pytest.mark.usefixtures("counted")
    def test_what_was_delivered_is_delivered_once_more_in_order(self) -> None:
        assert run("rerun") == {"added": 3}
        drain_all(lambda: LATER)
        assert run("rerun") == {"added": 3}
        drain_all(lambda: LATER)

        assert traces() == [f"{n} of {g}" for g in range(3) for n in (1, 2, 3)]
        generations = Receipt.objects.order_by("id").values_list("generation", flat=True)
        assert list(generations) == [0, 0, 0, 1, 1, 1, 2, 2, 2]

    @pytest.mark.usefixtures("counted")
    def test_one_whose_rerun_is_on_its_way_is_left_alone(self) -> None:
        first = plan("rerun")
        second = plan("rerun")

        for each in (first, second):
            start_replay(each.id, actor="test", at=LATER)
            advance_replay(each.id, lambda: LATER, time_slice=timedelta(0))
        drain_all(lambda: LATER)

        assert first.progress() == {"added": 3}
        assert second.progress() == {"under_way": 3}
        assert len(traces()) == 6

    def test_what_must_not_run_twice_does_not_unless_forced(self, patient: Patient) -> None:
        with pytest.raises(NotReplayable, match="note_step"):
            run("rerun")

        forced = run_replay(Selection(type="step.taken"), at=LATER, mode="rerun", force=True)
        assert forced == {"added": 1}


class TestExecution:
    @pytest.fixture
    def many(self, use_routes: UseRoutes, db: None) -> Replay:
        use_routes({StepTaken: ()})
        record_at(AT, *steps(10))
        use_routes({StepTaken: (Route(count_step, Group.CORE, ordered=True),)})
        planned = plan_replay(
            Selection(type="step.taken"),
            mode="redeliver",
            actor="test",
            reason="to see",
            at=LATER,
            rate=20,
        )
        return start_replay(planned.id, actor="test", at=LATER)

    def advance(self, replay: Replay, **later: float) -> Replay:
        now = LATER + timedelta(**later)
        return advance_replay(replay.id, lambda: now, time_slice=timedelta(0))

    def test_it_keeps_its_rate_whoever_advances_it(self, many: Replay) -> None:
        for _ in range(5):
            self.advance(many)
        assert many.progress() == {"added": 2, "left": 8}

        self.advance(many, seconds=0.1)
        assert many.progress() == {"added": 4, "left": 6}

    def test_it_goes_on_after_a_pause_and_after_a_crash(self, many: Replay) -> None:
        self.advance(many)
        pause_replay(many.id)
        assert self.advance(many, seconds=5).progress()["left"] == 8
        assert running_replays() == []

        start_replay(many.id, actor="another", at=LATER + timedelta(days=9))
        assert running_replays() == [many.id]
        for second in range(6):
            done = self.advance(many, days=9, seconds=second)

        assert (done.state, done.progress()) == ("done", {"added": 10})
        assert done.executed_by == "another"
        assert Delivery.objects.count() == 10

    def test_cancelled_it_keeps_what_it_did_and_does_no_more(self, many: Replay) -> None:
        self.advance(many)
        cancel_replay(many.id)

        assert self.advance(many, seconds=5).progress() == {"added": 2, "left": 8}
        with pytest.raises(ReplayNotStartable, match="cancelled"):
            start_replay(many.id, actor="test", at=LATER)
        with pytest.raises(ReplayNotStartable):
            cancel_replay(many.id)

    def test_nothing_is_executed_twice(self, many: Replay) -> None:
        with pytest.raises(ReplayNotStartable, match="running"):
            start_replay(many.id, actor="test", at=LATER)
        for second in range(6):
            self.advance(many, seconds=second)
        with pytest.raises(ReplayNotStartable, match="done"):
            start_replay(many.id, actor="test", at=LATER)
        with pytest.raises(ReplayNotStartable):
            pause_replay(many.id)


def test_a_replay_needs_a_reason(patient: Patient) -> None:
    with pytest.raises(ReasonMissing):
        begin_replay(Selection(state="dead"), mode="redeliver", actor="test", reason=" ", at=LATER)
    assert not Replay.objects.exists()

    planned = plan(reason="")
    with pytest.raises(ReasonMissing):
        start_replay(planned.id, actor="test", at=LATER)
    assert start_replay(planned.id, actor="test", reason="now", at=LATER).reason == "now"


def test_an_old_plan_is_not_what_would_run_now(patient: Patient) -> None:
    planned = plan()

    with pytest.raises(PlanStale, match="24 h"):
        start_replay(planned.id, actor="test", at=LATER + timedelta(hours=24, seconds=1))


def test_a_plan_for_a_handler_that_is_gone_is_stale(
    patient: Patient, use_routes: UseRoutes
) -> None:
    planned = plan()
    use_routes({StepTaken: (Route(count_step, Group.CORE),)})

    with pytest.raises(PlanStale, match="note_step"):
        start_replay(planned.id, actor="test", at=LATER)


def test_an_event_that_is_gone_is_passed_over(patient: Patient) -> None:
    planned = plan()
    Delivery.objects.filter(event_id=planned.items.get().event_id).delete()
    Event.objects.filter(id=planned.items.get().event_id).delete()

    start_replay(planned.id, actor="test", at=LATER)
    done = advance_replay(planned.id, lambda: LATER, time_slice=timedelta(0))

    assert done.progress() == {"gone": 1}


@pytest.mark.django_db
def test_what_does_not_exist_cannot_be_started() -> None:
    for verb in (pause_replay, cancel_replay):
        with pytest.raises(ReplayUnknown):
            verb(new_id())


@pytest.mark.django_db
def test_a_large_one_must_be_meant(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, StepTaken())
    # As many more as there may be, without recording each.
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into events_event
                   (type, version, subject, data, actor, correlation_id, occurred_at)
               select type, version, subject, data, actor, correlation_id, occurred_at
               from events_event, generate_series(1, %s)""",
            [CAP],
        )
    use_routes({StepTaken: (Route(count_step, Group.CORE),)})

    with pytest.raises(ReplayTooLarge, match=str(CAP + 1)):
        plan()
    assert not Replay.objects.exists()

    meant = plan_replay(
        Selection(type="step.taken"),
        mode="redeliver",
        actor="test",
        reason="all",
        at=LATER,
        large=True,
    )
    assert meant.total == meant.items.count() == CAP + 1
