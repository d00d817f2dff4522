from datetime import timedelta

import pytest
from django.db import transaction

from core.tests.threads import at_once
from events.base import Context, Group, PermanentFailure, Route
from events.delivery import drain_all
from events.models import Delivery, Event, Receipt, Replay, ReplayItem
from events.replay import Selection, plan_replay
from events.retention import EVENT_LIFE, prune_events
from events.tests.cast import AT, HandClock, StepTaken, note_step, record_at, steps
from events.tests.conftest import UseRoutes

DAY = timedelta(days=1)
LATER = AT + EVENT_LIFE + DAY


def fail_at_two(event: StepTaken, context: Context) -> None:
    if event.number == 2:
        raise PermanentFailure


def delivered(use_routes: UseRoutes, count: int, handler: object = note_step) -> None:
    use_routes({StepTaken: (Route(handler, Group.CORE),)})  # type: ignore[arg-type]
    record_at(AT, *steps(count))
    drain_all(HandClock())


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 2, 100])
def test_old_events_go_with_their_receipts_unless_they_are_still_owed(
    use_routes: UseRoutes, batch: int
) -> None:
    delivered(use_routes, 4, fail_at_two)
    record_at(LATER, StepTaken(number=5))

    assert prune_events(at=LATER, batch=batch) == {"events": 3, "replay_items": 0}

    assert [event.data["number"] for event in Event.objects.order_by("id")] == [2, 5]
    assert Delivery.objects.filter(state="dead").exists()
    assert not Receipt.objects.exists()
    assert prune_events(at=LATER)["events"] == 0


@pytest.mark.django_db
def test_what_is_young_stays_with_its_receipt(use_routes: UseRoutes) -> None:
    delivered(use_routes, 2)

    assert prune_events(at=AT + EVENT_LIFE)["events"] == 0
    assert Receipt.objects.count() == 2


@pytest.mark.django_db
def test_the_items_of_old_replays_go_and_what_they_were_stays(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, StepTaken())
    use_routes({StepTaken: (Route(note_step, Group.CORE),)})
    plan_replay(Selection(type="step.taken"), mode="redeliver", actor="test", reason="why", at=AT)

    assert prune_events(at=LATER)["replay_items"] == 1
    assert not ReplayItem.objects.exists()
    assert Replay.objects.get().reason == "why"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_remove_each_once_and_wait_for_nobody(use_routes: UseRoutes) -> None:
    delivered(use_routes, 30)
    held = Event.objects.order_by("id")[0].id

    with transaction.atomic():
        Event.objects.select_for_update(no_key=True).get(id=held)
        gone = at_once(2, lambda _: prune_events(at=LATER, batch=4)["events"])

    assert sum(gone) == 29
    assert Event.objects.get().id == held
