from typing import ClassVar

from django.db import models
from django.db.models import Q

from core.ids import new_id
from payments.models.payment import Payment


class Refund(models.Model):
    """An order to send money back. Its id is the reference Chapa will know it by."""

    class State(models.TextChoices):
        REQUESTED = "requested", "requested"
        SUBMITTED = "submitted", "submitted"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"
        UNKNOWN = "unknown", "unknown"

    class Source(models.TextChoices):
        SYSTEM = "system", "system"
        CUSTOMER = "customer", "customer"
        OPERATOR = "operator", "operator"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=State, default=State.REQUESTED)
    source = models.CharField(max_length=12, choices=Source)
    reason = models.CharField(max_length=80)
    requested_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_refund_positive"),
            # However often the same surplus is noticed, it goes back once.
            models.UniqueConstraint(
                fields=["payment"],
                name="payments_one_system_refund",
                condition=Q(source="system") & ~Q(state="failed"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} ({self.state})"
