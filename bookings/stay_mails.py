"""The letters about stays."""

from bookings.events import BookingConfirmed
from bookings.mails import Letter, booking_of, mailing_travellers
from bookings.models import Booking, Mail
from payments.services import refunds, status

_HERE = (status.Payment.Status.SUCCEEDED, status.Payment.Status.PARTIALLY_REFUNDED)


def _confirmation(event: BookingConfirmed) -> Letter:
    booking, payment = booking_of(event.booking_id), status.get(event.payment_id)
    is_paid = booking.paid_by == payment.id and payment.status in _HERE
    return Letter(
        booking,
        is_true=booking.status == Booking.Status.CONFIRMED and is_paid,
        values={"paid": refunds.arrived_of(payment), "late": event.late},
    )


#: For booking.confirmed.
send_confirmation = mailing_travellers("send_confirmation", Mail.Kind.CONFIRMATION, _confirmation)
