"""Record an event and the deliveries it owes, in the commit of the change it reports."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from core.causality import current_cause
from core.failpoints import failpoint
from core.transactions import require_transaction
from events.base import DomainEvent, Route
from events.routing import routing_table
from events.waking import wake_after_commit

LANES = 64

# One transaction may hold so many advisory locks as well: 14,000 exhaust PostgreSQL's lock table.
MOST_AT_ONCE = 1000

_RECORD = """
select events_record(
    %(type)s, %(version)s, %(subject)s, %(data)s::jsonb,
    %(actor)s, %(correlation)s::uuid, %(causation)s, %(at)s, %(key)s, %(lane)s,
    %(handlers)s::text[], %(groups)s::text[], %(ordered)s::boolean[], %(next_at)s::timestamptz[])
"""

# What events/sql/record.sql does, for many: the locks in the order of their keys, so that two that
# record about the same subjects do not wait for each other.
_RECORD_ALL = """
with locks as materialized (
    select pg_advisory_xact_lock(key), pg_current_xact_id()
    from (select distinct key from unnest(%(keys)s::bigint[]) as key order by key) sorted
),
fact as materialized (
    select nextval('events_event_id_seq') as id, f.*
    from (select count(*) from locks) held,
         unnest(%(types)s::text[], %(versions)s::smallint[], %(subjects)s::text[],
                %(keys)s::bigint[], %(data)s::text[])
             with ordinality as f (type, version, subject, key, data, number)
),
event as (
    insert into events_event
        (id, type, version, subject, data, actor, correlation_id, causation_id, occurred_at)
    select id, type, version, subject, data::jsonb, %(actor)s, %(correlation)s::uuid,
           %(causation)s, %(at)s
    from fact
),
deliveries as (
    insert into events_delivery
        (event_id, handler, generation, "group", lane, subject_key, ordered, state, next_at,
         attempts, fence, doubtful_calls, last_error)
    select fact.id, owed.handler, 0, owed."group",
           mod(mod(fact.key, %(lanes)s) + %(lanes)s, %(lanes)s), fact.key, owed.ordered, 'ready',
           owed.next_at, 0, 0, 0, ''
    from fact join unnest(%(owed)s::bigint[], %(handlers)s::text[], %(groups)s::text[],
                          %(ordered)s::boolean[], %(next_at)s::timestamptz[])
         as owed (number, handler, "group", ordered, next_at) using (number)
)
select id from fact order by number
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
    event_id = _write(_RECORD, {}, event, at, first_try_at)
    assert event_id is not None
    return event_id


def record_with(
    change: str, values: Mapping[str, Any], event: DomainEvent, *, at: datetime
) -> int | None:
    """
    Make the change and record the event in one statement, which outside a transaction is a commit.

    `change` is SQL: the call of a function that returns one row if the change happened. If it has
    none, nothing is recorded and None returned. For doors where each round trip counts; everybody
    else writes, and then calls `record`.
    """
    return _write(f"{_RECORD} from {change}", values, event, at, None)


def record_all(events: Sequence[DomainEvent], *, at: datetime) -> list[int]:
    """
    Write several events in one statement; return their ids, in their order.

    :raises OutsideTransaction: if no transaction of the caller's own is open.
    :raises ValueError: for more than `MOST_AT_ONCE`.
    """
    require_transaction()
    if len(events) > MOST_AT_ONCE:
        raise ValueError(f"at most {MOST_AT_ONCE} events are recorded at once, not {len(events)}")
    table = routing_table()
    owed = [
        (number, route)
        for number, event in enumerate(events, start=1)
        for route in table.routes_of(event.type)
    ]
    routes = [route for _, route in owed]
    values = _shared(at) | _columns(routes, [number for number, _ in owed], at, None)
    values |= {
        "keys": [subject_key(event.subject) for event in events],
        "lanes": LANES,
        "types": [event.type for event in events],
        "versions": [event.version for event in events],
        "subjects": [event.subject for event in events],
        "data": [_written(event) for event in events],
    }
    with connection.cursor() as cursor:
        failpoint("record_all.started")
        cursor.execute(_RECORD_ALL, values)
        ids = [event_id for (event_id,) in cursor.fetchall()]
    failpoint("record_all.written")
    _wake(routes)
    return ids


def _write(
    statement: str,
    values: Mapping[str, Any],
    event: DomainEvent,
    at: datetime,
    first_try_at: datetime | None,
) -> int | None:
    routes = routing_table().routes_of(event.type)
    key = subject_key(event.subject)
    own: dict[str, Any] = {
        "key": key,
        "lane": key % LANES,
        "type": event.type,
        "version": event.version,
        "subject": event.subject,
        "data": _written(event),
    }
    columns = _columns(routes, [1] * len(routes), at, first_try_at)
    with connection.cursor() as cursor:
        failpoint("record.started")
        cursor.execute(statement, {**values, **_shared(at), **columns, **own})
        written = cursor.fetchone()
    failpoint("record.written")
    if written is None:
        return None
    _wake(routes)
    return int(written[0])


def subject_key(subject: str) -> int:
    """Return the subject as the signed 64-bit number that lanes, locks and blockers use."""
    return int.from_bytes(hashlib.blake2b(subject.encode(), digest_size=8).digest(), signed=True)


def _shared(at: datetime) -> dict[str, Any]:
    cause = current_cause()
    return {
        "actor": cause.actor,
        "correlation": str(cause.correlation_id),
        "causation": cause.event_id,
        "at": at,
    }


def _columns(
    routes: Sequence[Route], numbers: list[int], at: datetime, first_try_at: datetime | None
) -> dict[str, Any]:
    """Return the deliveries owed, column by column; `numbers` says for which event each is."""
    if first_try_at and any(route.ordered for route in routes):
        raise ValueError("an event with an ordered handler cannot be put off")
    return {
        "owed": numbers,
        "handlers": [route.name for route in routes],
        "groups": [route.group for route in routes],
        "ordered": [route.ordered for route in routes],
        "next_at": [first_try_at or at + route.first_try_after for route in routes],
    }


def _written(event: DomainEvent) -> str:
    return json.dumps(event.to_data(), cls=DjangoJSONEncoder)


def _wake(routes: Sequence[Route]) -> None:
    if routes:
        wake_after_commit({route.group.value for route in routes})
