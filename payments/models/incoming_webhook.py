from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from core.ids import new_id


class IncomingWebhook(models.Model):
    """
    What came through Chapa's door, byte for byte.

    Of a call with a bad signature only digest, length and verdict are kept: its bytes are a
    stranger's. Whether it was acted on is told by its event's receipt, never by its being here.
    """

    class Verdict(models.TextChoices):
        SIGNED = "signed", "signed"
        UNSIGNED = "unsigned", "no signature over the body"
        FORGED = "forged", "signature does not match"
        CONSTANT_ONLY = "constant_only", "only the constant, which anyone can replay"

    class Matching(models.TextChoices):
        MATCHED = "matched", "names a payment of ours"
        UNMATCHED = "unmatched", "names no payment yet; looked for again"
        PARKED = "parked", "names no payment of ours: a person looks"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    received_at = models.DateTimeField()
    verdict = models.CharField(max_length=16, choices=Verdict)
    # Which of CHAPA_WEBHOOK_SECRETS matched: shows when an old one may be retired.
    secret_index = models.PositiveSmallIntegerField(null=True)
    digest = models.CharField(max_length=64)
    length = models.PositiveIntegerField()
    body = models.BinaryField(null=True)
    event = models.CharField(max_length=80, blank=True, default="")
    tx_ref = models.CharField(max_length=80, blank=True, default="")
    # Empty: there is no tx_ref to look for.
    matching = models.CharField(
        max_length=9, choices=Matching, blank=True, default="", db_default=""
    )

    class Meta:
        indexes: ClassVar = [
            BrinIndex(fields=["received_at"], name="payments_webhook_span", autosummarize=True),
            models.Index(fields=["tx_ref", "received_at"], name="payments_webhook_by_tx_ref"),
            models.Index(
                fields=["matching", "received_at"],
                name="payments_webhook_astray",
                condition=Q(matching__in=["unmatched", "parked"]),
            ),
            # What retention has not been at yet, however many rows there are.
            models.Index(
                fields=["received_at"],
                name="payments_webhook_to_prune",
                condition=Q(body__isnull=False) | ~Q(verdict="signed"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event or '?'} ({self.verdict})"
