"""What a replay does about one debt, under that debt's lock."""

from datetime import datetime

from django.db.models import Max

from events.base import Route
from events.debts import release_subjects, worker_name
from events.models import Delivery, Event, Receipt, Replay, ReplayItem
from events.outbox import LANES, subject_key
from events.replay.planning import STUCK, TOUCHED
from events.routing import routing_table

Outcome = ReplayItem.Outcome


def settle_item(item: ReplayItem, event: Event | None, replay: Replay, at: datetime) -> str:
    """
    Do what the plan said, unless it happened meanwhile; return what was done.

    Call inside a transaction. Repeating it changes nothing: it looks before it acts.
    """
    route = routing_table().route(event.type, item.handler) if event else None
    if event is None or route is None:
        return Outcome.GONE
    # The lock first: the receipt of a worker that holds the row is there once it lets go.
    owed = (
        Delivery.objects.select_for_update()
        .filter(event=event, handler=item.handler)
        .order_by("-generation")
        .first()
    )
    match replay.mode:
        case Replay.Mode.RERUN:
            return _run_again(event, route, owed, at)
        case Replay.Mode.SKIP:
            return _skip(owed, at)
        case _:
            return _owe(event, route, owed, at)


def _owe(event: Event, route: Route, owed: Delivery | None, at: datetime) -> Outcome:
    if owed is None:
        if Receipt.objects.filter(event_id=event.id, handler=route.name).exists():
            return Outcome.DELIVERED_MEANWHILE
        return _add(event, route, generation=0, at=at)
    if owed.state in STUCK:
        Delivery.objects.filter(id=owed.id).update(
            state=Delivery.State.RETRY, next_at=at, attempts=0, doubtful_calls=0
        )
        return Outcome.REVIVED
    if owed.state == Delivery.State.RETRY:
        Delivery.objects.filter(id=owed.id).update(next_at=min(owed.next_at, at))
        return Outcome.HURRIED
    return Outcome.UNDER_WAY


def _run_again(event: Event, route: Route, owed: Delivery | None, at: datetime) -> Outcome:
    if owed is not None:
        return Outcome.UNDER_WAY
    newest = Receipt.objects.filter(event_id=event.id, handler=route.name).aggregate(
        newest=Max("generation")
    )["newest"]
    # Nothing was delivered any more: its receipt went with an age, and nobody knows what happened.
    if newest is None:
        return Outcome.GONE
    return _add(event, route, generation=newest + 1, at=at)


def _skip(owed: Delivery | None, at: datetime) -> Outcome:
    if owed is None:
        return Outcome.DELIVERED_MEANWHILE
    if owed.state not in TOUCHED[Replay.Mode.SKIP]:
        return Outcome.UNDER_WAY
    # A debt that was paid may have outlived its receipt's writer; then there is nothing to give up.
    _, is_given_up = Receipt.objects.get_or_create(
        event_id=owed.event_id,
        handler=owed.handler,
        generation=owed.generation,
        defaults={
            "how": Receipt.How.SKIPPED,
            "attempts": owed.attempts,
            "worker": worker_name(),
            "done_at": at,
        },
    )
    owed.delete()
    if owed.ordered:
        release_subjects([(owed.handler, owed.subject_key)])
    return Outcome.SKIPPED if is_given_up else Outcome.DELIVERED_MEANWHILE


def _add(event: Event, route: Route, *, generation: int, at: datetime) -> Outcome:
    key = subject_key(event.subject)
    delivery = Delivery(
        event=event,
        handler=route.name,
        generation=generation,
        group=route.group,
        lane=key % LANES,
        subject_key=key,
        ordered=route.ordered,
        state=Delivery.State.RETRY,
        next_at=at,
    )
    # Another replay may be adding it too.
    Delivery.objects.bulk_create([delivery], ignore_conflicts=True)
    return Outcome.ADDED
