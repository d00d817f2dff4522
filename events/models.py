from typing import ClassVar

from django.db import models
from django.db.models import Q


class Event(models.Model):
    """A fact. Immutable; within one subject, the order of ids is the order of commits."""

    id = models.BigAutoField(primary_key=True)
    type = models.CharField(max_length=80)
    version = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=80)
    data = models.JSONField()
    actor = models.CharField(max_length=80)
    correlation_id = models.UUIDField()
    causation_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject", "id"], name="events_event_by_subject"),
            models.Index(fields=["type", "id"], name="events_event_by_type"),
            models.Index(fields=["occurred_at"], name="events_event_by_time"),
            models.Index(fields=["correlation_id"], name="events_event_by_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.type} {self.subject}"


class Delivery(models.Model):
    """A debt: this event to that handler. Thin and hot; deleted in the commit that pays it."""

    class State(models.TextChoices):
        READY = "ready", "ready"
        RETRY = "retry", "waiting to be tried again"
        BLOCKED = "blocked", "blocked behind an earlier event of its subject"
        IN_FLIGHT = "in_flight", "in flight"
        UNCERTAIN = "uncertain", "may have happened"
        DEAD = "dead", "dead: a person decides"

    event = models.ForeignKey(Event, models.PROTECT, db_index=False)
    handler = models.CharField(max_length=80)
    generation = models.PositiveSmallIntegerField(default=0)
    group = models.CharField(max_length=16)
    lane = models.PositiveSmallIntegerField()
    subject_key = models.BigIntegerField()
    ordered = models.BooleanField()
    state = models.CharField(max_length=12, choices=State)
    next_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    # Raised whenever an outbound delivery is claimed: who claimed it before can no longer write.
    fence = models.PositiveIntegerField(default=0)
    # The backend that claimed an outbound delivery; if it is gone, so is the worker.
    owner_pid = models.IntegerField(null=True)
    deadline = models.DateTimeField(null=True)
    # Calls that may have happened, of which nobody heard: see events.base.Repeat.
    doubtful_calls = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event", "handler", "generation"], name="events_one_delivery_per_debt"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["group", "lane", "event"],
                name="events_delivery_claim",
                condition=Q(state__in=["ready", "retry"]),
            ),
            models.Index(
                fields=["group", "next_at"],
                name="events_delivery_due",
                condition=Q(state__in=["ready", "retry"]),
            ),
            models.Index(
                fields=["handler", "subject_key", "event"],
                name="events_delivery_blockers",
                condition=~Q(state="ready"),
            ),
            models.Index(
                fields=["group", "deadline"],
                name="events_delivery_in_flight",
                condition=Q(state="in_flight"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.handler} ({self.state})"


class Receipt(models.Model):
    """A debt paid. Append-only: what keeps the second delivery of an event from doing anything."""

    class How(models.TextChoices):
        DONE = "done", "done"
        SKIPPED = "skipped", "skipped by a person"

    event_id = models.BigIntegerField()
    handler = models.CharField(max_length=80)
    generation = models.PositiveSmallIntegerField(default=0)
    how = models.CharField(max_length=8, choices=How, default=How.DONE)
    attempts = models.PositiveSmallIntegerField()
    worker = models.CharField(max_length=120)
    done_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["event_id", "handler", "generation"], name="events_one_receipt_per_debt"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.handler} {self.how}"


class Lane(models.Model):
    """A share of the subjects of a transactional group; its row lock is the right to drain it."""

    group = models.CharField(max_length=16)
    number = models.PositiveSmallIntegerField()
    # The backend that drains it. Set in a commit before the batch, cleared in the batch's own: a
    # value whose backend is gone tells that a worker died in here.
    owner_pid = models.IntegerField(null=True)
    owned_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "number"], name="events_lane_once"),
        ]

    def __str__(self) -> str:
        return f"{self.group}/{self.number}"


class LaneGroup(models.Model):
    """Whether anybody must be woken for this group: see events/waking.py."""

    name = models.CharField(max_length=16, primary_key=True)
    sleeping = models.BooleanField(default=False)
    relay_seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Replay(models.Model):
    """An operator's order to deliver again: what, who, why, and what came of it."""

    selection = models.JSONField()
    mode = models.CharField(max_length=12)
    reason = models.TextField()
    actor = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    counts = models.JSONField()

    def __str__(self) -> str:
        return f"{self.mode} by {self.actor}: {self.reason}"
