"""Close checkout links at Chapa, and give up payments."""

from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import F, Q, QuerySet

from events.outbox import record
from payments import gateway, states
from payments.chapa.wire import Closing
from payments.events import PaymentExpired
from payments.models import Payment
from payments.services.leasing import PaymentBusy
from payments.services.settling import settle_payment
from payments.settlement import NoAnswer

# How long after it was opened a link can still be paid: Chapa's longest dashboard setting.
LINK_LIFE = timedelta(minutes=60)
#: After these a link may live.
LEFT_OPEN = (Closing.UNKNOWN, Closing.CONFIG_ERROR)
_GIVEN_UP = (states.FAILED, states.CANCELLED, states.EXPIRED)


class Silence(StrEnum):
    """What Chapa left open."""

    NO_VERIFICATION = "no_verification"
    LINK_MAY_LIVE = "link_may_live"


def still_payable(at: datetime) -> Q:
    """Return which payments were given up here, and can still be paid at Chapa."""
    return _given_up_lately(at) & Q(link_closed_at__isnull=True)


def may_bring_money(at: datetime) -> Q:
    """
    Return which payments without money may have some by now, or may still get some.

    One that was given up may not once its link is closed and Chapa was asked since: after the
    closing, and after the newest hint.
    """
    closed_unasked = _given_up_lately(at) & _not_asked_since("link_closed_at")
    hinted_unasked = Q(status__in=_GIVEN_UP) & _not_asked_since("hinted_at")
    return Q(status=states.PENDING) | still_payable(at) | closed_unasked | hinted_unasked


def close_checkout(*, payment_id: UUID, at: datetime) -> Silence | None:
    """
    Close a payment's link at Chapa and ask once more what became of it.

    Afterwards the payment's own status tells whether money arrived. Returns why Chapa's silence
    leaves that open, or None if it answered.

    :raises PaymentBusy: if someone is asking already.
    """
    payment = Payment.objects.get(id=payment_id)
    closing = Closing.ALREADY_CLOSED if payment.link_closed_at else close_link(payment, at)
    verdict = settle_payment(payment_id=payment_id, at=at)
    if isinstance(verdict, NoAnswer):
        return Silence.NO_VERIFICATION
    if closing in LEFT_OPEN:
        return Silence.LINK_MAY_LIVE
    return None


def close_link(payment: Payment, at: datetime) -> Closing:
    """Close a link at Chapa. One that it does not know is not closed: it may still be opening."""
    closing = gateway.cancel(payment, at).closing
    if closing in (Closing.CLOSED, Closing.ALREADY_CLOSED):
        Payment.objects.filter(id=payment.id).update(link_closed_at=at)
    return closing


def close_older_checkouts(payment: Payment, at: datetime) -> None:
    """
    Close what was given up of the payment's reference, and ask whether it was paid meanwhile.

    Chapa closes no link that is paid, nor says so. What it leaves open stops nobody.
    """
    older = Payment.objects.filter(may_bring_money(at), reference=payment.reference)
    for each in older.exclude(id=payment.id).order_by("-created_at"):
        with suppress(PaymentBusy):
            if close_checkout(payment_id=each.id, at=at) is Silence.NO_VERIFICATION:
                return


def has_failed_links(reference: UUID, *, at: datetime) -> bool:
    """Return whether tries that failed can still be paid. Others given up have their own event."""
    return _failed_links(reference, at).exists()


def close_failed_links(reference: UUID, *, at: datetime) -> bool:
    """Close them, until Chapa leaves one open; return whether it answered about each."""
    return all(close_link(payment, at) not in LEFT_OPEN for payment in _failed_links(reference, at))


def expire_payment(*, payment_id: UUID, at: datetime) -> None:
    """Give up a pending payment because what it paid for is released, in that same transaction."""
    payment = Payment.objects.select_for_update().get(id=payment_id)
    if not Payment.objects.filter(id=payment_id, status=states.PENDING).update(
        status=states.EXPIRED
    ):
        return
    record(PaymentExpired(payment_id=payment.id, reference=payment.reference), at=at)


def _failed_links(reference: UUID, at: datetime) -> QuerySet[Payment]:
    return Payment.objects.filter(still_payable(at), reference=reference, status=states.FAILED)


def _given_up_lately(at: datetime) -> Q:
    opened = Q(opened_at__gt=at - LINK_LIFE) & ~Q(checkout_url="")
    return opened & Q(status__in=_GIVEN_UP)


def _not_asked_since(moment: str) -> Q:
    happened = Q(**{f"{moment}__isnull": False})
    return happened & (Q(asked_at__isnull=True) | Q(asked_at__lt=F(moment)))
