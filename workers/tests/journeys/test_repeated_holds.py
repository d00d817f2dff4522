"""One request to hold a stay, sent many times at once over real sockets."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import requests
from django.utils import timezone

from bookings.models import Booking
from bookings.tests.factories import ListingFactory
from core.ids import new_id
from workers.tests.journeys.conftest import Client


def _hold_at_once(clients: list[Client], stay: dict[str, Any], key: str) -> list[requests.Response]:
    gate = Barrier(len(clients))

    def hold(client: Client) -> requests.Response:
        gate.wait()
        return client.post("bookings", stay, key=key)

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(hold, clients))


def _stay() -> dict[str, Any]:
    day = timezone.now().date() + timedelta(days=20)
    return {
        "listing": str(ListingFactory.create().id),
        "check_in": str(day),
        "check_out": str(day + timedelta(days=2)),
        "guests": 2,
    }


def test_one_key_sent_eight_times_at_once_holds_once(traveller: Client) -> None:
    answers = _hold_at_once([traveller.again() for _ in range(8)], _stay(), str(new_id()))

    assert [answer.status_code for answer in answers] == [201] * 8
    assert {answer.json()["id"] for answer in answers} == {str(Booking.objects.get().id)}


def test_the_same_key_of_two_people_is_two_requests(traveller: Client, stranger: Client) -> None:
    answers = _hold_at_once([traveller, stranger], _stay(), str(new_id()))

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert {answer.json().get("code") for answer in answers} >= {"dates_unavailable"}
    assert Booking.objects.count() == 1
