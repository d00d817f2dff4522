"""How long the words of Chapa's webhooks are kept, which name people and phones, and its lists."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from core.batches import in_batches, remove
from payments.models import IncomingWebhook, Payment, StatementPage

# Long enough to look into what a payer or a bank disputes.
BODY_LIFE = timedelta(days=90)


def prune_webhooks(*, at: datetime) -> dict[str, int]:
    """
    Empty old bodies and forget old rejected calls; return how many. Safe to run several at once.

    Of a signed call digest, length, verdict and reference stay. What came about an erased person's
    payment is not old, but emptied all the same: its event was recorded, and says what is needed.
    """
    old = Q(received_at__lt=at - BODY_LIFE)
    erased = Payment.objects.filter(payer__erased_at__isnull=False)
    with_body = IncomingWebhook.objects.filter(body__isnull=False)
    rejected = IncomingWebhook.objects.exclude(verdict=IncomingWebhook.Verdict.SIGNED)
    return {
        "webhook_bodies": in_batches(
            with_body.filter(old | Q(tx_ref__in=erased.values("tx_ref"))), _empty
        ),
        "rejected_webhooks": in_batches(rejected.filter(old), remove),
    }


def prune_statements(*, at: datetime) -> dict[str, int]:
    """
    Forget old pages of Chapa's list; return how many. Safe to run several at once.

    Statements and what they found stay.
    """
    old = StatementPage.objects.filter(asked_at__lt=at - BODY_LIFE)
    return {"statement_pages": in_batches(old, remove)}


def _empty(batch: QuerySet[IncomingWebhook]) -> None:
    batch.update(body=None)
