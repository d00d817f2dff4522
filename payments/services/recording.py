"""The rows that settling writes, under the payment's lock: status, ledger, ends of refunds."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least

from core.money import Money
from events.outbox import record
from payments import states
from payments.events import PaymentCancelled
from payments.models import GatewayCall, LedgerEntry, Payment, Refund

log = structlog.get_logger(__name__)

#: Of an order that Chapa refused so: some of the money went, and whether as this order is unknown.
MORE_THAN_IS_LEFT = "more_than_is_left"


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


def keep_reference(payment: Payment, reference: str) -> None:
    # Whichever answer brings it: without it the money could not be sent back, nor found in the
    # list. Not before there is money: each try on Chapa's page may have a reference of its own.
    if reference and payment.gateway_reference is None and not is_of_another(reference):
        Payment.objects.filter(id=payment.id).update(gateway_reference=reference)


def is_of_another(reference: str) -> bool:
    return bool(reference) and Payment.objects.filter(gateway_reference=reference).exists()


@dataclass(frozen=True)
class Decision:
    """A person's word, where no call proves what happened; `person` is a role and an id."""

    person: str
    reason: str


def enter(
    payment: Payment,
    kind: LedgerEntry.Kind,
    money: Money,
    proof: GatewayCall | Decision,
    at: datetime,
    refund: Refund | None = None,
) -> None:
    """Add to the ledger: nothing is ever changed in it."""
    decision = proof if isinstance(proof, Decision) else Decision("", "")
    LedgerEntry.objects.create(
        payment=payment,
        kind=kind,
        amount=money.amount,
        currency=money.currency,
        gateway_call=proof if isinstance(proof, GatewayCall) else None,
        person=decision.person,
        reason=decision.reason,
        refund=refund,
        recorded_at=at,
    )


def note_external_refund(payment: Payment, left: Money, at: datetime) -> bool:
    """
    Write down what went back without an order of ours; return whether all of the money is gone.

    What verify says of a payment of which a part went back is known to nobody. So `refunded` beside
    orders of ours for less than all of it may mean those alone: then a person decides. And one that
    Chapa was not asked for yet explains nothing: it is asked for, and Chapa says what is left.
    """
    external = Refund.Source.EXTERNAL
    ours = list(payment.refunds.exclude(state=Refund.State.FAILED).exclude(source=external))
    if any(_explains_all(refund) for refund in ours):
        return True
    unordered = payment.captured_amount - sum((refund.amount for refund in ours), Decimal(0))
    if unordered <= 0 or payment.refunds.filter(source=external).exists():
        return False
    Refund.objects.create(
        payment=payment,
        amount=unordered,
        currency=left.currency,
        source=external,
        state=Refund.State.UNKNOWN if ours else Refund.State.SUCCEEDED,
        reason="made_elsewhere",
        requested_at=at,
        settled_at=None if ours else at,
    )
    if ours:
        log.error("refund.external_unknown", payment_id=str(payment.id))
    return not ours


def _explains_all(refund: Refund) -> bool:
    """Whether Chapa may have sent all of the payment back for this order alone."""
    asked = refund.state != Refund.State.REQUESTED
    refused = refund.failure_reason == MORE_THAN_IS_LEFT
    return asked and not refused and refund.amount == refund.payment.captured_amount


def hint_refunds(payment: Payment, at: datetime) -> None:
    """Look at what is on its way back of a payment now: there was news of it."""
    payment.refunds.filter(state__in=Refund.IN_FLIGHT, submitted_at__isnull=False).update(
        next_check_at=Least(Coalesce(F("next_check_at"), at), at)
    )


def close_refunds(payment: Payment, *, sent: bool, at: datetime) -> None:
    """
    All of the money is gone: what was ordered back either went with it or cannot go any more.

    Unless it was `sent`, an order that Chapa has is looked at to its end: it may go as well.
    """
    if sent:
        ended = payment.refunds.filter(state__in=Refund.IN_FLIGHT)
        ended.update(
            state=Refund.State.SUCCEEDED, failure_reason="", settled_at=at, next_check_at=None
        )
        return
    payment.refunds.filter(
        Q(state=Refund.State.REQUESTED)
        | Q(state=Refund.State.UNKNOWN, source=Refund.Source.EXTERNAL)
    ).update(state=Refund.State.FAILED, failure_reason="payment_reversed", settled_at=at)


def cancel_pending(payment: Payment, *, reason: str, at: datetime) -> None:
    """Give up a locked pending payment. It stays watched: money may still come."""
    payment.failure_reason = reason
    move(payment, states.CANCELLED)
    Payment.objects.filter(id=payment.id).update(next_check_at=at)
    record(
        PaymentCancelled(payment_id=payment.id, reference=payment.reference, reason=reason), at=at
    )
