"""What bookings do about events."""

from datetime import timedelta

from bookings.events import BookingConfirmed
from bookings.mails import MailNotTaken, queue_mail, send_mail
from bookings.models import Booking, Mail
from bookings.services.paying import apply_payment, flag_booking
from core.failpoints import failpoint
from events.base import Context, Outbound, Repeat, RetryAfter
from events.retry import patience
from payments.events import PaymentRefunded, PaymentReversed, PaymentSucceeded

# A mail server may be away this long before a letter is dead and a person is asked.
MAIL_OUTAGE = timedelta(days=1)


def confirm_paid_booking(event: PaymentSucceeded, context: Context) -> None:
    apply_payment(booking_id=event.reference, payment_id=event.payment_id, at=context.at)


def flag_unpaid_booking(event: PaymentReversed | PaymentRefunded, context: Context) -> None:
    flag_booking(
        booking_id=event.reference,
        payment_id=event.payment_id,
        reason=event.type.replace(".", "_"),
    )


def _ask_mail(event: BookingConfirmed, context: Context) -> None:
    booking = Booking.objects.select_related("listing__host", "traveller").get(id=event.booking_id)
    mail = queue_mail(
        event_id=context.event_id,
        generation=context.generation,
        kind=Mail.Kind.CONFIRMATION,
        booking=booking,
        at=context.at,
    )
    if mail.state in (Mail.State.SENT, Mail.State.SKIPPED):
        return
    if booking.status != Booking.Status.CONFIRMED or booking.traveller.erased_at is not None:
        Mail.objects.filter(id=mail.id).update(state=Mail.State.SKIPPED)
        return
    mail.booking = booking
    try:
        send_mail(mail)
    except MailNotTaken as away:
        age = context.at - context.occurred_at
        if age < MAIL_OUTAGE:
            raise RetryAfter(patience(age), str(away)) from away
        raise
    failpoint("mail.accepted")
    # Evidence, so committed at once: whoever is late to write the receipt must not send it again.
    Mail.objects.filter(id=mail.id).update(state=Mail.State.SENT, sent_at=context.at)
    failpoint("mail.recorded")


#: For booking.confirmed. A letter that may have been taken is sent once more under the same
#: Message-ID, by which mail systems tell that it is the same one; then a person decides.
send_confirmation = Outbound(
    name="send_confirmation",
    ask=_ask_mail,
    write=lambda event, answer, context: None,
    repeat=Repeat.ONCE_LATER,
)
