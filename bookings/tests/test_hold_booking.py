from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from bookings.models import Booking, Listing
from bookings.services.holding import (
    DatesUnavailable,
    Stay,
    StayInvalid,
    hold_booking,
)
from bookings.tests.cast import client_of, events_of, key
from bookings.tests.factories import BookingFactory, ListingFactory
from core.days import today
from core.ids import new_id
from core.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

AT = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def day(number: int) -> date:
    return timezone.now().date() + timedelta(days=number)


def stay_at(listing: Listing, first: int = 20, last: int = 22, /, **changed: Any) -> dict[str, Any]:
    body = {
        "listing": str(listing.id),
        "check_in": str(day(first)),
        "check_out": str(day(last)),
        "guests": 2,
    }
    return body | changed


def hold(client: APIClient, body: dict[str, Any], **headers: str) -> Any:
    return client.post("/api/v1/bookings", body, format="json", headers=headers)


def test_a_hold_takes_the_dates_at_todays_price() -> None:
    listing = ListingFactory.create(nightly_price="1850.50", cancellation="strict")
    traveller = UserFactory.create()

    before = timezone.now()
    answer = hold(client_of(traveller), stay_at(listing))

    booking = Booking.objects.get()
    shown = answer.json()
    assert answer.status_code == 201
    assert shown["id"] == str(booking.id)
    assert len(shown["code"]) == 8
    assert (shown["status"], shown["nights"], shown["cancellation"]) == ("held", 2, "strict")
    assert shown["total"] == {"amount": "3701.00", "currency": "ETB"}
    assert shown["listing"] == str(listing.id)
    assert booking.traveller == traveller
    assert (
        timedelta(0) <= booking.hold_expires_at - before - settings.HOLD_FOR < timedelta(minutes=1)
    )
    assert events_of(booking) == ["booking.held"]


def test_price_and_terms_stay_as_they_were_held() -> None:
    listing = ListingFactory.create()
    client = client_of(UserFactory.create())
    booking_id = hold(client, stay_at(listing)).json()["id"]

    Listing.objects.update(nightly_price="9999.00", cancellation="strict", is_listed=False)

    shown = client.get(f"/api/v1/bookings/{booking_id}").json()
    assert shown["total"]["amount"] == "3700.00"
    assert shown["cancellation"] == "moderate"


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"check_in": str(date(2020, 1, 1))}, "/check_in"),
        ({"check_in": "2027-02-30"}, "/check_in"),
        ({"check_in": None}, "/check_in"),
        ({"check_out": ""}, "/check_out"),
        ({"guests": 0}, "/guests"),
        ({"guests": 4}, "/guests"),
        ({"guests": 51}, "/guests"),
        ({"guests": "two"}, "/guests"),
        ({"listing": "place-1"}, "/listing"),
        ({"status": "confirmed"}, "/status"),
        ({"amount": "1.00"}, "/amount"),
        ({"total": {"amount": "1.00", "currency": "ETB"}}, "/total"),
        ({"total_amount": "1.00"}, "/total_amount"),
        ({"traveller": "x"}, "/traveller"),
        ({"paid_by": "3f2c6a1e-9b7d-4c58-8a3e-1d2f4b6c8e90"}, "/paid_by"),
        ({"hold_expires_at": "2099-01-01T00:00:00Z"}, "/hold_expires_at"),
    ],
)
def test_what_is_wrong_is_pointed_at_and_nothing_is_held(
    changed: dict[str, Any], pointer: str
) -> None:
    answer = hold(client_of(UserFactory.create()), stay_at(ListingFactory.create(), **changed))

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Booking.objects.exists()


@pytest.mark.parametrize("field", ["listing", "check_in", "check_out", "guests"])
def test_nothing_may_be_left_out(field: str) -> None:
    body = stay_at(ListingFactory.create())
    del body[field]

    answer = hold(client_of(UserFactory.create()), body)

    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]


@pytest.mark.parametrize("body", [b"[]", b"7", b"{", b"null", b'{"guests": NaN}'])
def test_a_body_that_is_no_object_is_a_problem(body: bytes) -> None:
    client = client_of(UserFactory.create())

    answer = client.post("/api/v1/bookings", body, content_type="application/json")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("first", "last", "guests", "pointers"),
    [
        (0, 1, 1, []),
        (-1, 1, 1, ["/check_in"]),
        (500, 501, 1, []),
        (501, 502, 1, ["/check_in"]),
        (3, 3, 1, ["/check_out"]),
        (3, 2, 1, ["/check_out"]),
        (3, 63, 1, []),
        (3, 64, 1, ["/check_out"]),
        (-1, -1, 9, ["/check_in", "/check_out", "/guests"]),
    ],
)
def test_a_stay_fits_the_calendar_and_the_place(
    first: int, last: int, guests: int, pointers: list[str]
) -> None:
    listing = ListingFactory.create()
    stay = Stay(
        listing.id,
        AT.date() + timedelta(days=first),
        AT.date() + timedelta(days=last),
        guests,
    )

    try:
        hold_booking(stay=stay, traveller=UserFactory.create(), request_key=None, at=AT)
        wrong: list[str] = []
    except StayInvalid as invalid:
        wrong = list(invalid.pointers)

    assert wrong == pointers


@pytest.mark.parametrize(
    ("at", "there"),
    [
        (datetime(2027, 3, 1, 20, 59, tzinfo=UTC), date(2027, 3, 1)),
        (datetime(2027, 3, 1, 21, 0, tzinfo=UTC), date(2027, 3, 2)),
    ],
)
def test_a_day_begins_in_addis_ababa(at: datetime, there: date) -> None:
    assert today(at) == there


@pytest.mark.parametrize(
    ("first", "last", "free"),
    [
        (18, 20, True),
        (22, 24, True),
        (18, 21, False),
        (21, 24, False),
        (20, 22, False),
        (19, 23, False),
        (20, 21, False),
    ],
)
@pytest.mark.parametrize("status", ["held", "confirmed", "expired", "cancelled"])
def test_nights_are_taken_once(first: int, last: int, free: bool, status: str) -> None:
    listing = ListingFactory.create()
    BookingFactory.create(
        listing=listing,
        check_in=day(20),
        check_out=day(22),
        status=status,
        paid_by=new_id() if status == "confirmed" else None,
    )

    answer = hold(client_of(UserFactory.create()), stay_at(listing, first, last))

    if free or status in ("expired", "cancelled"):
        assert answer.status_code == 201
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "dates_unavailable")


def test_the_database_itself_refuses_a_double_booking() -> None:
    booking = BookingFactory.create()

    with pytest.raises(IntegrityError, match="bookings_no_double_booking"), transaction.atomic():
        BookingFactory.create(listing=booking.listing, check_in=booking.check_in)


def test_a_place_not_offered_or_not_there_cannot_be_held() -> None:
    client = client_of(UserFactory.create())
    withdrawn = ListingFactory.create(is_listed=False)

    for listing in (withdrawn, Listing(id=new_id())):
        answer = hold(client, stay_at(listing))
        assert (answer.status_code, answer.json()["code"]) == (404, "listing_unknown")


def test_the_same_key_holds_once_and_answers_as_it_is_by_now() -> None:
    client, headers = client_of(UserFactory.create()), key()
    body = stay_at(ListingFactory.create())

    first = hold(client, body, **headers)
    Booking.objects.update(status="expired")
    again = hold(client, dict(reversed(body.items())), **headers)

    assert first.status_code == again.status_code == 201
    assert again.json() == first.json() | {"status": "expired"}
    assert Booking.objects.count() == 1


def test_a_key_used_for_something_else_is_refused() -> None:
    client, headers = client_of(UserFactory.create()), key()
    listing = ListingFactory.create()
    hold(client, stay_at(listing), **headers)

    answer = hold(client, stay_at(listing, 30, 31), **headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Booking.objects.count() == 1


def test_a_key_belongs_to_its_traveller() -> None:
    listing, headers = ListingFactory.create(), key()

    first = hold(client_of(UserFactory.create()), stay_at(listing), **headers)
    other = hold(client_of(UserFactory.create()), stay_at(listing, 30, 31), **headers)

    assert first.json()["id"] != other.json()["id"]


def test_a_failed_hold_does_not_use_its_key_up() -> None:
    client, headers = client_of(UserFactory.create()), key()
    taken = BookingFactory.create(check_in=day(20), check_out=day(22))

    assert hold(client, stay_at(taken.listing), **headers).status_code == 409
    Booking.objects.update(status="expired")
    assert hold(client, stay_at(taken.listing), **headers).status_code == 201


def test_strangers_see_nothing_of_a_booking() -> None:
    booking = BookingFactory.create()
    stranger = client_of(UserFactory.create())
    address = f"/api/v1/bookings/{booking.id}"

    for path, ask in (
        (address, stranger.get),
        (f"{address}/payments", stranger.get),
        (f"{address}/cancel", stranger.post),
    ):
        answer = ask(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "booking_unknown")
    assert stranger.post(f"{address}/payments", headers=key()).status_code == 404
    assert stranger.get("/api/v1/bookings").json()["results"] == []
    assert APIClient().get(address).status_code == 401
    assert APIClient().post("/api/v1/bookings").status_code == 401


def test_a_traveller_pages_through_bookings_newest_first() -> None:
    traveller = UserFactory.create()
    made = [
        BookingFactory.create(traveller=traveller, created_at=AT + timedelta(minutes=n))
        for n in range(5)
    ]
    client = client_of(traveller)

    seen: list[str] = []
    address = "/api/v1/bookings?page_size=2"
    while address:
        page = client.get(address).json()
        seen += [booking["id"] for booking in page["results"]]
        address = page["next"]

    assert seen == [str(booking.id) for booking in reversed(made)]


def test_the_refusal_names_the_dates_even_without_http() -> None:
    booking = BookingFactory.create(created_at=AT)
    stay = Stay(booking.listing_id, booking.check_in, booking.check_out, 1)

    with pytest.raises(DatesUnavailable):
        hold_booking(stay=stay, traveller=UserFactory.create(), request_key=None, at=AT)

    assert Booking.objects.get().total.amount == Decimal("3700.00")
