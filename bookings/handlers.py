"""What bookings do about events."""

from bookings.events import BookingConfirmed
from bookings.mails import queue_mail, send_mail
from bookings.models import Booking, Mail
from bookings.services.paying import apply_payment
from events.base import Context, Outbound, Repeat
from payments.events import PaymentSucceeded


def confirm_paid_booking(event: PaymentSucceeded, context: Context) -> None:
    apply_payment(booking_id=event.reference, payment_id=event.payment_id, at=context.at)


def _ask_mail(event: BookingConfirmed, context: Context) -> int | None:
    booking = Booking.objects.select_related("listing__host", "traveller").get(id=event.booking_id)
    mail = queue_mail(
        event_id=context.event_id, kind=Mail.Kind.CONFIRMATION, booking=booking, at=context.at
    )
    if mail.state in (Mail.State.SENT, Mail.State.SKIPPED):
        return None
    if booking.status != Booking.Status.CONFIRMED:
        Mail.objects.filter(id=mail.id).update(state=Mail.State.SKIPPED)
        return None
    mail.booking = booking
    send_mail(mail)
    return mail.id


def _write_mail(event: BookingConfirmed, mail_id: int | None, context: Context) -> None:
    if mail_id is not None:
        Mail.objects.filter(id=mail_id).update(state=Mail.State.SENT, sent_at=context.at)


#: For booking.confirmed. A letter that may have been taken is sent once more under the same
#: Message-ID, by which mail systems tell that it is the same one; then a person decides.
send_confirmation = Outbound(
    name="send_confirmation", ask=_ask_mail, write=_write_mail, repeat=Repeat.ONCE_LATER
)
