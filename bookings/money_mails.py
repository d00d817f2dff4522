"""The letters about money that came or goes back: docs/mails.md says which event asks for which."""

from bookings.mails import Letter, booking_of, mailing_travellers
from bookings.models import Booking, Mail
from payments.events import (
    PaymentMismatched,
    PaymentRefunded,
    PaymentReversed,
    RefundDelayed,
    RefundFailed,
    RefundRequested,
    RefundSucceeded,
)
from payments.services import refunds, status

_Source = status.Refund.Source
_IN_REVIEW = status.Payment.Status.IN_REVIEW


def _review(event: PaymentMismatched) -> Letter:
    payment = status.get(event.payment_id)
    return Letter(
        booking_of(event.reference),
        # Accepted, or ordered back: the letter about that is the one that is true.
        is_true=payment.status == _IN_REVIEW and refunds.left_of(payment).amount > 0,
        values={"arrived": event.arrived, "owed": event.owed},
    )


def _ordered_refund(event: RefundRequested) -> Letter | None:
    refund = status.get_refund(event.refund_id)
    booking = booking_of(event.reference)
    if _is_told_by_cancellation(refund, booking) or not _is_awaited(refund):
        return None
    return Letter(
        booking,
        is_true=refund.is_under_way,
        values={"back": event.amount, "why": _why(refund)},
    )


def _failed_refund(event: RefundFailed) -> Letter | None:
    refund = status.get_refund(event.refund_id)
    if not _is_awaited(refund):
        return None
    is_still_here = refunds.left_of(refund.payment).amount >= refund.amount
    return Letter(
        booking_of(event.reference),
        # Neither sent another way since, nor ordered back again.
        is_true=refund.state == status.Refund.State.FAILED and is_still_here,
        values={"back": event.amount, "why": _why(refund)},
    )


def _delayed_refund(event: RefundDelayed) -> Letter | None:
    refund = status.get_refund(event.refund_id)
    if not _is_awaited(refund):
        return None
    return Letter(
        booking_of(event.reference),
        is_true=refund.is_under_way,
        values={"back": event.amount, "why": _why(refund), "is_in_doubt": True},
    )


def _refund(event: RefundSucceeded | PaymentRefunded) -> Letter | None:
    if isinstance(event, RefundSucceeded):
        why = _why(status.get_refund(event.refund_id))
    elif status.went_back_unordered(status.get(event.payment_id)):
        why = ""
    else:
        # Its last order ended so, and that was told.
        return None
    return Letter(booking_of(event.reference), values={"back": event.amount, "why": why})


def _reversal(event: PaymentReversed) -> Letter:
    booking = booking_of(event.reference)
    return Letter(
        booking,
        values={
            "reversed": event.amount,
            "is_unpaid": booking.status == Booking.Status.CONFIRMED
            and booking.paid_by == event.payment_id,
        },
    )


def _is_awaited(refund: status.Refund) -> bool:
    """
    Return whether its traveller waits for this order, and does not know yet that it takes longer.

    What people order back on their own is told once it has gone.
    """
    decided = refund.source == _Source.OPERATOR and refund.payment.status == _IN_REVIEW
    by_itself = refund.source in (_Source.SYSTEM, _Source.CUSTOMER)
    return (decided or by_itself) and not status.failed_before(refund)


def _is_told_by_cancellation(refund: status.Refund, booking: Booking) -> bool:
    """Return whether it was ordered when its stay was given up: the letter about that tells it."""
    by_terms = refund.source == _Source.CUSTOMER
    return by_terms and (booking.ended_at is None or refund.requested_at <= booking.ended_at)


def _why(refund: status.Refund) -> str:
    """Return why money goes back, as a code: what people wrote is not for the traveller."""
    match refund.source:
        case _Source.SYSTEM:
            return refund.reason
        case _Source.CUSTOMER:
            return "terms"
    return "not_taken" if refund.payment.status == _IN_REVIEW else ""


#: For payment.mismatched.
mail_payment_in_review = mailing_travellers("mail_payment_in_review", Mail.Kind.IN_REVIEW, _review)

#: For refund.requested.
mail_ordered_refund = mailing_travellers(
    "mail_ordered_refund", Mail.Kind.REFUND_ORDERED, _ordered_refund
)

#: For refund.failed.
mail_failed_refund = mailing_travellers(
    "mail_failed_refund", Mail.Kind.REFUND_FAILED, _failed_refund
)

#: For refund.delayed.
mail_delayed_refund = mailing_travellers(
    "mail_delayed_refund", Mail.Kind.REFUND_FAILED, _delayed_refund
)

#: For refund.succeeded, and payment.refunded where no order of ours ended so.
mail_refunded_money = mailing_travellers("mail_refunded_money", Mail.Kind.REFUNDED, _refund)

#: For payment.reversed.
mail_reversed_payment = mailing_travellers("mail_reversed_payment", Mail.Kind.REVERSED, _reversal)
