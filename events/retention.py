"""How long the log of facts is kept."""

from datetime import datetime, timedelta

from django.db import connection

from events.models import Event, ReplayItem

# Longer than any dispute over a payment. The ledger and the evidence are kept for ever.
EVENT_LIFE = timedelta(days=730)
_BATCH = 5000

# By ranges of ids, so that a batch reads one stretch of the log, and a range is what could be a
# partition. What is still owed stays. Receipts go with their events and never before them: a
# receipt is all that keeps a second delivery from doing anything.
_PRUNE = """
with stretch as materialized (
    select id from events_event
    where id > %(after)s and id <= %(last)s and occurred_at < %(before)s
    order by id limit %(batch)s
),
paid as materialized (
    select e.id from events_event e join stretch using (id)
    where not exists (select from events_delivery d where d.event_id = e.id)
    for update of e skip locked
),
receipts as (delete from events_receipt r using paid where r.event_id = paid.id),
gone as (delete from events_event e using paid where e.id = paid.id returning e.id)
select (select max(id) from stretch), (select count(*) from gone)
"""


def prune_events(*, at: datetime, batch: int = _BATCH) -> dict[str, int]:
    """
    Remove old events that nobody is owed, with their receipts; return how much went.

    A batch is one commit. Safe to run several at once: what another one holds is passed by.
    """
    before, after, events = at - EVENT_LIFE, 0, 0
    # By the index of times: the ids alone would lead through all of the young ones as well.
    newest_old = (
        Event.objects.filter(occurred_at__lt=before).order_by("-occurred_at", "-id").first()
    )
    last = newest_old.id if newest_old else 0
    while after < last:
        with connection.cursor() as cursor:
            cursor.execute(_PRUNE, {"after": after, "last": last, "before": before, "batch": batch})
            reached, gone = cursor.fetchone()
        events += gone
        after = reached or last
    items, _ = ReplayItem.objects.filter(replay__created_at__lt=before).delete()
    return {"events": events, "replay_items": items}
