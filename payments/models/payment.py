from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.ids import new_id
from core.money import Money
from payments import states

NOTHING = Decimal("0.00")


class Payment(models.Model):
    """One attempt to collect one amount for one reference: one `tx_ref` at Chapa, never reused."""

    class Status(models.TextChoices):
        PENDING = states.PENDING, "pending"
        SUCCEEDED = states.SUCCEEDED, "succeeded"
        FAILED = states.FAILED, "failed"
        CANCELLED = states.CANCELLED, "cancelled"
        EXPIRED = states.EXPIRED, "expired"
        IN_REVIEW = states.IN_REVIEW, "in review"
        PARTIALLY_REFUNDED = states.PARTIALLY_REFUNDED, "partially refunded"
        REFUNDED = states.REFUNDED, "refunded"
        REVERSED = states.REVERSED, "reversed"

    class Mode(models.TextChoices):
        TEST = "test", "test"
        LIVE = "live", "live"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # What is paid for: a booking's id up there, nothing down here.
    reference = models.UUIDField()
    payer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    tx_ref = models.CharField(max_length=50)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=4, choices=Mode)
    title = models.CharField(max_length=80)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    failure_reason = models.CharField(max_length=80, blank=True, default="")

    # A bearer link: shown to its owner only, never logged. Empty: not opened yet.
    checkout_url = models.TextField(blank=True, default="")
    return_key_digest = models.CharField(max_length=64, blank=True, default="")
    gateway_reference = models.CharField(max_length=64, null=True)  # noqa: DJ001  (unique if known)

    # Both written by settling only, equal to the sums in the ledger.
    captured_amount = models.DecimalField(max_digits=12, decimal_places=2, default=NOTHING)
    refunded_amount = models.DecimalField(max_digits=12, decimal_places=2, default=NOTHING)

    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    link_closed_at = models.DateTimeField(null=True)

    # The lease to ask: until then, one process alone may talk to Chapa about this payment.
    asking_until = models.DateTimeField(null=True)
    # When the newest recorded answer was asked for; older ones are evidence only.
    asked_at = models.DateTimeField(null=True)
    hinted_at = models.DateTimeField(null=True)
    next_check_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tx_ref"], name="payments_tx_ref_once"),
            models.UniqueConstraint(
                fields=["gateway_reference"], name="payments_gateway_reference_once"
            ),
            models.UniqueConstraint(
                fields=["reference"],
                # Pending ones only: no constraint may refuse money that has arrived, and two
                # mismatched payments can be in review at once.
                name="payments_one_pending_per_reference",
                condition=Q(status=states.PENDING),
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payments_amount_positive"),
            models.CheckConstraint(
                condition=Q(refunded_amount__gte=0)
                & Q(refunded_amount__lte=models.F("captured_amount")),
                name="payments_refunded_at_most_captured",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["reference", "created_at"], name="payments_by_reference"),
            models.Index(
                fields=["next_check_at"],
                name="payments_due",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["return_key_digest"],
                name="payments_by_return_key",
                condition=~Q(return_key_digest=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.status}"

    @property
    def owed(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def refunded(self) -> Money:
        return Money(self.refunded_amount, self.currency)

    @property
    def is_paid(self) -> bool:
        """Whether what is owed has arrived, or was taken for that, and some of it is still here."""
        return self.status in (states.SUCCEEDED, states.PARTIALLY_REFUNDED)

    @property
    def is_closed_early(self) -> bool:
        """Whether its page was closed while money was still wanted: another one must take over."""
        return self.status == states.PENDING and self.link_closed_at is not None

    @property
    def awaits_money(self) -> bool:
        """Whether money is wanted, and its page takes it or may still be opened."""
        return self.status == states.PENDING and self.link_closed_at is None

    @property
    def payable_url(self) -> str:
        """The checkout page while money is wanted there, otherwise nothing."""
        return self.checkout_url if self.awaits_money else ""
