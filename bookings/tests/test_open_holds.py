"""How many unpaid bookings one traveller may keep from everybody else."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.models import Booking
from bookings.services.holding import Stay, TooManyHolds, hold_booking
from bookings.tests.cast import client_of, key
from bookings.tests.factories import BookingFactory, ListingFactory
from core.ids import new_id
from core.models import User
from core.rates import Rate
from core.tests.factories import UserFactory
from core.tests.threads import at_once


@pytest.fixture(autouse=True)
def at_most_two(settings: Settings) -> None:
    settings.OPEN_HOLDS_PER_USER = 2


def hold(traveller: User) -> Booking:
    now = timezone.now()
    first = now.date() + timedelta(days=30)
    stay = Stay(ListingFactory.create().id, first, first + timedelta(days=1), 1)
    return hold_booking(stay=stay, traveller=traveller, request_key=None, at=now)


@pytest.mark.django_db
def test_one_more_than_the_limit_is_refused_and_other_travellers_are_not() -> None:
    traveller = UserFactory.create()
    hold(traveller)
    hold(traveller)

    with pytest.raises(TooManyHolds):
        hold(traveller)

    assert Booking.objects.filter(traveller=traveller).count() == 2
    hold(UserFactory.create())


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["confirmed", "expired", "cancelled"])
def test_what_is_no_longer_held_does_not_count(status: str) -> None:
    traveller = UserFactory.create()
    for _ in range(2):
        BookingFactory.create(traveller=traveller, status=status, paid_by=new_id())

    hold(traveller)


@pytest.mark.django_db(transaction=True)
def test_of_many_holds_at_once_no_more_than_the_limit_are_made() -> None:
    traveller = UserFactory.create()

    def try_to_hold(_: int) -> bool:
        try:
            hold(traveller)
        except TooManyHolds:
            return False
        return True

    assert sum(at_once(6, try_to_hold)) == 2


@pytest.mark.django_db
def test_the_refusal_says_what_to_do_and_repeats_are_still_answered() -> None:
    traveller = UserFactory.create()
    client, listing, first = client_of(traveller), ListingFactory.create(), timezone.now().date()
    day = [str(first + timedelta(days=20 + each)) for each in range(4)]
    bodies = [
        {"listing": str(listing.id), "check_in": day[n], "check_out": day[n + 1], "guests": 1}
        for n in range(3)
    ]
    keys = [key() for _ in bodies]
    answers = [
        client.post("/api/v1/bookings", body, format="json", headers=headers)
        for body, headers in zip(bodies, keys, strict=True)
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].json()["code"] == "too_many_holds"
    assert answers[2].json()["detail"] == "Pay for one of them, or cancel one."
    first_end = Booking.objects.order_by("hold_expires_at")[0].hold_expires_at
    wait = timedelta(seconds=int(answers[2]["Retry-After"]))
    assert timedelta() <= wait - (first_end - timezone.now()) < timedelta(seconds=60)
    again = client.post("/api/v1/bookings", bodies[0], format="json", headers=keys[0])
    assert (again.status_code, again.json()["id"]) == (201, answers[0].json()["id"])


@pytest.mark.django_db
def test_repeating_a_request_is_no_new_attempt(settings: Settings) -> None:
    settings.HOLDS_PER_USER = Rate(1, timedelta(hours=1))
    client, headers, first = client_of(UserFactory.create()), key(), timezone.now().date()
    body = {
        "listing": str(ListingFactory.create().id),
        "check_in": str(first + timedelta(days=20)),
        "check_out": str(first + timedelta(days=21)),
        "guests": 1,
    }

    answers = [
        client.post("/api/v1/bookings", body, format="json", headers=headers) for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.django_db
def test_holding_and_giving_up_over_and_over_has_an_end(settings: Settings) -> None:
    settings.HOLDS_PER_USER = Rate(2, timedelta(hours=1))
    client, listing = client_of(UserFactory.create()), ListingFactory.create()
    first = timezone.now().date() + timedelta(days=20)
    body = {
        "listing": str(listing.id),
        "check_in": str(first),
        "check_out": str(first + timedelta(days=1)),
        "guests": 1,
    }
    statuses = []
    for _ in range(3):
        held = client.post("/api/v1/bookings", body, format="json")
        statuses.append(held.status_code)
        if held.status_code == 201:
            client.post(f"/api/v1/bookings/{held.json()['id']}/cancel", {}, format="json")

    assert statuses == [201, 201, 429]
    assert held.json()["code"] == "throttled"
    assert 0 < int(held["Retry-After"]) <= 1800
