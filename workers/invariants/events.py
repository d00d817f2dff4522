"""What must be true of events: that each change is told, and each one told is owed or delivered."""

from typing import Final

from workers.invariants.base import Invariant

EVENTS: Final = (
    Invariant(
        "payments_told",
        "Every change of a payment's status was told once, by the event of its name",
        # A part that goes back is told by its refund.
        """
        select p.id::text, case
            when told.latest is distinct from case p.status
                     when 'pending' then 'payment.initiated'
                     when 'in_review' then 'payment.mismatched'
                     when 'partially_refunded' then 'payment.succeeded'
                     else 'payment.' || p.status end
                then p.status || ', and the latest event is ' || coalesce(told.latest, 'none')
            when told.twice then 'a change was told twice'
        end
        from payment p cross join lateral (
            select (array_agg(v.type order by v.id desc))[1], count(*) > count(distinct v.type)
            from events_event v
            where v.subject = 'payment:' || p.id and v.type in (
                'payment.initiated', 'payment.succeeded', 'payment.failed', 'payment.cancelled',
                'payment.expired', 'payment.mismatched', 'payment.refunded', 'payment.reversed')
        ) told (latest, twice)
        where p.created_at > %(told_since)s
        """,
    ),
    Invariant(
        "bookings_told",
        "Every change of a booking's status was told once, by the event of its name",
        # It is confirmed once more when another payment pays for it, for the first one is gone.
        """
        select b.id::text, case
            when told.latest is distinct from 'booking.' || b.status
                then b.status || ', and the latest event is ' || coalesce(told.latest, 'none')
            when told.twice then 'a change was told twice'
        end
        from booking b cross join lateral (
            select (array_agg(v.type order by v.id desc))[1],
                   count(*) > count(distinct (v.type, v.data ->> 'payment_id'))
            from events_event v
            where v.subject = 'booking:' || b.id and v.type in (
                'booking.held', 'booking.confirmed', 'booking.expired', 'booking.cancelled')
        ) told (latest, twice)
        where b.created_at > %(told_since)s
        """,
    ),
    Invariant(
        "refunds_told",
        "Every order to send money back was told, and how it ended",
        # What was made elsewhere was not ordered; what ended with all of its payment is told by it.
        """
        select r.id::text, case
            when r.source <> 'external' and 'refund.requested' <> all (told.types)
                then 'refund of ' || r.amount || ' ' || r.currency || ' without its event'
            when r.state = 'succeeded' and 'refund.succeeded' <> all (told.types)
                 and p.status <> 'refunded'
                then 'succeeded, and no event says so'
            when r.state = 'failed' and 'refund.failed' <> all (told.types)
                 and p.status <> 'reversed'
                then 'failed, and no event says so'
        end
        from payment p join payments_refund r on r.payment_id = p.id
        cross join lateral (
            select coalesce(array_agg(v.type::text), '{}') from events_event v
            where v.subject = 'payment:' || p.id and v.data ->> 'refund_id' = r.id::text
        ) told (types)
        where r.requested_at > %(told_since)s
        """,
    ),
    Invariant(
        "webhooks_told",
        "Every signed webhook that names a payment was told",
        """
        select w.id::text, 'came in at ' || w.received_at || ' without its event'
        from payments_incomingwebhook w
        where w.received_at >= %(lately)s and w.verdict = 'signed' and w.tx_ref <> ''
          and not exists (select from events_event v where v.subject = 'webhook:' || w.id)
        """,
    ),
    Invariant(
        "events_delivered",
        "An event is owed to each of its handlers, or was delivered",
        # A handler that came later is owed nothing of before; only an operator's replay may have
        # given it some, which was found to be missing then.
        """
        select id::text, type || ' was never owed to ' || handler
        from (
            select v.id, v.type, route.handler, there.paid or there.owed as is_there,
                   min(v.id) filter (where (there.paid or there.owed) and late.event_id is null)
                       over (partition by v.type, route.handler) as first
            from unnest(%(routed_types)s::text[], %(routed_handlers)s::text[])
                 as route (type, handler)
            join event v on v.type = route.type
            cross join lateral (select
                exists (select from events_receipt r
                        where r.event_id = v.id and r.handler = route.handler),
                exists (select from events_delivery d
                        where d.event_id = v.id and d.handler = route.handler)
            ) there (paid, owed)
            left join (select distinct event_id, handler from events_replayitem
                       where found = 'missing') late
                 on late.event_id = v.id and late.handler = route.handler
        ) debt
        where not is_there and id > first
        """,
    ),
    Invariant(
        "paid_or_owed",
        "A delivery is owed or has its receipt, never both",
        """
        select d.event_id::text, 'owed to ' || d.handler || ', generation ' || d.generation
               || ', and has its receipt'
        from events_delivery d join events_receipt r using (event_id, handler, generation)
        """,
    ),
)
