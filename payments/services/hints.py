"""What comes in from outside says only: ask Chapa. Nothing here believes a word of it."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least

from core.causality import Cause, caused_by
from core.errors import Invalid, Refusal
from events.outbox import record
from payments import states
from payments.chapa.signature import matching_secret
from payments.events import WebhookReceived
from payments.models import IncomingWebhook, Payment

log = structlog.get_logger(__name__)

# An unsigned hint may make us ask once in this time, whoever sends however many.
HINT_SPACING = timedelta(seconds=10)
_TX_REF = re.compile(r"[A-Za-z0-9_-]{1,50}")


class SignatureRejected(Refusal):
    """The signature over the body is missing or wrong."""

    code = "signature_rejected"
    status = 401


class NotAnObject(Invalid):
    """The body is not a JSON object."""

    code = "not_an_object"


@dataclass(frozen=True)
class Claim:
    """What a webhook claims; used to find the payment, never to judge it."""

    event: str
    tx_ref: str
    status: str


def receive_webhook(*, body: bytes, signature: str, at: datetime) -> UUID:
    """
    Keep a signed webhook and record that it came, in one commit; return its id.

    The signature is `x-chapa-signature`: HMAC-SHA256 over the raw bytes. The constant
    `chapa-signature` proves nothing about the body and is not looked at (docs/chapa.md, webhooks).

    :raises SignatureRejected: after keeping digest, length and verdict, nothing else.
    :raises NotAnObject: after keeping the bytes, for they were signed.
    """
    secret_index = matching_secret(body, signature, settings.CHAPA_WEBHOOK_SECRETS)
    kept = IncomingWebhook(
        received_at=at,
        digest=hashlib.sha256(body).hexdigest(),
        length=len(body),
        secret_index=secret_index,
    )
    if secret_index is None:
        kept.verdict = (
            IncomingWebhook.Verdict.FORGED if signature else IncomingWebhook.Verdict.UNSIGNED
        )
        kept.save(force_insert=True)
        log.warning("webhook.rejected", verdict=kept.verdict, digest=kept.digest)
        raise SignatureRejected
    kept.verdict = IncomingWebhook.Verdict.SIGNED
    kept.body = body
    claim = read_claim(body)
    if claim is None:
        kept.save(force_insert=True)
        raise NotAnObject("It was kept. Send a JSON object.")
    kept.event, kept.tx_ref = claim.event, claim.tx_ref
    with transaction.atomic(), caused_by(Cause(actor="chapa")):
        kept.save(force_insert=True)
        # The floor, should the event's delivery die: the sweep asks.
        knowing = Q(status__in=statuses_that_know(claim.status))
        _hint(Q(tx_ref=claim.tx_ref) & ~knowing, at)
        record(WebhookReceived(webhook_id=kept.id, tx_ref=claim.tx_ref, claims=claim.status), at=at)
    return kept.id


def receive_callback(*, tx_ref: str, at: datetime) -> None:
    """
    Note that someone says a payment has news: Chapa's callback, or anyone who knows the address.

    Whether the reference exists is not told, and Chapa is asked at most every `HINT_SPACING`.
    """
    if _TX_REF.fullmatch(tx_ref):
        asked_lately = Q(asked_at__gt=at - HINT_SPACING) | Q(hinted_at__gt=at - HINT_SPACING)
        _hint(Q(tx_ref=tx_ref) & ~Q(status__in=states.CAPTURED) & ~asked_lately, at)


def hint_return(payment: Payment, *, at: datetime) -> None:
    """
    The traveller is back on our page: Chapa may know more by now.

    Only of a pending payment: the page of a failed one would ask for as long as it stands open.
    """
    if payment.status == states.PENDING:
        receive_callback(tx_ref=payment.tx_ref, at=at)


def statuses_that_know(claimed: str) -> frozenset[str]:
    """Return the states of a payment that have nothing left to learn from this claim."""
    match claimed:
        case "success":
            return states.CAPTURED
        case "failed" | "cancelled" | "failed/cancelled":
            return states.CAPTURED | {states.FAILED, states.CANCELLED}
        case _:
            return frozenset()


def read_claim(body: bytes) -> Claim | None:
    """
    Return what a body claims, flat or nested under `data`; None if it is not a JSON object.

    Duplicate keys, NaN and deep nesting are not JSON objects either.
    """
    try:
        data = json.loads(
            body, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    nested = data.get("data")
    claimed = nested | data if isinstance(nested, dict) else data
    return Claim(
        event=_text(claimed.get("event")),
        tx_ref=_text(claimed.get("tx_ref")),
        status=_text(claimed.get("status")),
    )


def _hint(which: Q, at: datetime) -> None:
    """A hint is one write: look now, or when it was planned anyway if that is sooner."""
    Payment.objects.filter(which).update(
        next_check_at=Least(Coalesce(F("next_check_at"), at), at), hinted_at=at
    )


def _text(value: object) -> str:
    """JSON can hold NUL and lone surrogates, which PostgreSQL cannot; neither is printable."""
    return "".join(filter(str.isprintable, value[:80])) if isinstance(value, str) else ""


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found
