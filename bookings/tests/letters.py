"""What leads to each letter, and what a letter says; Chapa's answers are given, not asked for."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from email.message import EmailMessage
from html import unescape
from typing import Any, Final

from django.db import transaction

from bookings.models import Booking, Mail
from bookings.services.ending import cancel_booking, expire_hold
from bookings.tests.cast import START, payment_for
from bookings.tests.factories import BookingFactory
from bookings.tests.mail_server import Postbox
from events.base import Group
from events.delivery import drain_group
from payments.services.deciding import resolve_refund
from payments.services.refund_rows import fail_refund, give_up_looking, lock_refund
from payments.services.refunds import request_operator_refund
from payments.services.seeding import Outcome
from payments.services.status import Payment, Refund
from payments.tests.cast import answer_about, write

HOUR: Final = timedelta(hours=1)
PERSON: Final = "user:1"


def deliver(at: datetime = START) -> None:
    """Let bookings act and mails go; Chapa is not asked for anything."""
    for group in (Group.CORE, Group.MAIL):
        drain_group(group, lambda: at)


def hear(payment: Payment, outcome: Outcome, at: datetime = START, **changed: Any) -> None:
    """Let Chapa say something of a payment, and bookings act on it."""
    said = {"reference": f"AP{payment.id.hex[-10:]}"} | changed
    write(answer_about(payment, outcome, asked_at=at, **said), at=at)
    drain_group(Group.CORE, lambda: at)
    payment.refresh_from_db()


def pay(booking: Booking, at: datetime = START, **changed: Any) -> Payment:
    payment = payment_for(booking)
    hear(payment, Outcome.PAID, at, **changed)
    booking.refresh_from_db()
    return payment


def pay_too_little(booking: Booking) -> Payment:
    return pay(booking, amount=Decimal("3699.00"))


def expire(booking: Booking) -> None:
    assert expire_hold(booking_id=booking.id, at=START + HOUR) == "expired"


def cancel(booking: Booking, at: datetime = START) -> None:
    cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=at)


def pay_and_cancel(booking: Booking, at: datetime = START) -> Refund:
    pay(booking)
    cancel(booking, at)
    return Refund.objects.get(payment__reference=booking.id)


def pay_twice(booking: Booking) -> Refund:
    pay(booking)
    return Refund.objects.get(payment=pay(booking))


def order_back(payment: Payment, amount: str | None = None) -> Refund:
    return request_operator_refund(
        payment_id=payment.id,
        amount=None if amount is None else Decimal(amount),
        reason="the boiler of Mr Haile",
        person=PERSON,
        at=START,
    )


def fail(refund: Refund, reason: str = "refund_refused_in_test_mode") -> None:
    with transaction.atomic():
        fail_refund(lock_refund(refund.id), reason, START)


def delay(refund: Refund) -> None:
    """Let the last look at it pass without an end."""
    Refund.objects.filter(id=refund.id).update(state="submitted", submitted_at=START)
    with transaction.atomic():
        give_up_looking(lock_refund(refund.id), START)


def end(refund: Refund, *, sent: bool = True) -> None:
    """Let an operator say what became of it."""
    resolve_refund(refund_id=refund.id, sent=sent, reason="by bank", person=PERSON, at=START)


def held(**values: Any) -> Booking:
    return BookingFactory.create(created_at=START, **values)


#: For each kind, one way to it that nothing has overtaken.
WAYS: Final[dict[str, Callable[[Booking], Any]]] = {
    "confirmation": pay,
    "expired": expire,
    "cancelled": cancel,
    "in_review": pay_too_little,
    "refund_ordered": pay_twice,
    "refund_failed": lambda booking: fail(pay_twice(booking)),
    "refunded": lambda booking: end(pay_twice(booking)),
    "reversed": lambda booking: hear(pay(booking), Outcome.REVERSED),
}


def part(letter: EmailMessage, kind: str) -> str:
    found = letter.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def kinds(postbox: Postbox) -> list[str]:
    """Return of which kinds the letters are that came, in their order."""
    return [str(letter["Message-ID"])[1:].partition(".")[0] for letter in postbox.letters]


def last(postbox: Postbox) -> str:
    return said(postbox.letters[-1])


def skipped() -> list[str]:
    return list(Mail.objects.filter(state="skipped").order_by("id").values_list("kind", flat=True))


def said(letter: EmailMessage) -> str:
    """Return what a letter says, without its lines; its HTML must say the same."""
    text = " ".join(part(letter, "plain").split())
    shown = re.sub(r"<(head)>.*?</\1>|<[^>]*>", " ", part(letter, "html"), flags=re.DOTALL)
    html = " ".join(unescape(shown).split())
    for sentence in re.split(r"(?<=[.:]) ", text.removesuffix("Guzo").strip()):
        assert all(word in html for word in sentence.split()), sentence
    return text
