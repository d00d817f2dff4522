"""The lanes of a transactional group: take one, see what can run in it, give it back."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from events.debts import Debt, with_events

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

# A lane is free if nobody owns it, or if the backend that did is gone. The minute is for a
# connection pool, which keeps the backend of a dead worker alive. Three are looked for, because
# somebody else may be taking the first.
#
# The lock is the weakest that excludes itself, so that the relay's look at the lanes
# (events/waking.py) hides none of them. The mark need not outlive the server: nor would its owner.
_TAKE = """
with free as materialized (
    select id, number, owner_pid,
           (select low_id from events_lanegroup where name = %(group)s) as low_id
    from events_lane
    where "group" = %(group)s
      and (owner_pid is null
           or owner_pid = pg_backend_pid()
           or owned_at < %(at)s - interval '60 seconds'
           or not exists (select from pg_stat_activity a where a.pid = owner_pid))
    order by random()
),
due as materialized (
    select free.id, free.owner_pid from free
    where coalesce(
        (select d.id from events_delivery d
         where d."group" = %(group)s and d.lane = free.number and d.state = 'ready'
           and d.event_id >= free.low_id and d.next_at <= %(at)s
         order by d.event_id limit 1),
        (select d.id from events_delivery d
         where d."group" = %(group)s and d.lane = free.number and d.state = 'retry'
           and d.next_at <= %(at)s
         order by d.event_id limit 1)) is not null
    limit 3
),
picked as materialized (
    select l.id, l.owner_pid is not null as abandoned,
           set_config('synchronous_commit', 'off', true)
    from due join events_lane l on l.id = due.id
    where l.owner_pid is not distinct from due.owner_pid
    limit 1
    for no key update of l skip locked
)
update events_lane l set owner_pid = pg_backend_pid(), owned_at = %(at)s
from picked where l.id = picked.id
returning l.id, l.number, picked.abandoned
"""

# Of one handler and subject nothing overtakes, so a locked row (a replay has it) is waited for, and
# what is ready is due whatever its time: the clocks of two recorders may differ.
_CLAIM = """
with runnable as materialized (
    (select id from events_delivery d
     where d."group" = %(group)s and d.lane = %(lane)s and d.state = 'ready'
       and d.event_id >= (select low_id from events_lanegroup where name = %(group)s)
       and (d.next_at <= %(at)s or d.ordered) and {unblocked}
     order by d.event_id limit %(limit)s)
    union all
    (select id from events_delivery d
     where d."group" = %(group)s and d.lane = %(lane)s and d.state = 'retry'
       and d.next_at <= %(at)s and {unblocked}
     order by d.event_id limit %(limit)s)
)
select d.id, d.event_id, d.handler, d.generation, d.attempts, d.fence, d.doubtful_calls,
       d.subject_key, d.ordered
from runnable join events_delivery d using (id)
where d.state in ('ready', 'retry')
order by d.event_id, d.id
limit %(limit)s
for update of d
""".replace(
    "{unblocked}",
    """not (d.ordered and exists (
      select from events_delivery b
      where b.handler = d.handler and b.subject_key = d.subject_key
        and b.event_id < d.event_id and b.state <> 'ready'
        and not (b.state = 'retry' and b.next_at <= %(at)s)))""",
)

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
        cursor.execute(_TAKE, {"group": group, "at": at})
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
    """Lock and return, in the order of their events, what can run now; at most one batch."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"group": lane.group, "lane": lane.number, "at": at, "limit": BATCH})
        return with_events(cursor.fetchall())


def park_blocked(lane: Lane, at: datetime) -> int:
    """
    Nothing here can run: all that is due came in behind failed ones. Look at it no more.

    Return how many were parked: none, while somebody else holds what they stand behind.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PARK, {"group": lane.group, "lane": lane.number, "at": at})
        return int(cursor.rowcount)
