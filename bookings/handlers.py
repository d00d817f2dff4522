"""What bookings do about events."""

from bookings.services.attention import flag_booking
from bookings.services.paying import apply_payment
from events.base import Context
from payments.events import PaymentRefunded, PaymentReversed, PaymentSucceeded


def confirm_paid_booking(event: PaymentSucceeded, context: Context) -> None:
    apply_payment(booking_id=event.reference, payment_id=event.payment_id, at=context.at)


def flag_unpaid_booking(event: PaymentReversed | PaymentRefunded, context: Context) -> None:
    flag_booking(
        booking_id=event.reference,
        payment_id=event.payment_id,
        reason=event.type.replace(".", "_"),
    )
