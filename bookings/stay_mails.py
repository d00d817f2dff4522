"""The letters about stays: docs/mails.md says which event asks for which."""

from uuid import UUID

from bookings.events import BookingCancelled, BookingConfirmed, BookingExpired
from bookings.mails import Letter, booking_of, mailing_travellers
from bookings.models import Booking, Mail
from payments.services import refunds, status


def _confirmation(event: BookingConfirmed) -> Letter:
    booking, payment = booking_of(event.booking_id), status.get(event.payment_id)
    is_paid = booking.paid_by == payment.id and payment.is_paid
    return Letter(
        booking,
        is_true=booking.status == Booking.Status.CONFIRMED and is_paid,
        values={"paid": refunds.arrived_of(payment), "late": event.late},
    )


def _expiry(event: BookingExpired) -> Letter:
    booking = booking_of(event.booking_id)
    arrived = _what_arrived(booking.id)
    return Letter(
        booking,
        # Money that came meanwhile confirms the stay or goes back: that letter tells all.
        is_true=booking.status == Booking.Status.EXPIRED and arrived != "here",
        values={"arrived": arrived},
    )


def _cancellation(event: BookingCancelled) -> Letter:
    booking = booking_of(event.booking_id)
    if not event.was_confirmed:
        return Letter(booking, values={"arrived": _what_arrived(booking.id)})
    ordered = status.refunds_for(booking.id).filter(source=status.Refund.Source.CUSTOMER).first()
    paid = next(each for each in status.all_for(booking.id) if each.id == booking.paid_by)
    return Letter(
        booking,
        values={
            "was_confirmed": True,
            "back": event.refundable,
            "kept": event.kept,
            "is_gone": paid.refunded_amount == paid.captured_amount,
            "is_under_way": ordered is not None and ordered.is_under_way,
        },
    )


def _what_arrived(booking_id: UUID) -> str:
    """
    Return where money is that came for a stay nobody confirmed: `here`, or `in_review`.

    `gone` if it went back, or a person has decided that it does; nothing if none came.
    """
    paid = [each for each in status.all_for(booking_id) if each.captured_amount > 0]
    if any(each.is_paid for each in paid):
        return "here"
    in_review = [each for each in paid if each.status == status.Payment.Status.IN_REVIEW]
    if any(refunds.left_of(each).amount > 0 for each in in_review):
        return "in_review"
    return "gone" if paid else ""


#: For booking.confirmed.
send_confirmation = mailing_travellers("send_confirmation", Mail.Kind.CONFIRMATION, _confirmation)

#: For booking.expired.
mail_expired_hold = mailing_travellers("mail_expired_hold", Mail.Kind.EXPIRED, _expiry)

#: For booking.cancelled.
mail_cancelled_stay = mailing_travellers("mail_cancelled_stay", Mail.Kind.CANCELLED, _cancellation)
