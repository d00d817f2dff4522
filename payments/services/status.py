"""Payments, and orders to send them back, to look at: for the rooms above."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Min, OuterRef, QuerySet, Subquery

from payments.chapa.wire import Opening, Outcome
from payments.models import GatewayCall, LedgerEntry, Payment, Refund
from payments.services import closing

__all__ = [
    "Payment",
    "Refund",
    "all_for",
    "failed_before",
    "get",
    "get_refund",
    "held_up",
    "is_hinted_since_refusal",
    "is_unanswered",
    "may_bring_money",
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
_NO = (Outcome.FAILED, Outcome.CANCELLED)
_QUESTIONS = (GatewayCall.Kind.INITIALIZE, GatewayCall.Kind.VERIFY)


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


def is_hinted_since_refusal(payment: Payment) -> bool:
    """Return whether somebody said that there is news after Chapa had first said no."""
    said_no = payment.gateway_calls.filter(kind=GatewayCall.Kind.VERIFY, outcome__in=_NO)
    first = said_no.order_by("id").values_list("asked_at", flat=True).first()
    return payment.hinted_at is not None and (first is None or first < payment.hinted_at)


def may_bring_money(reference: UUID, *, at: datetime) -> set[UUID]:
    """Return which payments of a reference have no money, and may have some by now, or later."""
    return set(
        payments_for(reference).filter(closing.may_bring_money(at)).values_list("id", flat=True)
    )


def held_up(references: QuerySet[Any], *, is_away: bool, at: datetime) -> dict[UUID, datetime]:
    """
    Return which of these Chapa's silence holds up: while it `is_away`, each whose payment may bring
    money, else those where it left the newest question about one without an answer. Each with when
    its first payment was to expire.
    """
    calls = GatewayCall.objects.filter(payment=OuterRef("pk"), kind__in=_QUESTIONS)
    open_ones = Payment.objects.filter(closing.may_bring_money(at), reference__in=references)
    if not is_away:
        newest = Subquery(calls.order_by("-id").values("outcome")[:1])
        open_ones = open_ones.alias(newest=newest).filter(newest__in=_UNANSWERED)
    of_them = Payment.objects.filter(reference__in=open_ones.values("reference"))
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
