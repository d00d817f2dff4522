"""What must be true of orders to send money back."""

from typing import Final

from workers.invariants.base import Invariant

REFUNDS: Final = (
    Invariant(
        "refunds_in_ledger",
        "A refund that succeeded stands in the ledger as it was ordered, and no other one does",
        # When Chapa says that all of a payment went back, one entry ends all of its orders.
        """
        select r.id::text, case
            when e.id is null and r.state = 'succeeded' and p.status <> 'refunded'
                then 'succeeded, and the ledger has no entry of it'
            when e.id is null then null
            when r.state <> 'succeeded' then 'is ' || r.state || ', and has an entry in the ledger'
            when (e.payment_id, e.kind, e.amount, e.currency)
                 <> (r.payment_id, 'refund', r.amount, r.currency)
                then 'is of ' || r.amount || ' ' || r.currency || ', its entry of ' || e.amount
                     || ' ' || e.currency
        end
        from payment p join payments_refund r on r.payment_id = p.id
        left join payments_ledgerentry e on e.refund_id = r.id
        """,
    ),
    Invariant(
        "every_refund_pursued",
        "An order to send money back is owed to Chapa; once Chapa may have it, it is looked at",
        # The last look comes on day 10, and leaves in doubt what has no end by then. What a person
        # gave up has a receipt that says skipped.
        """
        select r.id::text, case
            when r.next_check_at is null and (r.state = 'submitted' or r.state = 'unknown'
                 and r.submitted_at > %(at)s - interval '9 days')
                then r.state || ' since ' || r.submitted_at || ', and nobody looks'
            when r.state = 'requested' and v.id is not null
                 and not exists (select from events_delivery d
                                 where d.event_id = v.id and d.handler = 'send_refund')
                 and not exists (select from events_receipt d
                                 where d.event_id = v.id and d.handler = 'send_refund'
                                   and d.how = 'skipped')
                then 'requested at ' || r.requested_at || ', and nobody sends it'
        end
        from payment p join payments_refund r on r.payment_id = p.id
        left join events_event v on v.subject = 'payment:' || p.id
             and v.type = 'refund.requested' and v.data ->> 'refund_id' = r.id::text
        """,
    ),
)
