"""
Wake the relay, but only if it sleeps.

A NOTIFY inside the transaction takes a global lock at commit (2.4 to 4.1 times slower at 32
writers, measured), so it is sent after the commit, and only while the group's `sleeping` flag is
set. Either the publisher sees the flag, or the relay's last look before it sleeps sees the row.
"""

import threading
from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from core.failpoints import failpoint

# A channel for each group: whoever delivers mails is not stirred by bookings.
CHANNEL = "guzo_events_"

_WORK = """
with free as materialized (
    select l."group", l.number, g.low_id
    from events_lane l join events_lanegroup g on g.name = l."group"
    for key share of l skip locked
)
select g.name, count(*), min(unattended.id)
from events_lanegroup g, lateral (
    (select d.id from free cross join lateral (
         select id from events_delivery
         where "group" = g.name and lane = free.number and state = 'ready'
           and event_id >= free.low_id and next_at <= %(at)s
         order by event_id limit 100) d
     where free."group" = g.name limit 100)
    union all
    (select d.id from events_delivery d
     where d."group" = g.name and d.state = 'retry' and d.next_at <= %(at)s
       and (d."group", d.lane) in (select "group", number from free)
     limit 100)
    union all
    (select d.id from events_delivery d
     where d."group" = g.name and g.name <> 'core' and d.state in ('ready', 'retry')
       and d.next_at <= %(at)s
     order by d.next_at limit 100)
    union all
    (select d.id from events_delivery d
     where d."group" = g.name and d.state = 'in_flight'
       and (d.deadline < %(at)s
            or not exists (select from pg_stat_activity a where a.pid = d.owner_pid))
     limit 100)
) unattended
where g.name = any(%(groups)s)
group by g.name
"""


class _Owed(threading.local):
    """The groups that this thread's transaction recorded for; after a rollback, some too many."""

    def __init__(self) -> None:
        self.groups: set[str] = set()


_owed = _Owed()


def wake_after_commit(groups: Iterable[str]) -> None:
    """Wake these groups' relay once this transaction stands: one look for all it recorded."""
    _owed.groups.update(groups)
    # Robust: the commit stands, and the relay's poll is the floor if waking fails.
    transaction.on_commit(_wake_owed, robust=True)


def _wake_owed() -> None:
    if groups := sorted(_owed.groups):
        _owed.groups.clear()
        wake_sleeping(groups)


def wake_sleeping(groups: Iterable[str]) -> None:
    failpoint("wake.started")
    with connection.cursor() as cursor:
        # A call is no truth either: it must not wait for a flush, nor the commit that it follows.
        cursor.execute(
            """
            select pg_notify(%s || name, ''), set_config('synchronous_commit', 'off', true)
            from events_lanegroup where name = any(%s) and sleeping
            """,
            [CHANNEL, list(groups)],
        )
    failpoint("wake.sent")


def set_sleeping(groups: Iterable[str], *, sleeping: bool, at: datetime) -> None:
    """Raise or clear the flag; the row also tells when a relay was last seen."""
    with connection.cursor() as cursor:
        # The flag is no truth, so its commits need not be flushed.
        cursor.execute(
            """
            update events_lanegroup set sleeping = %s, relay_seen_at = %s
            from (select set_config('synchronous_commit', 'off', true)) unflushed
            where name = any(%s)
            """,
            [sleeping, at, list(groups)],
        )


def groups_with_work(groups: Iterable[str], at: datetime) -> dict[str, tuple[int, int]]:
    """
    Return, per group, (how many, lowest id) of due deliveries that nobody is working on.

    It counts hundreds at most: a backlog must not slow the look at it. Work of a transactional
    group counts only while it stands in a lane nobody holds: its rows stay `ready` until the batch
    that handles them commits. Outbound work counts again once its worker is gone or late: someone
    must take it back.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WORK, {"groups": list(groups), "at": at})
        return {group: (count, lowest) for group, count, lowest in cursor.fetchall()}
