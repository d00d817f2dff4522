from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.models.gateway_call import GatewayCall
from payments.models.payment import Payment
from payments.models.refund import Refund


class LedgerEntry(models.Model):
    """Money that moved, and the call or the person that proves it. Append-only, by trigger."""

    class Kind(models.TextChoices):
        CAPTURE = "capture", "capture"
        REFUND = "refund", "refund"
        REVERSAL = "reversal", "reversal"
        # Nothing moved: a person takes what arrived for what is owed.
        ACCEPTANCE = "acceptance", "acceptance"

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=12, choices=Kind)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    gateway_call = models.ForeignKey(GatewayCall, models.PROTECT, null=True, related_name="+")
    # Which order this is the end of: it ends once.
    refund = models.OneToOneField(Refund, models.PROTECT, null=True, related_name="entry")
    person = models.CharField(max_length=80, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["payment"], name="payments_one_capture", condition=Q(kind="capture")
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_entry_positive"),
            models.CheckConstraint(
                condition=Q(gateway_call__isnull=False) | (~Q(person="") & ~Q(reason="")),
                name="payments_entry_proven",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"
