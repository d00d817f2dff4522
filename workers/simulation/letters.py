"""Whether each traveller got the letters that the facts ask for: at least these, at most those."""

from collections import Counter
from collections.abc import Iterator

from django.core import mail

from bookings.models import Booking, Mail
from events.models import Event
from payments.models import LedgerEntry, Payment, Refund
from payments.services.refunds import left_of

# What was true for a while only may have been overtaken before its letter's turn came.
Bounds = dict[str, tuple[int, int]]


def find_wrong() -> list[str]:
    """Return which letters are missing, too many, or not what the mail server got."""
    return [*_counted(), *_mailed()]


def _counted() -> Iterator[str]:
    for booking in Booking.objects.order_by("created_at", "id"):
        mails = Mail.objects.filter(booking=booking).exclude(state=Mail.State.SKIPPED)
        sent = Counter(mails.values_list("kind", flat=True))
        bounds = _about_stay(booking) | _about_money(booking)
        for kind in sent.keys() | bounds.keys():
            least, most = bounds.get(kind, (0, 0))
            if not least <= sent[kind] <= most:
                yield f"booking {booking.code}: {sent[kind]} {kind} letters, not {least} to {most}"


def _about_stay(booking: Booking) -> Bounds:
    told = Event.objects.filter(subject=f"booking:{booking.id}")
    happened = Counter(told.values_list("type", flat=True))
    money = Payment.objects.filter(reference=booking.id, captured_amount__gt=0)
    is_confirmed = booking.status == "confirmed" and not booking.attention
    is_unpaid = booking.status == "expired" and not money.exists()
    return {
        "confirmation": (is_confirmed, happened["booking.confirmed"]),
        "expired": (is_unpaid, happened["booking.expired"]),
        "cancelled": (happened["booking.cancelled"], happened["booking.cancelled"]),
    }


def _about_money(booking: Booking) -> Bounds:
    payments = list(Payment.objects.filter(reference=booking.id))
    orders = list(Refund.objects.filter(payment__in=payments).select_related("payment"))
    mismatched = {each.id for each in payments if _was_mismatched(each)}
    waiting = [each for each in payments if each.status == "in_review" and not _orders_of(each)]
    awaited = [
        each
        for each in orders
        if each.source in ("system", "customer")
        or (each.source == "operator" and each.payment_id in mismatched)
    ]
    failed = [each for each in awaited if each.state == "failed" and _is_the_last_word(each)]
    told_when_ordered = [
        each
        for each in awaited
        if each.source != "customer" or each.requested_at > (booking.ended_at or each.requested_at)
    ]
    on_its_way = [each for each in told_when_ordered if each.is_under_way and _is_first(each)]
    gone = LedgerEntry.objects.filter(payment__in=payments, kind="refund").count()
    reversals = sum(each.status == "reversed" for each in payments)
    return {
        "in_review": (len(waiting), len(mismatched)),
        "refund_ordered": (len(on_its_way), len(told_when_ordered)),
        "refund_failed": (len(failed), len(awaited) + _delays(payments)),
        "refunded": (gone, gone),
        "reversed": (reversals, reversals),
    }


def _delays(payments: list[Payment]) -> int:
    """How often a letter may have told of one order that it takes longer, before it failed."""
    subjects = [f"payment:{each.id}" for each in payments]
    return Event.objects.filter(subject__in=subjects, type="refund.delayed").count()


def _was_mismatched(payment: Payment) -> bool:
    about = Event.objects.filter(subject=f"payment:{payment.id}", type="payment.mismatched")
    return about.exists()


def _orders_of(payment: Payment) -> int:
    return payment.refunds.count()


def _is_first(refund: Refund) -> bool:
    """Whether it is no second try, and not what a person gives of a stay that is paid."""
    is_given = refund.source == Refund.Source.OPERATOR and refund.payment.status != "in_review"
    return _orders_of(refund.payment) == 1 and not is_given


def _is_the_last_word(refund: Refund) -> bool:
    return _is_first(refund) and left_of(refund.payment).amount >= refund.amount


def _mailed() -> Iterator[str]:
    """Each letter went under one Message-ID to its traveller, twice only after a doubt."""
    rows = Mail.objects.select_related("booking__traveller")
    to = {each.message_id: each.booking.traveller.email for each in rows}
    got = Counter(letter.extra_headers["Message-ID"] for letter in mail.outbox)
    for each in rows.filter(state=Mail.State.SENT):
        if not 1 <= got[each.message_id] <= 2:
            yield f"letter {each.message_id} counts as sent, and came {got[each.message_id]} times"
    for letter in mail.outbox:
        message_id = letter.extra_headers["Message-ID"]
        if letter.to != [to.get(message_id)]:
            yield f"letter {message_id} went to somebody else"
