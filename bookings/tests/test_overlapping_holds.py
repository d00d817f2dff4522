"""Many travellers want overlapping nights of one place at the same moment."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from bookings.models import Booking
from bookings.services.ending import cancel_booking
from bookings.services.holding import DatesUnavailable, Stay, hold_booking
from bookings.tests.factories import ListingFactory
from core.tests.factories import UserFactory
from core.tests.threads import at_once

AT = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
CLIENTS = 32
WISHES = 5


@pytest.mark.crash
@pytest.mark.django_db(transaction=True)
def test_overlapping_nights_are_never_held_twice_and_nobody_deadlocks() -> None:
    listing = ListingFactory.create()
    travellers = [UserFactory.create() for _ in range(CLIENTS)]

    def want(number: int) -> Counter[str]:
        dice, outcomes = random.Random(number), Counter[str]()
        for _ in range(WISHES):
            first = AT.date() + timedelta(days=dice.randrange(1, 60))
            nights = timedelta(days=dice.randrange(1, 12))
            stay = Stay(listing.id, first, first + nights, 1)
            try:
                held = hold_booking(
                    stay=stay, traveller=travellers[number], request_key=None, at=AT
                )
            except DatesUnavailable:
                outcomes["refused"] += 1
                continue
            outcomes["held"] += 1
            if dice.random() < 0.8:
                cancel_booking(booking_id=held.id, traveller=travellers[number], at=AT)
        return outcomes

    outcomes = sum(at_once(CLIENTS, want), Counter[str]())

    assert outcomes["held"] > 10
    assert outcomes["refused"] > 10
    assert Booking.objects.count() == outcomes["held"]
    stored = [(b.check_in, b.check_out) for b in Booking.objects.filter(status="held")]
    assert all(one[1] <= other[0] for one, other in pairwise(sorted(stored)))
