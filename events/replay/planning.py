"""Show what a replay would do, and freeze it: what is executed later is exactly that."""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from core.errors import Conflict, Invalid
from events.models import Delivery, Replay, ReplayItem
from events.replay.selection import Selection
from events.routing import routing_table

# A larger one asks for `large`: nobody delivers a year again by a slip of the hand.
CAP = 10_000
FASTEST = 1000

#: Nothing will happen to these by itself.
STUCK = [Delivery.State.DEAD, Delivery.State.UNCERTAIN]
#: What each mode does something about. The rest is on its way, or as it should be.
TOUCHED: dict[str, list[str]] = {
    Replay.Mode.REDELIVER: [ReplayItem.MISSING, Delivery.State.RETRY, *STUCK],
    Replay.Mode.RERUN: [ReplayItem.DELIVERED],
    Replay.Mode.SKIP: [Delivery.State.RETRY, *STUCK],
}

# The newest delivery is what is owed now; without one, a receipt of any generation is enough.
_PLAN = """
with seen as materialized (
    select e.id, e.type, e.occurred_at, route.handler,
           coalesce(owed.state, case when paid.handler is null then 'missing' else 'delivered' end)
               as found
    from events_event e
    join unnest(%(types)s::text[], %(handlers)s::text[]) as route (type, handler)
      on route.type = e.type
    left join lateral (
        select d.state from events_delivery d
        where d.event_id = e.id and d.handler = route.handler
        order by d.generation desc limit 1) owed on true
    left join lateral (
        select r.handler from events_receipt r
        where r.event_id = e.id and r.handler = route.handler limit 1) paid on true
    where (%(ids)s::bigint[] is null or e.id = any(%(ids)s::bigint[]))
      and e.type = any(%(types)s::text[])
      and (%(subject)s::text is null or e.subject = %(subject)s)
      and (%(since)s::timestamptz is null or e.occurred_at >= %(since)s)
      and (%(until)s::timestamptz is null or e.occurred_at < %(until)s)
),
frozen as (
    insert into events_replayitem (replay_id, event_id, handler, found, outcome)
    select %(replay)s, id, handler, found, '' from seen
    where found = any(%(touched)s) and (%(state)s::text is null or found = %(state)s)
    order by id, handler
    returning event_id
)
select type, handler, found, count(*), min(occurred_at), max(occurred_at),
       (array_agg(id order by id))[1:5], (select count(*) from frozen)
from seen where %(state)s::text is null or found = %(state)s
group by type, handler, found order by type, handler, found
"""


class NotReplayable(Conflict):
    """A handler of these events must not run twice."""

    code = "not_replayable"


class ReplayTooLarge(Invalid):
    """The replay is larger than one asks for by accident."""

    code = "replay_too_large"


class NothingToReplay(Conflict):
    """Nothing of what was selected can be replayed this way."""

    code = "nothing_to_replay"


def plan_replay(
    selection: Selection,
    *,
    mode: str,
    actor: str,
    reason: str,
    at: datetime,
    rate: int = 50,
    force: bool = False,
    large: bool = False,
) -> Replay:
    """
    Write down, as a replay in state `planned` and one item a debt, what it would do.

    *redeliver*: what has no receipt is owed again, now. *rerun*: what was delivered is delivered
    once more, as a generation of its own, to handlers whose routes say `replayable`, or `force`.
    *skip*: what is dead, uncertain or waits for a retry is given up; what stands behind it goes on.
    `rate` is in items a second. Nothing happens to any delivery; planning twice plans two.

    :raises NotReplayable: if a rerun selects a handler that is not replayable, without `force`.
    :raises ReplayTooLarge: for more than `CAP` items without `large`.
    :raises NothingToReplay: if there is nothing for this mode to do.
    """
    if mode == Replay.Mode.RERUN and not force:
        _refuse_unreplayable(selection)
    with transaction.atomic():
        replay = Replay.objects.create(
            selection=selection.to_json(),
            mode=mode,
            force=force,
            reason=reason.strip(),
            actor=actor,
            created_at=at,
            rate=rate,
            summary=[],
        )
        replay.summary, replay.total = _freeze(replay, selection)
        if not replay.total:
            raise NothingToReplay(_left_alone(replay))
        if replay.total > CAP and not large:
            raise ReplayTooLarge(
                f"{replay.total} deliveries, more than {CAP}: say that you mean it."
            )
        replay.save(update_fields=["summary", "total"])
    return replay


def _freeze(replay: Replay, selection: Selection) -> tuple[list[dict[str, Any]], int]:
    types, handlers = selection.debts
    touched = TOUCHED[replay.mode]
    values: dict[str, Any] = {
        "replay": replay.id,
        "types": types,
        "handlers": handlers,
        "ids": list(selection.ids) or None,
        "subject": selection.subject,
        "since": selection.since,
        "until": selection.until,
        "state": selection.state,
        "touched": touched,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PLAN, values)
        rows = cursor.fetchall()
    summary = [
        {
            "type": event_type,
            "handler": handler,
            "found": found,
            "count": count,
            "oldest": oldest.isoformat(),
            "newest": newest.isoformat(),
            "samples": samples,
            "runs": found in touched,
        }
        for event_type, handler, found, count, oldest, newest, samples, _ in rows
    ]
    return summary, rows[0][-1] if rows else 0


def _refuse_unreplayable(selection: Selection) -> None:
    types, handlers = selection.debts
    once = sorted(
        {
            handler
            for event_type, handler in zip(types, handlers, strict=True)
            if not routing_table().by_name[event_type, handler].replayable
        }
    )
    if once:
        raise NotReplayable(
            f"{', '.join(once)}: what it did cannot be done again unseen. Name another handler, "
            "or force it."
        )


def _left_alone(replay: Replay) -> str:
    found = ", ".join(f"{row['count']} {row['found']}" for row in replay.summary)
    return f"Selected: {found or 'no event at all'}."
