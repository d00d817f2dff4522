"""What is kept of a call at Chapa's door, and how often."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

import structlog

from core.causality import Cause, caused_by
from core.ids import new_id
from core.throttling import SPEND, use_of, within
from events.outbox import record_with
from payments.claim import Claim, statuses_that_know
from payments.events import WebhookReceived
from payments.models import IncomingWebhook

log = structlog.get_logger(__name__)

# One statement is one round trip and one commit, where each statement of the ORM would be a round
# trip of its own (docs/benchmarks.md). The hint is the floor, should the event's delivery die: the
# sweep asks. It is given even if the use is refused, and the webhook with its event is not kept.
_KEEP = f"""
hint as (
    update payments_payment
    set next_check_at = least(coalesce(next_check_at, %(at)s), %(at)s), hinted_at = %(at)s
    where tx_ref = %(tx_ref)s and status <> all (%(knowing)s)
),
use as ({SPEND}),
change as (
    insert into payments_incomingwebhook
        (id, received_at, verdict, secret_index, digest, length, body, event, tx_ref, matching)
    select %(id)s::uuid, %(at)s, 'signed', %(secret_index)s, %(digest)s, %(length)s, %(body)s,
           %(event)s, %(tx_ref)s,
           case when %(tx_ref)s = '' then ''
                when exists (select from payments_payment where tx_ref = %(tx_ref)s) then 'matched'
                else 'unmatched' end
    from use
    returning id
)
"""  # noqa: S608 - ours


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
        "length": len(call.body),
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
