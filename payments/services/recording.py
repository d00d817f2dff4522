"""The rows that settling writes, under the payment's lock: status, ledger, ends of refunds."""

from datetime import datetime

from core.money import Money
from events.outbox import record
from payments import states
from payments.events import PaymentCancelled
from payments.models import GatewayCall, LedgerEntry, Payment, Refund


def move(payment: Payment, target: str) -> None:
    """Change the status by compare-and-set; the row is locked, the table decides."""
    moved = Payment.objects.filter(id=payment.id, status__in=states.sources_of(target)).update(
        status=target
    )
    if not moved:
        raise RuntimeError(f"payment {payment.id} cannot become {target} from {payment.status}")
    payment.status = target
    payment.save(
        update_fields=[
            "failure_reason",
            "gateway_reference",
            "captured_amount",
            "refunded_amount",
            "settled_at",
        ]
    )


def capture(payment: Payment, arrived: Money, call: GatewayCall, at: datetime) -> None:
    enter(payment, LedgerEntry.Kind.CAPTURE, arrived, call, at)
    payment.captured_amount = arrived.amount
    payment.settled_at = at


def captured(payment: Payment) -> Money:
    """Return what arrived, in the currency that it arrived in."""
    entry = payment.ledger.get(kind=LedgerEntry.Kind.CAPTURE)
    return Money(entry.amount, entry.currency)


def enter(
    payment: Payment, kind: LedgerEntry.Kind, money: Money, call: GatewayCall, at: datetime
) -> None:
    LedgerEntry.objects.create(
        payment=payment,
        kind=kind,
        amount=money.amount,
        currency=money.currency,
        gateway_call=call,
        recorded_at=at,
    )


def close_refunds(payment: Payment, *, sent: bool) -> None:
    """All of the money is gone: what was ordered back either went with it or cannot go any more."""
    payment.refunds.exclude(state=Refund.State.FAILED).update(
        state=Refund.State.SUCCEEDED if sent else Refund.State.FAILED
    )


def cancel_pending(payment: Payment, *, reason: str, at: datetime) -> None:
    """Give up a locked pending payment. It stays watched: money may still come."""
    payment.failure_reason = reason
    move(payment, states.CANCELLED)
    Payment.objects.filter(id=payment.id).update(next_check_at=at)
    record(
        PaymentCancelled(payment_id=payment.id, reference=payment.reference, reason=reason), at=at
    )
