"""Order money back; payments/services/refunding.py carries orders out."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Sum

from core.errors import Conflict, Invalid, ReasonMissing
from core.idempotency import RequestKey, find_resource, remember_resource
from core.money import CENTS, Money
from events.outbox import record
from payments import states
from payments.chapa.wire.reading import read_number
from payments.events import RefundRequested
from payments.models import LedgerEntry, Payment, Refund
from payments.services.recording import cancel_pending, captured
from payments.services.settling import PaymentUnknown

log = structlog.get_logger(__name__)

REASON_LENGTH = 80


class RefundOfNothing(Invalid):
    """A refund must be of more than nothing."""

    code = "refund_of_nothing"


class RefundTooLarge(Conflict):
    """More would go back than is left."""

    code = "refund_too_large"


class RefundInParts(Conflict):
    """A payment in review goes back whole or not at all."""

    code = "refund_in_parts"


def request_system_refund(payment: Payment, *, reason: str, at: datetime) -> Refund:
    """
    Order all that is left of a locked payment back, once however often it is asked for.

    :raises RefundTooLarge: if nothing is left of it.
    """
    earlier = (
        payment.refunds.filter(source=Refund.Source.SYSTEM)
        .exclude(state=Refund.State.FAILED)
        .first()
    )
    if earlier is not None:
        return earlier
    left = left_of(payment)
    if left.amount <= 0:
        raise RefundTooLarge("Nothing is left to send back.")
    return _request(payment, left, Refund.Source.SYSTEM, reason, at)


def request_customer_refund(payment: Payment, money: Money, *, reason: str, at: datetime) -> Refund:
    """
    Order part of a locked payment back for its payer.

    :raises RefundTooLarge: if less than that is left of it.
    """
    if money.amount > left_of(payment).amount:
        raise RefundTooLarge("More would go back than is left.")
    return _request(payment, money, Refund.Source.CUSTOMER, reason, at)


def request_operator_refund(
    *, payment_id: UUID, amount: Decimal | None = None, reason: str, person: str, at: datetime
) -> Refund:
    """
    Order money back for an operator: `amount` in the currency that arrived, or all that is left.

    :raises PaymentUnknown: if there is no such payment.
    :raises ReasonMissing: if no reason is given.
    :raises RefundOfNothing: if the amount is not above zero.
    :raises RefundTooLarge: if less than that is left of it, or nothing.
    :raises RefundInParts: if part of a payment in review is to go back: it is judged as one.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update().filter(id=payment_id).first()
        if payment is None:
            raise PaymentUnknown
        if not reason.strip():
            raise ReasonMissing("Say why the money goes back.")
        if amount is not None and amount <= 0:
            raise RefundOfNothing(pointers={"/amount": "More than nothing."})
        left = left_of(payment)
        wanted = left if amount is None else Money(amount, left.currency)
        if not 0 < wanted.amount <= left.amount:
            raise RefundTooLarge(f"{left} is left of it.")
        if payment.status == states.IN_REVIEW and wanted != captured(payment):
            raise RefundInParts("Send all of it back, or accept it first.")
        return _request(payment, wanted, Refund.Source.OPERATOR, reason, at, person)


def request_operator_refund_once(
    *,
    principal: UUID,
    request_key: RequestKey,
    payment_id: UUID,
    amount: Decimal | None = None,
    reason: str,
    person: str,
    at: datetime,
) -> Refund:
    """
    Order as `request_operator_refund` does; with the same key, return what the first one ordered.

    :raises IdempotencyKeyReused: if the key made something else.
    """
    key, fingerprint = request_key.key, request_key.fingerprint
    with transaction.atomic():
        made = find_resource(principal=principal, key=key, fingerprint=fingerprint)
        if made is not None:
            return Refund.objects.get(id=made)
        refund = request_operator_refund(
            payment_id=payment_id, amount=amount, reason=reason, person=person, at=at
        )
        remember_resource(
            principal=principal, key=key, fingerprint=fingerprint, resource_id=refund.id, at=at
        )
        return refund


@dataclass(frozen=True)
class Preview:
    """What a refund would mean: Chapa keeps its fee, so `fee_kept` is lost; None if unknown."""

    captured: Money
    refunded: Money
    left: Money
    fee_kept: Money | None
    refunds: list[Refund]


def preview_refund(*, payment_id: UUID) -> Preview:
    """:raises PaymentUnknown: if there is no such payment."""
    payment = Payment.objects.filter(id=payment_id).first()
    if payment is None:
        raise PaymentUnknown
    left = left_of(payment)
    return Preview(
        captured=Money(payment.captured_amount, left.currency),
        refunded=Money(payment.refunded_amount, left.currency),
        left=left,
        fee_kept=_fee_of(payment, left.currency),
        refunds=list(payment.refunds.order_by("requested_at", "id")),
    )


def _fee_of(payment: Payment, currency: str) -> Money | None:
    entry = payment.ledger.filter(kind=LedgerEntry.Kind.CAPTURE).first()
    said = entry.gateway_call.evidence.get("data") if entry and entry.gateway_call else None
    fee = read_number(str(said.get("charge"))) if isinstance(said, dict) else None
    return None if fee is None else Money(fee.quantize(CENTS, ROUND_HALF_UP), currency)


def left_of(payment: Payment) -> Money:
    """Return what arrived, less what went back or is ordered to, in the currency it came in."""
    return Money(_amount_left(payment), arrived_of(payment).currency)


def arrived_of(payment: Payment) -> Money:
    """Return what arrived, in the currency it came in; zero if nothing did."""
    entry = payment.ledger.filter(kind=LedgerEntry.Kind.CAPTURE).first()
    return Money(payment.captured_amount, entry.currency if entry else payment.currency)


def pays(payment: Payment) -> bool:
    """Whether a locked payment is paid, and not all of its money is ordered back."""
    return payment.is_paid and _amount_left(payment) > 0


def is_whole(payment: Payment) -> bool:
    """Whether a locked payment is paid, and nobody ever ordered any of its money back."""
    return payment.is_paid and not payment.refunds.exists()


def _amount_left(payment: Payment) -> Decimal:
    counted = payment.refunds.exclude(state=Refund.State.FAILED).aggregate(sum=Sum("amount"))
    return payment.captured_amount - max(payment.refunded_amount, counted["sum"] or Decimal(0))


def _request(
    payment: Payment,
    money: Money,
    source: Refund.Source,
    reason: str,
    at: datetime,
    person: str = "",
) -> Refund:
    refund = Refund.objects.create(
        payment=payment,
        amount=money.amount,
        currency=money.currency,
        source=source,
        reason=reason[:REASON_LENGTH],
        requested_by=person,
        requested_at=at,
    )
    record(
        RefundRequested(
            payment_id=payment.id,
            reference=payment.reference,
            refund_id=refund.id,
            amount=money,
            reason=reason,
        ),
        at=at,
    )
    log.warning("refund.requested", payment_id=str(payment.id), source=source.value)
    return refund


def cancel_open_payments(payments: list[Payment], *, reason: str, at: datetime) -> None:
    """Give up the pending ones of locked payments; the event's handler closes their links."""
    for payment in payments:
        if payment.status == states.PENDING:
            cancel_pending(payment, reason=reason, at=at)
