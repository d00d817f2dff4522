"""Stays that stand without their money: seen by operators, and what they say of them."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from bookings.models import Booking
from bookings.tests.factories import BookingFactory
from core.ids import new_id
from workers.tests.people import person, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance() -> APIClient:
    return staff("view_event", "add_refund")


@pytest.fixture
def flagged() -> Booking:
    return BookingFactory.create(status="confirmed", paid_by=new_id(), attention="payment_reversed")


def resolve(client: APIClient, booking_id: object, reason: str) -> tuple[int, dict[str, object]]:
    answer = client.post(
        f"/api/v1/ops/bookings/{booking_id}/resolve", {"reason": reason}, format="json"
    )
    return answer.status_code, answer.json()


def flags() -> list[str]:
    lines = Client().get("/metrics").content.decode().splitlines()
    return [line for line in lines if line.startswith("guzo_bookings_flagged")]


def test_it_is_counted_until_a_person_says_why_it_stands(
    finance: APIClient, flagged: Booking
) -> None:
    assert flags() == ['guzo_bookings_flagged{reason="payment_reversed"} 1.0']

    status, body = resolve(finance, flagged.id, " paid the host in cash ")

    assert (status, body["status"], body["attention"]) == (200, "confirmed", "")
    [decision] = Booking.objects.get().decisions
    assert (decision["reason"], decision["attention"]) == (
        "paid the host in cash",
        "payment_reversed",
    )
    assert decision["person"].startswith("user:")
    assert body["decisions"] == [decision]
    assert flags() == []
    assert resolve(finance, flagged.id, "again")[1]["code"] == "booking_not_flagged"


def test_a_stay_that_was_given_up_needs_nobody(flagged: Booking) -> None:
    Booking.objects.update(status="cancelled", ended_at=flagged.created_at)

    assert flags() == []


def test_only_who_decides_about_money_and_only_with_a_reason(
    finance: APIClient, flagged: Booking
) -> None:
    assert resolve(finance, flagged.id, " ")[1]["code"] == "reason_missing"
    assert resolve(staff("view_event"), flagged.id, "x")[0] == 403
    assert resolve(finance, new_id(), "x")[1]["code"] == "booking_unknown"
    assert Booking.objects.get().attention == "payment_reversed"


def test_the_admin_finds_it(flagged: Booking) -> None:
    BookingFactory.create()
    operator = Client()
    operator.force_login(person("view_booking"))

    page = operator.get("/admin/bookings/booking/", {"attention": "payment_reversed"})

    assert page.status_code == 200
    assert flagged.code in page.content.decode()
    assert "1 booking" in page.content.decode()
