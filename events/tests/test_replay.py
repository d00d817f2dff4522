import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from events.base import Context, Group, Outbound, PermanentFailure, Route, Uncertain
from events.delivery import drain_all, drain_group
from events.models import Delivery, Event, Receipt, Replay
from events.replay import Selection, redeliver
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    StepTaken,
    leave_trace,
    record_at,
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


def replay(selection: Selection, *, dry_run: bool = False) -> dict[tuple[str, str], int]:
    """Redeliver; return how many, by handler and what was done."""
    counts = redeliver(selection, actor="test", reason="to see", dry_run=dry_run, at=LATER)
    return {(handler, what): count for (_, handler, what), count in counts.items()}


def everything_stored() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Delivery, Receipt, Replay)]


STEPS = Selection(type="step.taken")


@pytest.fixture
def patient(use_routes: UseRoutes, db: None, clock: HandClock) -> Patient:
    """Step 1 delivered, 2 dead, 3 and 4 blocked behind it."""
    handler = Patient(2)
    use_routes({StepTaken: (Route(handler, Group.CORE, ordered=True),)})
    record_at(AT, *steps(4))
    drain_all(clock)
    assert states() == ["dead", "blocked", "blocked"]
    return handler


def test_a_dry_run_changes_nothing_and_counts_the_same(patient: Patient) -> None:
    before = everything_stored()

    foreseen = replay(STEPS, dry_run=True)
    assert everything_stored() == before

    assert (
        replay(STEPS)
        == foreseen
        == {("note_step", "delivered"): 1, ("note_step", "revived"): 1, ("note_step", "due"): 2}
    )


def test_a_revived_one_lets_go_what_stood_behind_it(patient: Patient) -> None:
    patient.sick_at.clear()

    replay(STEPS)
    drain_all(lambda: LATER)

    assert traces() == ["note 1", "note 2", "note 3", "note 4"]
    assert states() == []


def test_one_that_still_fails_is_dead_again_and_blocks_again(patient: Patient) -> None:
    replay(STEPS)
    drain_all(lambda: LATER)

    assert states() == ["dead", "blocked", "blocked"]
    assert traces() == ["note 1"]


def test_a_revived_one_has_all_its_attempts_again(patient: Patient) -> None:
    Delivery.objects.filter(state="dead").update(attempts=8, doubtful_calls=1)

    replay(STEPS)

    revived = Delivery.objects.get(state="ready")
    assert (revived.attempts, revived.doubtful_calls, revived.next_at) == (0, 0, LATER)


def test_asking_for_a_blocked_one_alone_does_not_let_it_overtake(patient: Patient) -> None:
    last = Event.objects.latest("id").id

    assert replay(Selection(ids=(last,))) == {("note_step", "due"): 1}
    drain_all(lambda: LATER)

    assert traces() == ["note 1"]


@pytest.mark.parametrize("times", [1, 3])
def test_replaying_often_delivers_once(patient: Patient, times: int) -> None:
    patient.sick_at.clear()

    for _ in range(times):
        replay(STEPS)
        drain_all(lambda: LATER)
    for _ in range(times):
        assert replay(STEPS) == {("note_step", "delivered"): 4}

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

    assert replay(Selection(type="step.taken", handler="count_step")) == {
        ("count_step", "added"): 4
    }
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

    assert replay(STEPS) == {("note_step", "due"): 1}
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

    assert replay(Selection(type="letter.owed")) == {("send_letter", "revived"): 1}
    drain_all(lambda: LATER)

    assert traces() == ["sent"]


def test_a_replay_is_a_row_that_says_who_what_why_and_how_much(patient: Patient) -> None:
    counts = redeliver(
        Selection(subject="story:one", since=AT),
        actor="console:selam",
        reason="the stay was put back",
        dry_run=False,
        at=LATER,
    )

    row = Replay.objects.get()
    assert (row.actor, row.reason) == ("console:selam", "the stay was put back")
    assert (row.mode, row.created_at) == ("redeliver", LATER)
    assert row.selection["subject"] == "story:one"
    assert row.selection["since"].startswith("2026-11-22T09:00:00")
    assert Counter({(a, b, c): count for a, b, c, count in row.counts}) == counts


@pytest.mark.django_db
def test_an_event_whose_type_is_forgotten_owes_nothing(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, StepTaken())
    use_routes({})

    assert replay(Selection(subject="story:one")) == {}


def test_a_replay_that_meets_a_worker_waits_and_finds_it_delivered(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock, start: Start
) -> None:
    running, go_on = threading.Event(), threading.Event()

    def note_step(event: StepTaken, context: Context) -> None:
        running.set()
        assert go_on.wait(10)
        leave_trace("noted")

    use_routes({StepTaken: (Route(note_step, Group.CORE),)})
    record_at(AT, StepTaken())
    worker = start(lambda: drain_group(Group.CORE, clock))
    assert running.wait(10)

    replaying = start(lambda: replay(STEPS))
    with pytest.raises(TimeoutError):
        replaying.result(0.05)
    go_on.set()

    assert replaying.result() == {("note_step", "delivered"): 1}
    worker.result()
    assert not Delivery.objects.exists()


def test_two_replays_at_once_add_one_delivery(
    use_routes: UseRoutes, transactional_db: None, start: Start
) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, *steps(40))
    use_routes({StepTaken: (Route(count_step, Group.CORE),)})

    for replaying in [start(lambda: replay(STEPS)) for _ in range(2)]:
        replaying.result()

    assert Delivery.objects.count() == 40
