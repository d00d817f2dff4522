"""The lanes of a transactional group: take one, see what can run in it, give it back."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from events.debts import Debt, worker_name
from events.models import Event

BATCH = 200

# Below a group's low mark nothing is ready, nor will be, so the scans begin there: while another
# connection holds an old snapshot (a dump, a forgotten psql), what was delivered cannot be removed,
# and each scan from the start would step over all of it.
#
# Whoever records has a transaction id before it takes an event's id, so all ids that stood when
# transaction X swept belong to transactions before X. Once those have ended, whatever is ready
# among them can be seen. What comes back later (a retry, a replay) is `retry` and knows no mark.
SWEEP_EVERY = 10.0
_SWEEP = """
with mark as materialized (
    select name, newest_xid <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint as is_over,
           -- Restored from another server, whose transactions were further on.
           newest_xid > pg_current_xact_id()::text::bigint as is_alien
    from events_lanegroup
    where name = %(group)s and swept_at < clock_timestamp() - %(every)s * interval '1 second'
    for no key update skip locked
)
update events_lanegroup g
set low_id = least(case when is_over then newest_id else low_id end, (
        select min(d.event_id) from events_delivery d
        where d."group" = %(group)s and d.state = 'ready')),
    newest_id = case when is_over or is_alien
                     then (select coalesce(max(id), 0) from events_event) else newest_id end,
    newest_xid = case when is_over or is_alien
                      then pg_current_xact_id()::text::bigint else newest_xid end,
    swept_at = clock_timestamp()
from mark where g.name = mark.name
"""

# A blocker in somebody's hands may be about to go. What waits behind it is set free then, as far as
# it can be seen from there: not what is parked here meanwhile.
_PARK = """
with waiting as materialized (
    select id, handler, subject_key, event_id from events_delivery d
    where d."group" = %(group)s and d.lane = %(lane)s and d.ordered
      and d.state in ('ready', 'retry') and d.next_at <= %(at)s
),
blocker as materialized (
    select b.handler, b.subject_key, b.event_id from events_delivery b
    where (b.handler, b.subject_key) in (select handler, subject_key from waiting)
      and b.state <> 'ready'
    for share skip locked
)
update events_delivery d set state = 'blocked'
from waiting
where d.id = waiting.id and d.state in ('ready', 'retry')
  and exists (select from blocker
              where blocker.handler = waiting.handler
                and blocker.subject_key = waiting.subject_key
                and blocker.event_id < waiting.event_id)
"""


@dataclass(frozen=True)
class Lane:
    id: int
    group: str
    number: int
    abandoned: bool


def sweep_lanes(group: str, *, every: float = SWEEP_EVERY) -> None:
    """Move the group's low mark to where it may stand now, if the last sweep was long ago."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, {"group": group, "every": every})


def take_lane(group: str, at: datetime) -> Lane | None:
    """
    Make one free lane with due work this connection's, in a commit of its own.

    A batch that dies leaves that mark behind: the next owner finds the lane `abandoned`.
    """
    with connection.cursor() as cursor:
        cursor.execute("select * from events_take_lane(%s, %s)", [group, at])
        row = cursor.fetchone()
    return Lane(id=row[0], group=group, number=row[1], abandoned=row[2]) if row else None


def own_lane(lane: Lane) -> bool:
    """
    Lock the lane, if it is still ours: between two commits someone may have judged us dead.

    What the transaction writes is checked at once. Django's foreign keys are deferred: a bad row
    would pass its savepoint and fail the COMMIT of everybody in the batch.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            set constraints all immediate;
            select id from events_lane where id = %s and owner_pid = pg_backend_pid() for update
            """,
            [lane.id],
        )
        return cursor.fetchone() is not None


def release_lane(lane: Lane) -> None:
    """Give the lane back, in the batch's own commit."""
    with connection.cursor() as cursor:
        cursor.execute("update events_lane set owner_pid = null where id = %s", [lane.id])


def claim_debts(lane: Lane, at: datetime) -> list[Debt]:
    """
    Lock and return, in the order of their events, what can run now; at most one batch.

    Nothing, if the lane is no longer ours.
    """
    return [debt for debt, _ in _claim(lane, at, None)]


def claim_with_receipts(lane: Lane, at: datetime) -> tuple[list[Debt], set[int]]:
    """Claim and take the receipts as `take_receipts` does; return the debts and who may run."""
    claimed = _claim(lane, at, worker_name())
    return [debt for debt, _ in claimed], {debt.id for debt, is_paid in claimed if not is_paid}


def _claim(lane: Lane, at: datetime, worker: str | None) -> list[tuple[Debt, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select * from events_claim(%s, %s, %s, %s, %s, %s)",
            [lane.id, lane.group, lane.number, at, BATCH, worker],
        )
        return [_debt(row) for row in cursor.fetchall()]


def _debt(row: tuple[Any, ...]) -> tuple[Debt, bool]:
    """Cut a row of events/sql/claim.sql into the delivery, whether it is paid, and the event."""
    id_, *delivery = row[:8]
    event_id, type_, version, subject, data, actor, correlation_id, causation_id, at = row[9:]
    event = Event(
        event_id, type_, version, subject, json.loads(data), actor, correlation_id, causation_id, at
    )
    return Debt(id_, event, *delivery), row[8]


def park_blocked(lane: Lane, at: datetime) -> int:
    """
    Nothing here can run: all that is due came in behind failed ones. Look at it no more.

    Return how many were parked: none, while somebody else holds what they stand behind.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PARK, {"group": lane.group, "lane": lane.number, "at": at})
        return int(cursor.rowcount)
