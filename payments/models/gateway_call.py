from typing import ClassVar

from django.db import models

from payments.models.payment import Payment
from payments.models.refund import Refund


class GatewayCall(models.Model):
    """
    One call to Chapa and what came of it: the evidence. Append-only, by trigger.

    Committed right after the call, whatever becomes of the rest. `evidence` is the answer without
    people, links and free-form members.
    """

    class Kind(models.TextChoices):
        INITIALIZE = "initialize", "initialize"
        VERIFY = "verify", "verify"
        CANCEL = "cancel", "cancel"
        REFUND = "refund", "refund"
        REFUND_CHECK = "refund_check", "verify refund"

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="gateway_calls")
    # Which order was asked about; in a version before nobody wrote it down.
    refund = models.ForeignKey(
        Refund, models.PROTECT, null=True, db_index=False, related_name="gateway_calls"
    )
    kind = models.CharField(max_length=12, choices=Kind)
    asked_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    http_status = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=20)
    evidence = models.JSONField()
    actor = models.CharField(max_length=80)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["asked_at"], name="payments_gateway_call_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.outcome}"
