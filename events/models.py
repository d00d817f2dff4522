from datetime import UTC, datetime
from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from core.ids import new_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
            # A thousandth of a tree: ids and times grow together.
            BrinIndex(fields=["occurred_at"], name="events_event_by_span", autosummarize=True),
            models.Index(fields=["correlation_id"], name="events_event_by_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.type} {self.subject}"


class Delivery(models.Model):
    """A debt: this event to that handler. Thin and hot; deleted in the commit that pays it."""

    class State(models.TextChoices):
        READY = "ready", "ready"
        # Also what was revived or set free: `ready` is only what nobody has touched yet.
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
                fields=["group", "lane", "event"],
                name="events_delivery_retries",
                condition=Q(state="retry"),
            ),
            models.Index(
                fields=["group", "next_at"],
                name="events_delivery_due_outbound",
                condition=Q(state__in=["ready", "retry"]) & ~Q(group="core"),
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
        DOUBTFUL = "doubtful", "done; an earlier call may have happened too"
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
    """Whether anybody must be woken for this group, and where its work begins."""

    name = models.CharField(max_length=16, primary_key=True)
    # See events/waking.py.
    sleeping = models.BooleanField(default=False)
    relay_seen_at = models.DateTimeField(null=True)
    # See events/lanes.py.
    low_id = models.BigIntegerField(db_default=0)
    newest_id = models.BigIntegerField(db_default=0)
    newest_xid = models.BigIntegerField(db_default=0)
    swept_at = models.DateTimeField(db_default=EPOCH)

    def __str__(self) -> str:
        return self.name


class Replay(models.Model):
    """An operator's order to deliver again or to give up: what, who, why, and what came of it."""

    class Mode(models.TextChoices):
        REDELIVER = "redeliver", "deliver what has no receipt"
        RERUN = "rerun", "deliver once more what was delivered"
        SKIP = "skip", "give up what is stuck"

    class State(models.TextChoices):
        PLANNED = "planned", "planned: nothing has run"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        CANCELLED = "cancelled", "cancelled"
        DONE = "done", "done"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    selection = models.JSONField()
    mode = models.CharField(max_length=12, choices=Mode)
    # Also to handlers that are not replayable: their letters go out again.
    force = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=80)
    executed_by = models.CharField(max_length=80, blank=True, default="")
    created_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=State, default=State.PLANNED)
    rate = models.PositiveSmallIntegerField(default=50)
    total = models.PositiveIntegerField(default=0)
    # What was found, by type, handler and state: count, oldest, newest, samples, and if it runs.
    summary = models.JSONField()
    started_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.mode} {self.id} by {self.actor}: {self.reason}"

    @property
    def seconds(self) -> float:
        """How long all of it takes at its rate."""
        return self.total / self.rate

    def progress(self) -> dict[str, int]:
        """Return how many items came to which end; those still to come are `left`."""
        counts = dict(
            self.items.order_by("outcome")
            .values_list("outcome")
            .annotate(count=models.Count("*"))
            .values_list("outcome", "count")
        )
        return {outcome or "left": count for outcome, count in sorted(counts.items())}


class ReplayItem(models.Model):
    """One debt of a replay's plan: what it was found as, and what was done about it."""

    MISSING, DELIVERED = "missing", "delivered"

    class Outcome(models.TextChoices):
        ADDED = "added", "owed from now on"
        REVIVED = "revived", "owed again"
        HURRIED = "hurried", "tried now instead of later"
        SKIPPED = "skipped", "given up"
        UNDER_WAY = "under_way", "left alone: it was on its way"
        DELIVERED_MEANWHILE = "delivered_meanwhile", "left alone: it was delivered meanwhile"
        GONE = "gone", "left alone: its event or its route is gone"

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="items")
    event_id = models.BigIntegerField()
    handler = models.CharField(max_length=80)
    found = models.CharField(max_length=12)
    # Empty: still to come.
    outcome = models.CharField(max_length=20, choices=Outcome, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["replay", "event_id", "handler"], name="events_replay_item_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["replay", "event_id", "handler"],
                name="events_replay_items_left",
                condition=Q(outcome=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} → {self.handler}: {self.outcome or 'left'}"
