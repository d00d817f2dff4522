"""
Deliver again, in its first form: *redeliver*, only what has no receipt.

Repeating it changes nothing: what was delivered is skipped, what is owed already is made due now.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet

from core.errors import Invalid
from events.base import Route
from events.models import Delivery, Event, Receipt, Replay
from events.outbox import LANES, subject_key
from events.routing import routing_table


class EmptySelection(Invalid):
    """A replay must say which events it means."""

    code = "empty_selection"


@dataclass(frozen=True)
class Selection:
    """Which events, and to which handler (None: every handler of their routes)."""

    ids: tuple[int, ...] = ()
    type: str | None = None
    subject: str | None = None
    since: datetime | None = None
    handler: str | None = None

    def events(self) -> QuerySet[Event]:
        if not (self.ids or self.type or self.subject or self.since):
            raise EmptySelection("Name ids, a type, a subject or a time.")
        found = Event.objects.order_by("id")
        if self.ids:
            found = found.filter(id__in=self.ids)
        if self.type:
            found = found.filter(type=self.type)
        if self.subject:
            found = found.filter(subject=self.subject)
        if self.since:
            found = found.filter(occurred_at__gte=self.since)
        return found


#: What a replay did, or would do: (event type, handler, what) → how many.
Counts = Counter[tuple[str, str, str]]

#: Nothing will happen to these by itself.
_STUCK = [Delivery.State.DEAD, Delivery.State.UNCERTAIN]


def redeliver(
    selection: Selection, *, actor: str, reason: str, dry_run: bool, at: datetime
) -> Counts:
    """
    Owe again every selected (event, handler) that has no receipt; return what was done.

    `delivered` ones are left alone. `due` ones are being delivered anyway, or wait behind an
    earlier one of their subject; they are only hurried. `revived` ones were dead or uncertain, and
    what waits behind them follows once they are paid. `added` ones were never owed, because their
    handler came later. A dry run changes nothing and counts the same.

    :raises EmptySelection: if the selection would mean every event there is.
    """
    counts: Counts = Counter()
    with transaction.atomic():
        for event in selection.events().iterator():
            # An event whose type is no longer known owes nothing to anybody.
            for route in routing_table().by_type.get(event.type, ()):
                if selection.handler in (None, route.name):
                    counts[event.type, route.name, _owe(event, route, at, dry_run)] += 1
        if not dry_run:
            Replay.objects.create(
                selection=_plain(asdict(selection)),
                mode="redeliver",
                reason=reason,
                actor=actor,
                created_at=at,
                counts=[[*key, count] for key, count in sorted(counts.items())],
            )
    return counts


def _owe(event: Event, route: Route, at: datetime, dry_run: bool) -> str:
    owed = Delivery.objects.filter(event=event, handler=route.name, generation=0)
    # The lock first: the receipt of a worker that holds the row is there once it lets go.
    delivery = owed.first() if dry_run else owed.select_for_update().first()
    if Receipt.objects.filter(event_id=event.id, handler=route.name, generation=0).exists():
        return "delivered"
    if delivery is None:
        if not dry_run:
            _add(event, route, at)
        return "added"
    if delivery.state in _STUCK:
        if not dry_run:
            owed.update(state=Delivery.State.READY, next_at=at, attempts=0, doubtful_calls=0)
        return "revived"
    if not dry_run:
        owed.filter(state=Delivery.State.RETRY).update(next_at=at)
    return "due"


def _add(event: Event, route: Route, at: datetime) -> None:
    key = subject_key(event.subject)
    delivery = Delivery(
        event=event,
        handler=route.name,
        group=route.group,
        lane=key % LANES,
        subject_key=key,
        ordered=route.ordered,
        state=Delivery.State.READY,
        next_at=at,
    )
    # Another replay may be adding it too.
    Delivery.objects.bulk_create([delivery], ignore_conflicts=True)


def _plain(selection: dict[str, Any]) -> dict[str, Any]:
    encoder = DjangoJSONEncoder()
    return {
        name: encoder.default(value) if isinstance(value, datetime) else value
        for name, value in selection.items()
    }
