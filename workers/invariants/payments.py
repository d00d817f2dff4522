"""What must be true of payments, their ledger and their refunds."""

from typing import Final

from workers.invariants.base import Invariant

PAYMENTS: Final = (
    Invariant(
        "ledger_proven",
        "What the ledger says, Chapa said about the same payment, or a person did with a reason",
        """
        select p.id::text, case
            when e.gateway_call_id is null and (btrim(e.person) = '' or btrim(e.reason) = '')
                then e.kind || ' without a call and without a person and a reason'
            when e.gateway_call_id is null then null
            when c.payment_id <> p.id
                then e.kind || ' by a call about payment ' || c.payment_id
            when (e.kind, c.kind, c.outcome) not in (
                     ('capture', 'verify', 'paid'), ('capture', 'verify', 'refunded'),
                     ('capture', 'verify', 'reversed'),
                     ('refund', 'verify', 'refunded'), ('refund', 'refund_check', 'refunded'),
                     ('reversal', 'verify', 'reversed'))
                then e.kind || ' by a call to ' || c.kind || ' that says ' || c.outcome
            -- Of what was made up for a demonstration there are no words of Chapa's.
            when e.kind <> 'capture' or c.evidence -> 'data' ->> 'amount' is null then null
            when (c.evidence #>> '{data,tx_ref}', c.evidence #>> '{data,mode}')
                 <> (p.tx_ref, p.mode)
                then 'capture by an answer about another tx_ref or mode'
            when c.evidence #>> '{data,currency}' <> e.currency
                 or greatest(trunc((c.evidence #>> '{data,amount}')::numeric, 2), 0.01)
                    <> e.amount
                then 'captured ' || e.amount || ' ' || e.currency || ' where Chapa says '
                     || (c.evidence #>> '{data,amount}') || ' '
                     || (c.evidence #>> '{data,currency}')
        end
        from payment p join payments_ledgerentry e on e.payment_id = p.id
        left join payments_gatewaycall c on c.id = e.gateway_call_id
        """,
    ),
    Invariant(
        "totals_are_the_ledger",
        "What a payment says has come and gone are the sums of its ledger",
        """
        select p.id::text, case
            when p.captured_amount <> l.came or p.refunded_amount <> l.went
                then 'says ' || p.captured_amount || ' came and ' || p.refunded_amount
                     || ' went, the ledger ' || l.came || ' and ' || l.went
        end
        from payment p cross join lateral (
            select coalesce(sum(amount) filter (where kind = 'capture'), 0),
                   coalesce(sum(amount) filter (where kind in ('refund', 'reversal')), 0)
            from payments_ledgerentry e where e.payment_id = p.id
        ) l (came, went)
        """,
    ),
    Invariant(
        "status_fits_money",
        "A payment's status says what its money did",
        """
        select p.id::text, p.status || ', and ' || p.captured_amount || ' came, '
               || p.refunded_amount || ' went, settled: ' || coalesce(p.settled_at::text, 'never')
        from payment p
        where (p.settled_at is not null) <> (p.captured_amount > 0) or not case
            when p.status in ('pending', 'failed', 'cancelled', 'expired')
                then p.captured_amount = 0
            when p.status = 'in_review' then p.captured_amount > 0
            when p.status = 'succeeded' then p.captured_amount > 0 and p.refunded_amount = 0
            when p.status = 'partially_refunded'
                then p.refunded_amount > 0 and p.refunded_amount < p.captured_amount
            else p.captured_amount > 0 and p.refunded_amount = p.captured_amount
        end
        """,
    ),
    Invariant(
        "paid_as_owed",
        "Money that counts as paid is what was owed, or a person took it for that",
        """
        select p.id::text, 'owed ' || p.amount || ' ' || p.currency || ', got ' || e.amount || ' '
               || e.currency
        from payment p join payments_ledgerentry e on e.payment_id = p.id and e.kind = 'capture'
        where p.status in ('succeeded', 'partially_refunded')
          and (e.amount, e.currency) <> (p.amount, p.currency)
          and p.created_at > %(told_since)s
          and not exists (select from payments_ledgerentry a where a.payment_id = p.id
                            and a.kind = 'acceptance')
        """,
    ),
    Invariant(
        "refunds_within_captures",
        "No more is ordered back than has arrived, and in the currency it arrived in",
        """
        select p.id::text, case
            when sum(r.amount) filter (where r.state <> 'failed') > p.captured_amount
                then sum(r.amount) filter (where r.state <> 'failed') || ' of '
                     || p.captured_amount || ' is ordered back'
            when bool_or(r.currency <> e.currency) then 'another currency is ordered back'
        end
        from payment p join payments_refund r on r.payment_id = p.id
        left join payments_ledgerentry e on e.payment_id = p.id and e.kind = 'capture'
        group by p.id, p.captured_amount
        """,
    ),
    Invariant(
        "no_money_forgotten",
        "Money that paid for nothing goes back within a day, or a person has it before them",
        # What is ordered counts also if it failed: then a person sees it. What succeeded has gone.
        """
        select p.id::text, p.captured_amount - p.refunded_amount || ' ' || p.currency
               || ' since ' || p.settled_at
        from payment p
        where p.captured_amount > p.refunded_amount and p.status <> 'in_review'
          and p.settled_at < %(at)s - interval '24 hours'
          and not exists (select from bookings_booking b where b.paid_by = p.id)
          and p.captured_amount > p.refunded_amount + coalesce(
              (select sum(r.amount) from payments_refund r
               where r.payment_id = p.id and r.state <> 'succeeded'), 0)
        """,
    ),
    Invariant(
        "every_payment_watched",
        "Until its last look, which comes on day 7, a payment without money has a next one",
        # The last look comes a tenth early at most: after 6.3 days. Sample data is not looked at.
        """
        select p.id::text, p.status || ' since ' || p.created_at || ', and nobody looks'
        from payment p
        where p.status in ('pending', 'failed', 'cancelled', 'expired')
          and p.next_check_at is null and p.created_at > %(at)s - interval '6 days'
          and not exists (select from events_event v where v.subject = 'payment:' || p.id
                            and v.type = 'payment.initiated' and v.actor = %(sample_data)s)
        """,
    ),
    Invariant(
        "one_mode",
        "Test money and real money never pay for the same thing",
        """
        select p.id::text, p.mode || ' beside ' || other.mode
        from payment p
        join payments_payment other on other.reference = p.reference and other.mode <> p.mode
        """,
    ),
)
