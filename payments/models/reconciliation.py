from typing import ClassVar

from django.db import models
from django.db.models import Q

from core.ids import new_id
from payments.models.payment import Payment
from payments.statement import Kind


class Statement(models.Model):
    """One comparison of Chapa's list with the ledger, for whole days in Addis Ababa."""

    class State(models.TextChoices):
        READING = "reading", "reading Chapa's list"
        COMPARED = "compared", "compared"
        # What was read of the list got too old to go on from.
        GIVEN_UP = "given_up", "given up"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    since = models.DateField()
    until = models.DateField()
    mode = models.CharField(max_length=4, choices=Payment.Mode)
    state = models.CharField(max_length=8, choices=State, default=State.READING)
    started_at = models.DateTimeField()
    # The list is read until it is older than this.
    reads_back_to = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # How Chapa answered last if that was no page, or the same again, and with which HTTP status.
    problem = models.CharField(max_length=20, blank=True, default="")
    http_status = models.PositiveSmallIntegerField(null=True)
    counts = models.JSONField(default=dict)
    actor = models.CharField(max_length=80)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["since", "until", "mode"],
                name="payments_one_statement_reading",
                condition=Q(state="reading"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.since} to {self.until}: {self.state}"


class StatementPage(models.Model):
    """One page of Chapa's list as it was read: the evidence, without customers."""

    statement = models.ForeignKey(Statement, models.CASCADE, related_name="pages")
    number = models.PositiveIntegerField()
    asked_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    lines = models.JSONField()
    is_last = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["statement", "number"], name="payments_one_statement_page"
            ),
        ]

    def __str__(self) -> str:
        return f"page {self.number} of {self.statement_id}"


class StatementDifference(models.Model):
    """
    How Chapa's list and the ledger differ about one reference, until a person resolves it.

    `reference` is Chapa's, or our `tx_ref` where Chapa gave none. `resolutions` are kept when other
    facts open it again: who, when, why, and the facts they were about.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reference = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=[(each.value, each.value) for each in Kind])
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="+")
    here = models.CharField(max_length=80, blank=True, default="")
    there = models.TextField(blank=True, default="")
    happened_at = models.DateTimeField(null=True)
    first_seen_at = models.DateTimeField()
    # The one that found it new, or open again; in a version before nobody wrote it down.
    opened_in = models.ForeignKey(Statement, models.PROTECT, null=True, related_name="opened")
    last_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolutions = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reference", "kind"], name="payments_one_difference_per_reference"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["-first_seen_at", "-id"],
                name="payments_differences_open",
                condition=Q(gone_at__isnull=True, resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"

    @property
    def state(self) -> str:
        if self.gone_at is not None:
            return "gone"
        return "open" if self.resolved_at is None else "resolved"
