"""The lanes of a transactional group: take one, see what can run in it, give it back."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from events.debts import Debt, with_events

BATCH = 200

# A lane is free if nobody owns it, or if the backend that did is gone. The minute is for a
# connection pool, which keeps the backend of a dead worker alive. The lock is the weakest that
# excludes itself, so that the relay's look at the lanes (events/waking.py) hides none of them.
_TAKE = """
with picked as materialized (
    select id, owner_pid is not null as abandoned
    from events_lane l
    where l."group" = %(group)s
      and (l.owner_pid is null
           or l.owner_pid = pg_backend_pid()
           or l.owned_at < %(at)s - interval '60 seconds'
           or not exists (select from pg_stat_activity a where a.pid = l.owner_pid))
      and exists (select from events_delivery d
                  where d."group" = l."group" and d.lane = l.number
                    and d.state in ('ready', 'retry') and d.next_at <= %(at)s)
    order by random() limit 1
    for no key update skip locked
)
update events_lane l set owner_pid = pg_backend_pid(), owned_at = %(at)s
from picked where l.id = picked.id
returning l.id, l.number, picked.abandoned
"""

# Of one handler and subject nothing overtakes, so a locked row (a replay has it) is waited for, and
# what is ready is due whatever its time: the clocks of two recorders may differ.
_CLAIM = """
select id, event_id, handler, generation, attempts, fence, doubtful_calls, subject_key, ordered
from events_delivery d
where d."group" = %(group)s and d.lane = %(lane)s
  and d.state in ('ready', 'retry')
  and (d.next_at <= %(at)s or (d.state = 'ready' and d.ordered))
  and not (d.ordered and exists (
      select from events_delivery b
      where b.handler = d.handler and b.subject_key = d.subject_key
        and b.event_id < d.event_id and b.state <> 'ready'
        and not (b.state = 'retry' and b.next_at <= %(at)s)))
order by d.event_id, d.id
limit %(limit)s
for update of d
"""

_PARK = """
update events_delivery d set state = 'blocked'
where d."group" = %(group)s and d.lane = %(lane)s and d.ordered
  and d.state in ('ready', 'retry') and d.next_at <= %(at)s
  and exists (
      select from events_delivery b
      where b.handler = d.handler and b.subject_key = d.subject_key
        and b.event_id < d.event_id and b.state <> 'ready')
"""


@dataclass(frozen=True)
class Lane:
    id: int
    group: str
    number: int
    abandoned: bool


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
    """Lock the lane, if it is still ours: between two commits someone may have judged us dead."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select id from events_lane where id = %s and owner_pid = pg_backend_pid() for update",
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


def park_blocked(lane: Lane, at: datetime) -> None:
    """Nothing here can run: all that is due came in behind failed ones. Look at it no more."""
    with connection.cursor() as cursor:
        cursor.execute(_PARK, {"group": lane.group, "lane": lane.number, "at": at})
