"""What comes in from outside says only: ask Chapa. Nothing here believes a word of it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least

from core.errors import Invalid, Refusal
from core.throttling import spend
from payments import states
from payments.chapa.signature import SIGNATURE_HEADERS, is_constant, matching_secret
from payments.claim import read_claim
from payments.models import IncomingWebhook, Payment
from payments.services.keeping import Call, keep_bytes, keep_claim, keep_rejected

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


def receive_webhook(
    *, body: bytes, headers: Mapping[str, str], sender: str, at: datetime
) -> UUID | None:
    """
    Keep a signed webhook and record that it came, in one commit; return its id.

    The same bytes are kept `REPEATED_WEBHOOKS` often. Beyond that they only hint, for whoever has
    one signed webhook can repeat it for ever; there is no id then. Call it outside a transaction.

    The signature is HMAC-SHA256 over the raw bytes, in the header `CHAPA_SIGNATURE_HEADER`. The
    constant that Chapa also sends proves nothing about the body (docs/chapa.md, webhooks).

    :raises SignatureRejected: after keeping digest, length and verdict, nothing else; of those
        beyond `REJECTED_WEBHOOKS_KEPT` not even that.
    :raises TooMany: if the sender had too many rejected; then nothing is kept. A signed one is
        never refused for that.
    :raises NotAnObject: after keeping the bytes, for they were signed.
    """
    signature = headers.get(settings.CHAPA_SIGNATURE_HEADER, "")
    secret_index = matching_secret(body, signature, settings.CHAPA_WEBHOOK_SECRETS)
    call = Call(body, secret_index, at)
    if secret_index is None:
        spend("REJECTED_WEBHOOKS_PER_ADDRESS", who=sender, at=at)
        _reject(call, headers)
    claim = read_claim(body)
    if claim is None:
        keep_bytes(call)
        raise NotAnObject("It was kept. Send a JSON object.")
    if claim.mode and claim.mode != settings.CHAPA_MODE:
        log.error("webhook.other_mode", digest=call.digest, mode=claim.mode)
    return keep_claim(call, claim)


def end_search(webhook_id: UUID, tx_ref: str) -> None:
    """Write down that a webhook's payment turned up after all, or that nobody looks any more."""
    IncomingWebhook.objects.filter(
        id=webhook_id, matching=IncomingWebhook.Matching.UNMATCHED
    ).update(matching=_matching(tx_ref, otherwise=IncomingWebhook.Matching.PARKED))


def receive_callback(*, tx_ref: str, at: datetime) -> None:
    """
    Note that someone says a payment has news: Chapa's callback, or anyone who knows the address.

    Whether the reference exists is not told, and Chapa is asked at most every `HINT_SPACING`.
    """
    if _TX_REF.fullmatch(tx_ref):
        asked_lately = Q(asked_at__gt=at - HINT_SPACING) | Q(hinted_at__gt=at - HINT_SPACING)
        _hint(Q(tx_ref=tx_ref) & ~Q(status__in=states.CAPTURED) & ~asked_lately, at)


def hint_return(payment: Payment, *, arrives: bool, at: datetime) -> None:
    """
    The traveller is on our page: Chapa may know more by now.

    Whether they have just come from Chapa's, `arrives`, matters of a payment that was given up, or
    closed early: its page would ask for as long as it stands open.
    """
    if arrives or payment.awaits_money:
        receive_callback(tx_ref=payment.tx_ref, at=at)


def _reject(call: Call, headers: Mapping[str, str]) -> NoReturn:
    verdict = _verdict_on(headers)
    keep_rejected(call, verdict)
    if verdict == IncomingWebhook.Verdict.CONSTANT_ONLY:
        # Somebody replays what a delivery once showed, or CHAPA_SIGNATURE_HEADER is set wrong.
        log.error("webhook.constant_only", digest=call.digest)
    else:
        log.warning("webhook.rejected", verdict=verdict, digest=call.digest)
    raise SignatureRejected


def _verdict_on(headers: Mapping[str, str]) -> IncomingWebhook.Verdict:
    """Say why nothing that these headers show signs the body."""
    secrets = settings.CHAPA_WEBHOOK_SECRETS
    signature = headers.get(settings.CHAPA_SIGNATURE_HEADER, "")
    if signature and not is_constant(signature, secrets):
        return IncomingWebhook.Verdict.FORGED
    if any(is_constant(headers.get(name, ""), secrets) for name in SIGNATURE_HEADERS):
        return IncomingWebhook.Verdict.CONSTANT_ONLY
    return IncomingWebhook.Verdict.UNSIGNED


def _matching(tx_ref: str, *, otherwise: IncomingWebhook.Matching) -> str:
    if not tx_ref:
        return ""
    known = Payment.objects.filter(tx_ref=tx_ref).exists()
    return IncomingWebhook.Matching.MATCHED if known else otherwise


def _hint(which: Q, at: datetime) -> None:
    """A hint is one write: look now, or when it was planned anyway if that is sooner."""
    Payment.objects.filter(which).update(
        next_check_at=Least(Coalesce(F("next_check_at"), at), at), hinted_at=at
    )
