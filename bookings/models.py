from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from core.ids import new_booking_code, new_id
from core.money import Money
from events.mailing import EventMail


class Cancellation(models.TextChoices):
    FLEXIBLE = "flexible", "flexible"
    MODERATE = "moderate", "moderate"
    STRICT = "strict", "strict"


class Listing(models.Model):
    """A place to stay. Its row lock comes before anything that takes or retakes its dates."""

    class Kind(models.TextChoices):
        HOTEL = "hotel", "hotel"
        GUESTHOUSE = "guesthouse", "guesthouse"
        LODGE = "lodge", "lodge"
        APARTMENT = "apartment", "apartment"
        HOMESTAY = "homestay", "homestay"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=80)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=Kind)
    city = models.CharField(max_length=60)
    region = models.CharField(max_length=60)
    area = models.CharField(max_length=80)
    description = models.TextField()
    host = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    sleeps = models.PositiveSmallIntegerField()
    nightly_price = models.DecimalField(max_digits=10, decimal_places=2)
    currency = models.CharField(max_length=3, default="ETB")
    amenities = ArrayField(models.CharField(max_length=40))
    cancellation = models.CharField(max_length=12, choices=Cancellation)
    is_listed = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["slug"], name="bookings_listing_slug_once"),
            models.CheckConstraint(
                condition=Q(nightly_price__gt=0) & Q(sleeps__gt=0), name="bookings_listing_sound"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="bookings_listing_newest"),
            models.Index(fields=["city", "nightly_price"], name="bookings_listing_by_city"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.city}"

    @property
    def nightly(self) -> Money:
        return Money(self.nightly_price, self.currency)


class Booking(models.Model):
    """A stay, with price and terms frozen when its dates were taken."""

    class Status(models.TextChoices):
        HELD = "held", "held"
        CONFIRMED = "confirmed", "confirmed"
        EXPIRED = "expired", "expired"
        CANCELLED = "cancelled", "cancelled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.CharField(max_length=8, default=new_booking_code)
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="bookings")
    traveller = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    check_in = models.DateField()
    check_out = models.DateField()
    guests = models.PositiveSmallIntegerField()
    total_amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    cancellation = models.CharField(max_length=12, choices=Cancellation)
    status = models.CharField(max_length=12, choices=Status, default=Status.HELD)
    # Which payment was applied: the same again is a no-op, another one is surplus.
    paid_by = models.UUIDField(null=True)
    # Why a person must look at it, as a code: payment_reversed, payment_refunded. Empty: no need.
    attention = models.CharField(max_length=40, blank=True, default="", db_default="")
    # What persons said of it: at, person, reason, and the attention that their word ended.
    decisions = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    hold_expires_at = models.DateTimeField()
    hold_extended = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["code"], name="bookings_code_once"),
            models.UniqueConstraint(fields=["paid_by"], name="bookings_payment_applied_once"),
            models.CheckConstraint(
                condition=Q(check_out__gt=F("check_in")) & Q(guests__gt=0) & Q(total_amount__gt=0),
                name="bookings_stay_sound",
            ),
            models.CheckConstraint(
                condition=~Q(status="confirmed") | Q(paid_by__isnull=False),
                name="bookings_confirmed_is_paid",
            ),
            # The backstop behind the Listing lock: alone, overlapping inserts deadlock each other.
            ExclusionConstraint(
                name="bookings_no_double_booking",
                expressions=[
                    ("listing", RangeOperators.EQUAL),
                    (
                        Func("check_in", "check_out", Value("[)"), function="daterange"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(status__in=["held", "confirmed"]),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["traveller", "-created_at", "-id"], name="bookings_newest_of_traveller"
            ),
            models.Index(
                fields=["hold_expires_at"], name="bookings_holds_due", condition=Q(status="held")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.status}"

    @property
    def nights(self) -> int:
        return (self.check_out - self.check_in).days

    @property
    def total(self) -> Money:
        return Money(self.total_amount, self.currency)


class Mail(EventMail):
    """One letter to the traveller of a booking."""

    class Kind(models.TextChoices):
        CONFIRMATION = "confirmation", "confirmation"
        EXPIRED = "expired", "hold ended"
        CANCELLED = "cancelled", "cancellation"
        IN_REVIEW = "in_review", "payment in review"
        REFUND_ORDERED = "refund_ordered", "refund ordered"
        REFUND_FAILED = "refund_failed", "refund delayed"
        REFUNDED = "refunded", "refund sent"
        REVERSED = "reversed", "payment reversed"

    kind = models.CharField(max_length=16, choices=Kind)
    booking = models.ForeignKey(Booking, models.PROTECT, related_name="mails")

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"
