"""A person asks about a payment."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from core.errors import TooMany
from core.models import User
from payments.models import GatewayCall, Payment
from payments.services.breaker import GatewayUnavailable, key_refused_for
from payments.services.checkout import waiting_slot
from payments.services.settling import PaymentUnknown, settle_payment
from payments.settlement import NoAnswer

SPACING = timedelta(seconds=5)
PATIENCE = timedelta(seconds=10)


class AskedTooOften(TooMany):
    """Chapa was asked about this payment a moment ago."""

    code = "asked_too_often"


def get_payment(*, payment_id: UUID, owner: User) -> Payment:
    """:raises PaymentUnknown: if there is none, or it is someone else's: nobody learns which."""
    payment = Payment.objects.filter(id=payment_id, payer=owner).first()
    if payment is None:
        raise PaymentUnknown
    return payment


def verify_payment(*, payment_id: UUID, owner: User, at: datetime) -> Payment:
    """
    Ask Chapa now, write down what it says, return the payment as it then is.

    :raises PaymentUnknown: if the owner has no such payment.
    :raises AskedTooOften: within 5 s of the last time that Chapa was asked, answer or not.
    :raises PaymentBusy: while someone else is asking.
    :raises GatewayUnavailable: if Chapa gives no answer, is away or refuses our key, or too many
        are waiting for it; nothing is changed by that.
    """
    payment = get_payment(payment_id=payment_id, owner=owner)
    asks = payment.gateway_calls.filter(kind=GatewayCall.Kind.VERIFY)
    last = asks.order_by("-asked_at").first()
    if last is not None and at < last.asked_at + SPACING:
        raise AskedTooOften(retry_after=last.asked_at + SPACING - at)
    if (wait := key_refused_for(at)) is not None:
        raise GatewayUnavailable("Nothing has changed. Try again later.", retry_after=wait)
    with waiting_slot(at) as may_wait:
        # Once more at the lease: two requests may have found the last answer old enough.
        spaced = Q(asked_at__isnull=True) | Q(asked_at__lte=at - SPACING)
        if not may_wait or isinstance(
            settle_payment(payment_id=payment_id, at=at, only_if=spaced), NoAnswer
        ):
            raise GatewayUnavailable("Nothing has changed. Try again.", retry_after=PATIENCE)
    return get_payment(payment_id=payment_id, owner=owner)
