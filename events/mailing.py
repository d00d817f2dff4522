"""Letters about events: each is sent by an outbound handler, once, under one Message-ID."""

import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import models

from core.failpoints import failpoint
from core.transactions import refuse_network_in_transaction
from events.base import (
    Context,
    DomainEvent,
    Outbound,
    PermanentFailure,
    Repeat,
    RetryAfter,
    Uncertain,
)
from events.retry import patience

# A mail server may be away this long before a letter is dead and a person is asked.
MAIL_OUTAGE = timedelta(days=1)
# The server said no to the letter: it is not on its way, and may be tried again.
_NOT_TAKEN = (smtplib.SMTPSenderRefused, smtplib.SMTPDataError)


class EventMail(models.Model):
    """
    One letter about one event: its Message-ID is the same however often it is sent.

    A rerun of the event that an operator forced is another letter, of its own generation.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        # From here on it may have been accepted, whatever we hear.
        SENDING = "sending", "sending"
        SENT = "sent", "sent"
        SKIPPED = "skipped", "no longer true when its turn came"

    event_id = models.BigIntegerField()
    kind = models.CharField(max_length=16)
    generation = models.PositiveSmallIntegerField(default=0, db_default=0)
    message_id = models.CharField(max_length=120)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event_id", "kind", "generation"],
                name="%(app_label)s_one_mail_per_event_and_kind",
            ),
            models.UniqueConstraint(fields=["message_id"], name="%(app_label)s_message_id_once"),
        ]

    def move(self, state: str, **values: Any) -> None:
        """Write a state down at once, in a commit of its own."""
        type(self)._default_manager.filter(pk=self.pk).update(state=state, **values)


@dataclass(frozen=True)
class Draft:
    """
    What an event asks to be told: the letter, and what its row is about.

    No letter: what it would say is not true any more.
    """

    letter: EmailMessage | None
    about: Mapping[str, Any]


class MailNotTaken(Exception):
    """The mail server is away, or said not now."""


def mailing(
    name: str, rows: type[EventMail], kind: str, draft: Callable[[Any], Draft | None]
) -> Outbound:
    """
    Return the handler that sends letters of one kind.

    `draft` looks when the letter's turn comes; None if the event asks for none. A letter that may
    have been taken is sent once more under the same Message-ID, by which mail systems tell that it
    is the same one; then a person decides.
    """

    def ask(event: DomainEvent, context: Context) -> None:
        drafted = draft(event)
        if drafted is None:
            return
        mail, _ = rows._default_manager.get_or_create(
            event_id=context.event_id,
            kind=kind,
            generation=context.generation,
            defaults={
                **drafted.about,
                "message_id": _message_id(kind, event, context),
                "created_at": context.at,
            },
        )
        if mail.state in (mail.State.SENT, mail.State.SKIPPED):
            return
        if drafted.letter is None:
            mail.move(mail.State.SKIPPED)
            return
        _send(drafted.letter, mail, context)

    return Outbound(
        name=name, ask=ask, write=lambda event, answer, context: None, repeat=Repeat.ONCE_LATER
    )


def one_line(text: str) -> str:
    """Return what people wrote as a header may hold it."""
    return " ".join(text.split())


def _send(letter: EmailMessage, mail: EventMail, context: Context) -> None:
    letter.extra_headers |= {"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated"}
    try:
        _hand_over(letter, mail)
    except MailNotTaken as away:
        if context.age < MAIL_OUTAGE:
            raise RetryAfter(patience(context.age), str(away)) from away
        raise
    failpoint("mail.accepted")
    # Evidence, so committed at once: whoever is late to write the receipt must not send it again.
    mail.move(mail.State.SENT, sent_at=context.at)
    failpoint("mail.recorded")


def _hand_over(letter: EmailMessage, mail: EventMail) -> None:
    """
    Hand one letter to the mail server.

    :raises PermanentFailure: if no server will ever take it for this address.
    :raises MailNotTaken: if it was not taken, but may be later.
    :raises Uncertain: if it may have been taken and we did not hear.
    """
    refuse_network_in_transaction()
    letter.connection = connection = get_connection()
    try:
        connection.open()
    except OSError as away:
        raise MailNotTaken(type(away).__name__) from None
    with connection:
        mail.move(mail.State.SENDING)
        failpoint("mail.sending")
        try:
            letter.send()
        except (smtplib.SMTPRecipientsRefused, *_NOT_TAKEN) as no:
            mail.move(mail.State.QUEUED)
            raise _not_taken(no) from None
        except (OSError, smtplib.SMTPException) as unclear:
            raise Uncertain(type(unclear).__name__) from None


def _not_taken(no: smtplib.SMTPException) -> Exception:
    """Codes of 500 and up are for good (RFC 5321, 4.2.1); the texts beside them name people."""
    refused = no.recipients.values() if isinstance(no, smtplib.SMTPRecipientsRefused) else ()
    if refused and all(code >= 500 for code, _ in refused):
        return PermanentFailure("the address was refused")
    return MailNotTaken(type(no).__name__)


def _message_id(kind: str, event: DomainEvent, context: Context) -> str:
    again = f".{context.generation}" if context.generation else ""
    # Ids of events begin anew in another database, those of subjects do not.
    subject = event.subject.partition(":")[2].replace("-", "")[:12]
    domain = urlsplit(settings.PUBLIC_URL).hostname or "guzo.local"
    return f"<{kind}.{context.event_id}{again}.{subject}@{domain}>"
