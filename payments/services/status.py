"""Payments to look at, for the rooms above."""

from datetime import datetime
from uuid import UUID

from django.db.models import Min, OuterRef, QuerySet, Subquery

from payments import states
from payments.chapa.wire import Opening, Outcome
from payments.models import GatewayCall, Payment

__all__ = ["Payment", "all_for", "get", "held_up", "is_unanswered", "payments_for"]

_UNANSWERED = (
    Outcome.TRANSIENT,
    Outcome.UNRECOGNISED,
    Outcome.CONFIG_ERROR,
    Opening.UNKNOWN,
)


def get(payment_id: UUID) -> Payment:
    return Payment.objects.get(id=payment_id)


def payments_for(reference: UUID) -> QuerySet[Payment]:
    return Payment.objects.filter(reference=reference)


def all_for(reference: UUID) -> list[Payment]:
    """Return every payment of a reference, oldest first."""
    return list(payments_for(reference).order_by("created_at", "id"))


def is_unanswered(payment: Payment) -> bool:
    """Return whether Chapa left the newest question about a payment without an answer."""
    newest = payment.gateway_calls.order_by("-id").values_list("outcome", flat=True).first()
    return newest in _UNANSWERED


def held_up(*, is_away: bool) -> dict[UUID, datetime]:
    """
    Return what pending payments are for that Chapa's silence holds up: all of them while it
    `is_away`, else those of which it left the newest question without an answer. Each with when
    its first payment was to expire.
    """
    newest = GatewayCall.objects.filter(payment=OuterRef("pk")).order_by("-id").values("outcome")
    pending = Payment.objects.filter(status=states.PENDING)
    if not is_away:
        pending = pending.alias(newest=Subquery(newest[:1])).filter(newest__in=_UNANSWERED)
    of_them = Payment.objects.filter(reference__in=pending.values("reference"))
    return dict(of_them.values_list("reference").annotate(first=Min("expires_at")))
