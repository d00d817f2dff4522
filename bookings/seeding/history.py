"""The stays of a demonstration: 150 bookings, over, coming and held right now."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from bookings.models import Booking, Listing
from bookings.seeding.catalogue import TRAVELLER_EMAIL, Catalogue, listings_of, people_of
from bookings.seeding.courses import PLAN, Course, Period
from bookings.seeding.journey import Journey
from bookings.services.holding import DatesUnavailable, Stay
from core.causality import Cause, caused_by
from core.days import today
from core.models import User
from events.models import Delivery, Receipt
from payments.services import seeding

ACTOR = "seed_demo"
SEED = 1888


@dataclass(frozen=True)
class Trip:
    """A stay to make: what becomes of it, when it is booked, and for which day."""

    course: Course
    of_login: bool
    booked_at: datetime
    check_in: date
    nights: int


def seed_history(catalogue: Catalogue, at: datetime) -> int:
    """
    Make the stays, unless these listings have some; return how many.

    On one Ethiopian day the same ones are made whatever the hour, but for the few held right now.
    """
    listings = listings_of(catalogue)
    if Booking.objects.filter(listing__in=listings).exists():
        return 0
    dice = random.Random(SEED)  # noqa: S311  (the same sample data every time)
    travellers = people_of(catalogue["travellers"])
    login = User.objects.get(email=TRAVELLER_EMAIL)
    for trip in plan_trips(dice, at):
        traveller, rival = dice.sample(travellers, 2)
        with caused_by(Cause(actor=ACTOR)):
            trip.course(_begin(trip, login if trip.of_login else traveller, rival, listings, dice))
    _skip_deliveries()
    made = list(Booking.objects.filter(listing__in=listings).values_list("id", flat=True))
    seeding.stop_watching(made)
    return len(made)


def plan_trips(dice: random.Random, at: datetime) -> list[Trip]:
    """Return what to make, in the order it is booked. Pure, but for the dice."""
    trips = [
        _trip(dice, line.period, line.course, of_login=line.of_login and number == 0, at=at)
        for line in PLAN
        for number in range(line.count)
    ]
    return sorted(trips, key=lambda trip: trip.booked_at)


def _trip(
    dice: random.Random, period: Period, course: Course, *, of_login: bool, at: datetime
) -> Trip:
    anchor = today(at)
    nights = dice.choice((1, 2, 2, 3, 3, 4, 5))
    minute = timedelta(seconds=dice.randrange(5 * 3600, 18 * 3600))
    match period:
        case Period.OVER:
            days_ago = dice.randint(25, 120)
            check_in = anchor - timedelta(days=dice.randint(nights, days_ago - 4))
        case Period.COMING:
            days_ago = dice.randint(4, 40)
            check_in = anchor + timedelta(days=dice.randint(2, 80))
        case Period.ANY:
            days_ago = dice.randint(4, 75)
            check_in = anchor + timedelta(days=dice.randint(2, 60) - days_ago)
        case Period.NOW:
            days_ago = 0
            check_in = anchor + timedelta(days=dice.randint(3, 60))
    booked_at = datetime.combine(anchor - timedelta(days=days_ago), time(), UTC) + minute
    if period is Period.NOW:
        # The longest of these stories takes five minutes, and none may end after now.
        booked_at = at - timedelta(seconds=dice.randint(6 * 60, 10 * 60))
    return Trip(course, of_login, booked_at, check_in, nights)


def _begin(
    trip: Trip, traveller: User, rival: User, listings: list[Listing], dice: random.Random
) -> Journey:
    """Hold the dates at the first place, in random order, that has them."""
    for listing in dice.sample(listings, len(listings)):
        stay = Stay(
            listing_id=listing.id,
            check_in=trip.check_in,
            check_out=trip.check_in + timedelta(days=trip.nights),
            guests=dice.randint(1, listing.sleeps),
        )
        try:
            return Journey.begin(stay, traveller, rival, trip.booked_at)
        except DatesUnavailable:
            continue
    raise DatesUnavailable("No place of the catalogue is free.")


def _skip_deliveries() -> None:
    """Owe nobody anything: what handlers would do was done here, or must not be done at all."""
    owed = Delivery.objects.filter(event__actor=ACTOR).select_related("event")
    Receipt.objects.bulk_create(
        Receipt(
            event_id=delivery.event_id,
            handler=delivery.handler,
            how=Receipt.How.SKIPPED,
            attempts=0,
            worker=ACTOR,
            done_at=delivery.event.occurred_at,
        )
        for delivery in owed
    )
    Delivery.objects.filter(event__actor=ACTOR).delete()
