"""What bookings do about events."""

from bookings.events import BookingCancelled, BookingConfirmed, BookingExpired
from bookings.services.attention import flag_booking
from bookings.services.giving_back import order_rest
from bookings.services.paying import apply_payment
from events.base import Context, Outbound, Repeat, RetryAfter
from events.retry import patience
from payments.events import PaymentRefunded, PaymentReversed, PaymentSucceeded, RefundFailed
from payments.services import closing
from payments.services.breaker import wait_for_chapa


def confirm_paid_booking(event: PaymentSucceeded, context: Context) -> None:
    apply_payment(booking_id=event.reference, payment_id=event.payment_id, at=context.at)


def flag_unpaid_booking(event: PaymentReversed | PaymentRefunded, context: Context) -> None:
    flag_booking(
        booking_id=event.reference,
        payment_id=event.payment_id,
        reason=event.type.replace(".", "_"),
    )


def order_what_terms_still_owe(event: RefundFailed, context: Context) -> None:
    order_rest(booking_id=event.reference, payment_id=event.payment_id, at=context.at)


def _ask_close(
    event: BookingConfirmed | BookingExpired | BookingCancelled, context: Context
) -> None:
    """Ends by itself: an hour after it was opened no link can be paid any more."""
    if not closing.has_failed_links(event.booking_id, at=context.at):
        return
    wait_for_chapa(context)
    if not closing.close_failed_links(event.booking_id, at=context.at):
        raise RetryAfter(patience(context.age), "a link may live")


#: For what ends the wait for money: nobody shall pay on the page of a try that had failed.
close_failed_links = Outbound(
    name="close_failed_links",
    ask=_ask_close,
    write=lambda event, answer, context: None,
    repeat=Repeat.FREELY,
)
