"""The letters bookings write."""

import smtplib
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string

from bookings.models import Booking, Mail
from core.failpoints import failpoint
from core.transactions import refuse_network_in_transaction
from events.base import PermanentFailure, Uncertain

# The server said no to the letter: it is not on its way, and may be tried again.
_NOT_TAKEN = (smtplib.SMTPSenderRefused, smtplib.SMTPDataError)


def queue_mail(
    *, event_id: int, generation: int, kind: Mail.Kind, booking: Booking, at: datetime
) -> Mail:
    """Return the one mail of this event, kind and generation."""
    again = f".{generation}" if generation else ""
    mail, _ = Mail.objects.get_or_create(
        event_id=event_id,
        kind=kind,
        generation=generation,
        defaults={
            "booking": booking,
            "message_id": f"<{kind}.{event_id}{again}.{booking.id.hex[:12]}@{_domain()}>",
            "created_at": at,
        },
    )
    return mail


def send_mail(mail: Mail) -> None:
    """
    Hand one letter to the mail server.

    :raises PermanentFailure: if no server will ever take it for this address.
    :raises MailNotTaken: if it was not taken, but may be later.
    :raises Uncertain: if it may have been taken and we did not hear.
    """
    refuse_network_in_transaction()
    letter = _letter(mail)
    letter.connection = connection = get_connection()
    try:
        connection.open()
    except OSError as away:
        raise MailNotTaken(type(away).__name__) from None
    with connection:
        Mail.objects.filter(id=mail.id).update(state=Mail.State.SENDING)
        failpoint("mail.sending")
        try:
            letter.send()
        except (smtplib.SMTPRecipientsRefused, *_NOT_TAKEN) as no:
            Mail.objects.filter(id=mail.id).update(state=Mail.State.QUEUED)
            raise _not_taken(no) from None
        except (OSError, smtplib.SMTPException) as unclear:
            raise Uncertain(type(unclear).__name__) from None


def _not_taken(no: smtplib.SMTPException) -> Exception:
    """Codes of 500 and up are for good (RFC 5321, 4.2.1); the texts beside them name people."""
    refused = no.recipients.values() if isinstance(no, smtplib.SMTPRecipientsRefused) else ()
    if refused and all(code >= 500 for code, _ in refused):
        return PermanentFailure("the address was refused")
    return MailNotTaken(type(no).__name__)


class MailNotTaken(Exception):
    """The mail server is away, or said not now."""


def _letter(mail: Mail) -> EmailMultiAlternatives:
    booking = mail.booking
    values = {
        "booking": booking,
        "listing": booking.listing,
        "traveller": booking.traveller,
        "host": booking.listing.host,
    }
    letter = EmailMultiAlternatives(
        subject=f"Your stay is confirmed: {_one_line(booking.listing.name)} ({booking.code})",
        body=render_to_string("bookings/mails/confirmation.txt", values),
        to=[booking.traveller.email],
        headers={"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"},
    )
    letter.attach_alternative(
        render_to_string("bookings/mails/confirmation.html", values), "text/html"
    )
    return letter


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _domain() -> str:
    return urlsplit(settings.PUBLIC_URL).hostname or "guzo.local"
