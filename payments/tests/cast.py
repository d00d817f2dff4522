"""What Chapa says about a payment, and what the tests of payments ask again and again."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from events.models import Event
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Transaction
from payments.chapa.wire import Outcome, Verification
from payments.models import GatewayCall, Payment
from payments.services.settling import Answer, write_answer
from payments.settlement import Verdict
from payments.tests.factories import NOW

__all__ = [
    "RunningSandbox",
    "answer_about",
    "at_chapa",
    "events_of",
    "ledger_of",
    "verification_of",
    "write",
]


def verification_of(payment: Payment, outcome: Outcome, **changed: Any) -> Verification:
    """Return an answer that fits the payment in all four, unless `changed`."""
    values: dict[str, Any] = {
        "amount": Decimal(payment.amount),
        "currency": payment.currency,
        "tx_ref": payment.tx_ref,
        "mode": payment.mode,
        "reference": f"AP{payment.id.hex[:10]}",
    }
    return Verification(outcome=outcome, http_status=200, evidence={}, **(values | changed))


def answer_about(
    payment: Payment, outcome: Outcome, *, asked_at: datetime = NOW, **changed: Any
) -> Answer:
    seen = verification_of(payment, outcome, **changed)
    call = GatewayCall.objects.create(
        payment=payment,
        kind=GatewayCall.Kind.VERIFY,
        asked_at=asked_at,
        took_ms=1,
        http_status=seen.http_status,
        outcome=outcome.value,
        evidence=seen.evidence,
        actor="test",
    )
    return Answer(
        payment_id=payment.id, asked_at=asked_at, seen=seen, call=call, leased_until=asked_at
    )


def write(answer: Answer, *, at: datetime = NOW) -> Verdict:
    with transaction.atomic():
        return write_answer(answer, at=at)


def events_of(payment: Payment) -> list[str]:
    subject = f"payment:{payment.id}"
    return list(Event.objects.filter(subject=subject).order_by("id").values_list("type", flat=True))


def ledger_of(payment: Payment) -> list[tuple[str, Decimal, str]]:
    return list(payment.ledger.order_by("id").values_list("kind", "amount", "currency"))


def at_chapa(chapa: RunningSandbox, payment: Payment) -> Transaction:
    """Return what the local Chapa has of a payment."""
    found = chapa.store.find(payment.tx_ref)
    assert found is not None
    return found
