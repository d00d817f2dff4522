"""Record an event and the deliveries it owes, in the commit of the change it reports."""

import hashlib
import json
from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from core.causality import current_cause
from core.transactions import require_transaction
from events.base import DomainEvent
from events.routing import routing_table
from events.waking import wake_sleeping

LANES = 64

# The lock comes before the id and is held to the commit: for one subject, ids commit in order
# whatever the caller forgot to lock. One statement, one round trip.
_RECORD = """
with subject_lock as materialized (select pg_advisory_xact_lock(%(key)s)),
event as (
    insert into events_event
        (type, version, subject, data, actor, correlation_id, causation_id, occurred_at)
    select %(type)s, %(version)s, %(subject)s, %(data)s::jsonb, %(actor)s,
           %(correlation)s::uuid, %(causation)s, %(at)s
    from subject_lock
    returning id
),
deliveries as (
    insert into events_delivery
        (event_id, handler, generation, "group", lane, subject_key, ordered, state, next_at,
         attempts, fence, doubtful_calls, last_error)
    select event.id, owed.handler, 0, owed."group", %(lane)s, %(key)s, owed.ordered, 'ready',
           owed.next_at, 0, 0, 0, ''
    from event, unnest(%(handlers)s::text[], %(groups)s::text[], %(ordered)s::boolean[],
                       %(next_at)s::timestamptz[])
         as owed (handler, "group", ordered, next_at)
)
select id from event
"""


def record(event: DomainEvent, *, at: datetime, first_try_at: datetime | None = None) -> int:
    """
    Write the event and one delivery per handler of its route; return the event's id.

    Lock the subject's row first (lock order: row, then event). `first_try_at` overrides the
    route's `first_try_after`.

    :raises OutsideTransaction: if no transaction of the caller's own is open.
    :raises ValueError: if an ordered handler would be told to wait: all behind it would wait too.
    """
    require_transaction()
    routes = routing_table().routes_of(event.type)
    if first_try_at and any(route.ordered for route in routes):
        raise ValueError(f"{event.type} has an ordered handler; it cannot be put off")
    cause = current_cause()
    key = subject_key(event.subject)
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "key": key,
                "lane": key % LANES,
                "type": event.type,
                "version": event.version,
                "subject": event.subject,
                "data": json.dumps(event.to_data(), cls=DjangoJSONEncoder),
                "actor": cause.actor,
                "correlation": str(cause.correlation_id),
                "causation": cause.event_id,
                "at": at,
                "handlers": [route.name for route in routes],
                "groups": [route.group for route in routes],
                "ordered": [route.ordered for route in routes],
                "next_at": [first_try_at or at + route.first_try_after for route in routes],
            },
        )
        event_id: int = cursor.fetchone()[0]
    if groups := sorted({route.group.value for route in routes}):
        # Robust: the commit stands, and the relay's poll is the floor if waking fails.
        transaction.on_commit(lambda: wake_sleeping(groups), robust=True)
    return event_id


def subject_key(subject: str) -> int:
    """Return the subject as the signed 64-bit number that lanes, locks and blockers use."""
    return int.from_bytes(hashlib.blake2b(subject.encode(), digest_size=8).digest(), signed=True)
