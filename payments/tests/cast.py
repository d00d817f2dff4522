"""What Chapa says about a payment, and what the tests of payments ask again and again."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.test import Client
from django.utils import timezone

from events.models import Event
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Status, Transaction
from payments.chapa.signature import sign
from payments.chapa.wire import Mode, Outcome, Verification
from payments.models import GatewayCall, Payment
from payments.services.hints import receive_webhook
from payments.services.settling import Answer, write_answer
from payments.settlement import Verdict
from payments.tests.factories import NOW

__all__ = [
    "RunningSandbox",
    "answer_about",
    "at_chapa",
    "events_of",
    "ledger_of",
    "listed",
    "notify",
    "post_webhook",
    "signed",
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


def signed(body: bytes) -> dict[str, str]:
    """Return the header by which Chapa signs a body."""
    return {"x-chapa-signature": sign(body, settings.CHAPA_WEBHOOK_SECRETS[0])}


def post_webhook(client: Client, body: bytes, **headers: str) -> Any:
    return client.post("/webhooks/chapa", body, content_type="application/json", headers=headers)


def notify(tx_ref: str, status: str = "success", *, at: datetime = NOW) -> UUID:
    """Let a signed webhook come in."""
    body = json.dumps({"event": f"charge.{status}", "tx_ref": tx_ref, "status": status}).encode()
    webhook_id = receive_webhook(body=body, headers=signed(body), sender="", at=at)
    assert webhook_id is not None
    return webhook_id


def listed(chapa: RunningSandbox, number: int = 1, **values: Any) -> Transaction:
    """Let Chapa have a transaction of which we know nothing."""
    given: dict[str, Any] = {
        "tx_ref": f"elsewhere-{number}",
        "mode": Mode.TEST,
        "amount": Decimal("1250.50"),
        "currency": "ETB",
        "status": Status.SUCCESS,
        "attempts": 1,
        "reference": f"APelse{number}",
        "created_at": timezone.now(),
        "updated_at": timezone.now(),
    }
    made = Transaction(**(given | values))
    chapa.store.add(made)
    return made
