from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bookings.models import Listing
from bookings.tests.factories import BookingFactory, ListingFactory
from core.days import today
from core.ids import new_id

pytestmark = pytest.mark.django_db

URL = "/api/v1/listings"


def day(ahead: int) -> date:
    return today(timezone.now()) + timedelta(days=ahead)


def find(**query: Any) -> list[str]:
    answer = APIClient().get(URL, query)
    assert answer.status_code == 200, answer.content
    return [listing["slug"] for listing in answer.json()["results"]]


def test_a_listing_is_shown_without_a_login() -> None:
    listing = ListingFactory.create(slug="castle-view", nightly_price="1850.50")

    shown = APIClient().get(f"{URL}/{listing.id}").json()

    assert shown == {
        "id": str(listing.id),
        "slug": "castle-view",
        "name": listing.name,
        "kind": "guesthouse",
        "city": "Lalibela",
        "region": "Amhara",
        "area": "Old town",
        "description": "A room above the courtyard.",
        "sleeps": 3,
        "nightly_price": {"amount": "1850.50", "currency": "ETB"},
        "amenities": ["Wi-Fi"],
        "cancellation": "moderate",
    }


def test_withdrawn_and_unknown_listings_are_not_there() -> None:
    withdrawn = ListingFactory.create(is_listed=False)

    for listing_id in (withdrawn.id, new_id()):
        answer = APIClient().get(f"{URL}/{listing_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "listing_unknown")
    assert find() == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"cheap", "dear", "gondar"}),
        ({"city": "lalibela"}, {"cheap", "dear"}),
        ({"city": "Axum"}, set()),
        ({"guests": 4}, {"dear"}),
        ({"max_price": "900.00"}, {"cheap", "gondar"}),
        ({"max_price": "899.99"}, {"gondar"}),
        ({"city": "Lalibela", "guests": 2, "max_price": "1000"}, {"cheap"}),
    ],
)
def test_filters_narrow_the_search(query: dict[str, Any], found: set[str]) -> None:
    ListingFactory.create(slug="cheap", nightly_price="900.00", sleeps=2)
    ListingFactory.create(slug="dear", nightly_price="5000.00", sleeps=6)
    ListingFactory.create(slug="gondar", city="Gondar", nightly_price="800.00", sleeps=2)

    assert set(find(**query)) == found


@pytest.mark.parametrize(
    ("check_in", "check_out", "free"),
    [(28, 30, True), (32, 35, True), (31, 32, False), (28, 31, False), (11, 42, False)],
)
@pytest.mark.parametrize(
    ("status", "occupies"),
    [("held", True), ("confirmed", True), ("expired", False), ("cancelled", False)],
)
def test_only_places_free_on_every_night_are_found(
    check_in: int, check_out: int, free: bool, status: str, occupies: bool
) -> None:
    BookingFactory.create(
        check_in=day(30),
        check_out=day(32),
        status=status,
        paid_by=new_id() if status == "confirmed" else None,
    )
    assert find(check_in=day(30), check_out=day(32)) == ([] if occupies else find())

    found = find(check_in=day(check_in), check_out=day(check_out))

    assert bool(found) == (free or not occupies)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"check_in": "2027-03-20"}, "/check_out"),
        ({"check_out": "2027-03-20"}, "/check_in"),
        ({"check_in": "soon", "check_out": "2027-03-19"}, "/check_in"),
        ({"guests": 0}, "/guests"),
        ({"guests": "all"}, "/guests"),
        ({"max_price": "-1"}, "/max_price"),
        ({"max_price": "NaN"}, "/max_price"),
        ({"page_size": 101}, "/page_size"),
        ({"city": "a\x00b"}, "/city"),
        ({"is_listed": "false"}, "/is_listed"),
        ({"host": "x"}, "/host"),
    ],
)
def test_a_search_that_makes_no_sense_is_pointed_at(query: dict[str, Any], pointer: str) -> None:
    answer = APIClient().get(URL, query)

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("check_in", "check_out", "pointers"),
    [
        (0, 1, []),
        (500, 560, []),
        (-1, 1, ["/check_in"]),
        (501, 502, ["/check_in"]),
        (20, 20, ["/check_out"]),
        (20, 19, ["/check_out"]),
        (20, 81, ["/check_out"]),
        (-2, -2, ["/check_in", "/check_out"]),
    ],
)
def test_only_dates_that_can_be_booked_are_looked_for(
    check_in: int, check_out: int, pointers: list[str]
) -> None:
    query = {"check_in": str(day(check_in)), "check_out": str(day(check_out))}

    answer = APIClient().get(URL, query)

    assert answer.status_code == (400 if pointers else 200)
    assert [error["pointer"] for error in answer.json().get("errors", [])] == pointers
    assert answer.json().get("code", "stay_invalid") == "stay_invalid"


def test_every_listing_is_on_one_page_of_many_even_if_made_at_the_same_moment() -> None:
    made = [ListingFactory.create() for _ in range(7)]

    seen: list[str] = []
    address, pages = f"{URL}?page_size=3&city=Lalibela", 0
    while address:
        page = APIClient().get(address).json()
        seen += [listing["id"] for listing in page["results"]]
        address, pages = page["next"], pages + 1

    assert pages == 3
    assert sorted(seen) == sorted(str(listing.id) for listing in made)


def test_the_newest_listing_comes_first_and_a_page_leads_back() -> None:
    for number in range(3):
        ListingFactory.create(
            slug=f"n{number}", created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
        )

    first = APIClient().get(URL, {"page_size": 1}).json()
    second = APIClient().get(first["next"]).json()

    assert first["results"][0]["slug"] == "n2"
    assert first["previous"] is None
    assert APIClient().get(second["previous"]).json()["results"] == first["results"]


def test_a_broken_cursor_is_a_problem() -> None:
    answer = APIClient().get(URL, {"cursor": "broken"})

    assert answer.status_code in (400, 404)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Listing.objects.exists()
