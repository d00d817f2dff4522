"""Order money back. Until refunds are spoken with Chapa, an order waits in front of a person."""

from datetime import datetime
from decimal import Decimal

import structlog
from django.db.models import Sum

from core.errors import Conflict
from core.money import Money
from events.outbox import record
from payments import states
from payments.events import RefundRequested
from payments.models import Payment, Refund
from payments.services.recording import cancel_pending

log = structlog.get_logger(__name__)


class RefundTooLarge(Conflict):
    """More would go back than has arrived."""

    code = "refund_too_large"


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


def left_of(payment: Payment) -> Money:
    """Return what arrived, less what went back or is ordered to."""
    counted = payment.refunds.exclude(state=Refund.State.FAILED).aggregate(sum=Sum("amount"))
    gone = max(payment.refunded_amount, counted["sum"] or Decimal(0))
    return Money(payment.captured_amount - gone, payment.currency)


def _request(
    payment: Payment, money: Money, source: Refund.Source, reason: str, at: datetime
) -> Refund:
    refund = Refund.objects.create(
        payment=payment,
        amount=money.amount,
        currency=money.currency,
        source=source,
        reason=reason,
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
    log.warning("refund.requested", payment_id=str(payment.id), reason=reason)
    return refund


def cancel_open_payments(payments: list[Payment], *, reason: str, at: datetime) -> None:
    """Give up the pending ones of locked payments; the event's handler closes their links."""
    for payment in payments:
        if payment.status == states.PENDING:
            cancel_pending(payment, reason=reason, at=at)
