"""Payments of a demonstration: Chapa's answers are made up, what follows from them is real."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings

from core.causality import current_cause
from core.errors import Conflict
from payments.chapa.wire import Outcome, Verification
from payments.models import GatewayCall, Payment, Refund
from payments.services.leasing import take_lease
from payments.services.settling import Answer, write_answer

__all__ = ["MoneyIsReal", "Outcome", "refuse_real_money", "stop_watching", "write_made_up_answer"]

MADE_UP: dict[str, object] = {"seeded": True}


class MoneyIsReal(Conflict):
    """Payments are not made up where money is real."""

    code = "money_is_real"


def refuse_real_money() -> None:
    """:raises MoneyIsReal: in live mode, and wherever others come than on this machine."""
    if settings.CHAPA_MODE == "live" or settings.ENVIRONMENT != "local":
        raise MoneyIsReal("Sample data is for ENVIRONMENT=local with CHAPA_MODE=test.")


def write_made_up_answer(
    *, payment_id: UUID, outcome: Outcome, at: datetime, amount: Decimal | None = None
) -> None:
    """
    Let Chapa have said this about a payment at that moment, and write down what follows.

    Nobody is asked; the evidence says that it was made up. `amount` is in birr, as owed if left
    out. Call inside a transaction.

    :raises MoneyIsReal: in live mode and in production.
    """
    refuse_real_money()
    leased_until = take_lease(payment_id, at)
    payment = Payment.objects.get(id=payment_id)
    seen = Verification(
        outcome=outcome,
        amount=payment.amount if amount is None else amount,
        currency=payment.currency,
        tx_ref=payment.tx_ref,
        mode=payment.mode,
        reference=f"SEED{payment.id.hex[:12].upper()}",
        http_status=200,
        evidence=MADE_UP,
    )
    call = GatewayCall.objects.create(
        payment=payment,
        kind=GatewayCall.Kind.VERIFY,
        asked_at=at,
        took_ms=0,
        http_status=seen.http_status,
        outcome=outcome.value,
        evidence=MADE_UP,
        actor=current_cause().actor,
    )
    answer = Answer(
        payment_id=payment_id, asked_at=at, seen=seen, call=call, leased_until=leased_until
    )
    write_answer(answer, at=at)


def take_refunds(*, payment_id: UUID, at: datetime) -> None:
    """
    Let Chapa have taken what is ordered back of a payment. Nobody is asked.

    :raises MoneyIsReal: in live mode and in production.
    """
    refuse_real_money()
    Refund.objects.filter(payment_id=payment_id, state=Refund.State.REQUESTED).update(
        state=Refund.State.SUBMITTED, submitted_at=at
    )


def stop_watching(references: Iterable[UUID]) -> None:
    """Take the payments of these references off the sweep: Chapa never heard of them."""
    refuse_real_money()
    Payment.objects.filter(reference__in=references).update(next_check_at=None, asking_until=None)
