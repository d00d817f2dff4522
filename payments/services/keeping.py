"""What is kept of a call at Chapa's door, and how often."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

import structlog

from core.causality import Cause, caused_by
from core.ids import new_id
from core.throttling import use_of, within
from events.outbox import record_with
from payments.claim import Claim, statuses_that_know
from payments.events import WebhookReceived
from payments.models import IncomingWebhook

log = structlog.get_logger(__name__)

# One statement is one round trip and one commit, where each statement of the ORM would be a round
# trip of its own (docs/benchmarks.md).
_KEEP = """
payments_keep_webhook(
    %(id)s::uuid, %(at)s, %(secret_index)s, %(digest)s, %(body)s, %(event)s, %(tx_ref)s,
    %(knowing)s::text[], %(bucket)s, %(step)s, %(per)s)
"""


@dataclass(frozen=True)
class Call:
    """One call, as it came: its bytes, and which of our secrets signed them."""

    body: bytes
    secret_index: int | None
    at: datetime

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def keep_claim(call: Call, claim: Claim) -> UUID | None:
    """
    Keep a signed call, hint at its payment and record the event: all of it in one commit.

    Beyond `REPEATED_WEBHOOKS` of the same bytes only the hint is given, and None returned.
    """
    webhook_id = new_id()
    status = claim.charge_status
    values = use_of("REPEATED_WEBHOOKS", who=call.digest, at=call.at) | {
        "id": str(webhook_id),
        "secret_index": call.secret_index,
        "digest": call.digest,
        "body": call.body,
        "event": claim.event,
        "tx_ref": claim.tx_ref,
        "knowing": list(statuses_that_know(status)),
    }
    event = WebhookReceived(webhook_id=webhook_id, tx_ref=claim.tx_ref, claims=status)
    with caused_by(Cause(actor="chapa")):
        if record_with(_KEEP, values, event, at=call.at) is not None:
            return webhook_id
    _note_repeat(call)
    return None


def keep_bytes(call: Call) -> None:
    """Keep a signed call that nobody can read, as often as any other."""
    if within("REPEATED_WEBHOOKS", who=call.digest, at=call.at):
        _row_of(call, IncomingWebhook.Verdict.SIGNED, call.body).save(force_insert=True)
    else:
        _note_repeat(call)


def keep_rejected(call: Call, verdict: IncomingWebhook.Verdict) -> None:
    """Keep that somebody called, and nothing of what was said: `REJECTED_WEBHOOKS_KEPT` of them."""
    if within("REJECTED_WEBHOOKS_KEPT", who="anyone", at=call.at):
        _row_of(call, verdict, None).save(force_insert=True)


def _row_of(call: Call, verdict: IncomingWebhook.Verdict, body: bytes | None) -> IncomingWebhook:
    return IncomingWebhook(
        received_at=call.at,
        verdict=verdict,
        secret_index=call.secret_index,
        digest=call.digest,
        length=len(call.body),
        body=body,
    )


def _note_repeat(call: Call) -> None:
    log.warning("webhook.repeated", digest=call.digest)
