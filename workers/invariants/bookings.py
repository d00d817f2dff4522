"""What must be true of bookings and of the payments that are for them."""

from typing import Final

from bookings.cancellation import TERMS
from core.days import ADDIS_ABABA
from workers.invariants.base import Invariant


def share_given_back(booking: str) -> str:
    """Return SQL for the share that the terms of a booking which was given up give back."""
    days = f"{booking}.check_in - ({booking}.ended_at at time zone '{ADDIS_ABABA.key}')::date"
    steps = (
        f"when {booking}.cancellation = '{name}' and {days} >= {least} then {share}"
        for name, shares in TERMS.items()
        for least, share in shares
    )
    return f"case {' '.join(steps)} else 0 end"


BOOKINGS: Final = (
    Invariant(
        "paid_by_its_own_money",
        "The payment applied to a booking is its own, and brought its price or what a person took",
        """
        select b.id::text, case
            when p.id is null then 'paid by ' || b.paid_by || ', which is no payment'
            when p.reference <> b.id then 'paid by a payment for ' || p.reference
            when e.id is null then 'paid by ' || p.id || ', which brought nothing'
            when e.amount >= b.total_amount and e.currency = b.currency then null
            when exists (select from payments_ledgerentry a
                         where a.payment_id = p.id and a.kind = 'acceptance') then null
            else 'costs ' || b.total_amount || ' ' || b.currency || ', paid ' || e.amount
                     || ' ' || e.currency
        end
        from booking b left join payments_payment p on p.id = b.paid_by
        left join payments_ledgerentry e on e.payment_id = p.id and e.kind = 'capture'
        where b.paid_by is not null
        """,
    ),
    Invariant(
        "no_stay_without_its_money",
        "A confirmed stay whose money went back is in front of a person, or a person let it stand",
        """
        select b.id::text, 'confirmed, and ' || p.id || ' is ' || p.status
        from payment p join bookings_booking b on b.paid_by = p.id
        where p.status in ('refunded', 'reversed') and b.status = 'confirmed'
          and b.attention = '' and b.decisions = '[]'
          and not exists (select from events_event v join events_delivery d on d.event_id = v.id
                          where v.subject = 'payment:' || p.id
                            and d.handler = 'flag_unpaid_booking')
        """,
    ),
    Invariant(
        "terms_give_back",
        "Of a paid stay that was given up all that its terms give back goes back, or went",
        # What was ordered for the terms counts also if it failed: then a person sees it. Of another
        # order that failed it is told, and what it had bound is ordered by who hears of that.
        f"""
        select b.id::text, went.amount || ' goes back of ' || p.captured_amount
               || ', and its terms give ' || owed.amount
        from bookings_booking b join payments_payment p on p.id = b.paid_by
        cross join lateral (
            select p.refunded_amount + coalesce(sum(r.amount), 0) from payments_refund r
            where r.payment_id = p.id and r.state <> 'succeeded'
              and (r.state <> 'failed' or r.source = 'customer')
        ) went (amount)
        cross join lateral (
            select trunc(p.captured_amount * {share_given_back("b")}, 2)
        ) owed (amount)
        where b.status = 'cancelled' and went.amount < owed.amount
          and (b.id in (select id from booking) or p.id in (select id from payment))
          and not exists (
              select from events_delivery d join events_event v on v.id = d.event_id
              where v.subject = 'payment:' || p.id and d.handler = 'order_what_terms_still_owe')
        """,  # noqa: S608
    ),
    Invariant(
        "status_fits_course",
        "A booking's status says what happened to it: paid, confirmed, ended, or not yet",
        """
        select b.id::text, b.status || ', and paid by ' || coalesce(b.paid_by::text, 'nothing')
               || ', confirmed: ' || coalesce(b.confirmed_at::text, 'never') || ', ended: '
               || coalesce(b.ended_at::text, 'never')
        from booking b
        where not case b.status
            when 'held' then (b.paid_by is null, b.confirmed_at is null, b.ended_at is null)
                             = (true, true, true)
            when 'confirmed' then (b.paid_by is null, b.confirmed_at is null, b.ended_at is null)
                                  = (false, false, true)
            when 'expired' then (b.paid_by is null, b.confirmed_at is null, b.ended_at is null)
                                = (true, true, false)
            else b.ended_at is not null and (b.paid_by is null) = (b.confirmed_at is null)
        end
        """,
    ),
    Invariant(
        "holds_end",
        "A hold ends soon after its time, however long Chapa is silent",
        """
        select b.id::text, 'held until ' || b.hold_expires_at || ', and still is'
        from bookings_booking b
        where b.status = 'held'
          and b.hold_expires_at < %(at)s - %(longest_hold)s - interval '1 hour'
        """,
    ),
    Invariant(
        "only_the_held_are_paid_for",
        "Nobody is asked to pay for a booking that is not held",
        """
        select p.id::text, 'pending for a booking that is ' || coalesce(b.status, 'not there')
        from payments_payment p left join bookings_booking b on b.id = p.reference
        where p.status = 'pending' and b.status is distinct from 'held'
        """,
    ),
    Invariant(
        "payment_fits_booking",
        "A payment is for a booking, at its price, by its traveller",
        """
        select p.id::text, case
            when b.id is null then 'for ' || p.reference || ', which is no booking'
            when (p.amount, p.currency) <> (b.total_amount, b.currency)
                then 'asks ' || p.amount || ' ' || p.currency || ' for a booking of '
                     || b.total_amount || ' ' || b.currency
            when p.payer_id <> b.traveller_id then 'paid by another than the traveller'
        end
        from payment p left join bookings_booking b on b.id = p.reference
        """,
    ),
)
