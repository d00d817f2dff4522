"""How long the words of Chapa's webhooks are kept: they name people and phones."""

from datetime import datetime, timedelta

from core.batches import in_batches, remove
from payments.models import IncomingWebhook

# Long enough to look into what a payer or a bank disputes.
BODY_LIFE = timedelta(days=90)


def prune_webhooks(*, at: datetime) -> dict[str, int]:
    """
    Empty old bodies and forget old rejected calls; return how many. Safe to run several at once.

    Of a signed call digest, length, verdict and reference stay.
    """
    old = IncomingWebhook.objects.filter(received_at__lt=at - BODY_LIFE)
    signed = IncomingWebhook.Verdict.SIGNED
    return {
        "webhook_bodies": in_batches(
            old.filter(body__isnull=False), lambda batch: batch.update(body=None)
        ),
        "rejected_webhooks": in_batches(old.exclude(verdict=signed), remove),
    }
