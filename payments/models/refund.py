from typing import ClassVar

from django.db import models
from django.db.models import Q

from core.ids import new_id
from core.money import Money
from payments.models.payment import Payment


class Refund(models.Model):
    """An order to send money back, asked of Chapa once and under one reference."""

    class State(models.TextChoices):
        REQUESTED = "requested", "requested"
        # Chapa may have it: from just before the call until it is known.
        UNKNOWN = "unknown", "unknown"
        SUBMITTED = "submitted", "taken by Chapa"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed: a person decides"

    # Chapa has it, or may have it, and has not said how it ended.
    IN_FLIGHT = (State.UNKNOWN, State.SUBMITTED)

    class Source(models.TextChoices):
        SYSTEM = "system", "system"
        CUSTOMER = "customer", "customer"
        OPERATOR = "operator", "operator"
        # Found out, not ordered: made at Chapa's dashboard.
        EXTERNAL = "external", "made elsewhere"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=State, default=State.REQUESTED)
    source = models.CharField(max_length=12, choices=Source)
    reason = models.CharField(max_length=80)
    # Why it failed, or is in doubt, as a code: refund_refused, no_end, …
    failure_reason = models.CharField(max_length=80, blank=True, default="", db_default="")
    # Chapa's own name of it, if Chapa gave one.
    gateway_reference = models.CharField(max_length=64, blank=True, default="", db_default="")
    requested_by = models.CharField(max_length=80, blank=True, default="", db_default="")
    requested_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    next_check_at = models.DateTimeField(null=True)
    # What people said became of it: who, when, why, and whether it was sent.
    resolutions = models.JSONField(default=list, db_default=[])

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_refund_positive"),
            # However often the same surplus is noticed, it goes back once.
            models.UniqueConstraint(
                fields=["payment"],
                name="payments_one_system_refund",
                condition=Q(source="system") & ~Q(state="failed"),
            ),
            # Looked at by one name, two orders would end together.
            models.UniqueConstraint(
                fields=["gateway_reference"],
                name="payments_refund_name_once",
                condition=~Q(gateway_reference=""),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_check_at"],
                name="payments_refunds_due",
                condition=Q(next_check_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} ({self.state})"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def is_under_way(self) -> bool:
        return self.state in (self.State.REQUESTED, *self.IN_FLIGHT)

    @property
    def reference(self) -> str:
        """What Chapa knows it by: the same however often it is asked."""
        return f"guzo-refund-{self.id.hex}"
