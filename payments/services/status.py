"""Payments, and orders to send them back, to look at: for the rooms above."""

from datetime import datetime
from uuid import UUID

from django.db.models import Min, OuterRef, QuerySet, Subquery

from payments import states
from payments.chapa.wire import Opening, Outcome
from payments.models import GatewayCall, LedgerEntry, Payment, Refund

__all__ = [
    "Payment",
    "Refund",
    "all_for",
    "failed_before",
    "get",
    "get_refund",
    "held_up",
    "is_unanswered",
    "payments_for",
    "refunds_for",
    "went_back_unordered",
]

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


def get_refund(refund_id: UUID) -> Refund:
    return Refund.objects.select_related("payment").get(id=refund_id)


def refunds_for(reference: UUID) -> QuerySet[Refund]:
    return Refund.objects.filter(payment__reference=reference)


def failed_before(refund: Refund) -> bool:
    """Return whether an earlier order of the same source failed: this one tries again."""
    same = Refund.objects.filter(payment=refund.payment_id, source=refund.source)
    return same.filter(state=Refund.State.FAILED, requested_at__lt=refund.requested_at).exists()


def went_back_unordered(payment: Payment) -> bool:
    """Return whether Chapa said of the payment itself, not of an order of ours, that it went."""
    return payment.ledger.filter(kind=LedgerEntry.Kind.REFUND, refund=None).exists()
