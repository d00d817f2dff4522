"""Half a minute of 32 clients who want overlapping nights of one place."""

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import requests

from workers.tests.crash.conftest import Trip
from workers.tests.crash.fleet import Fleet

pytestmark = pytest.mark.crash

CLIENTS = 32
SECONDS = 30


def test_overlapping_ranges_never_deadlock_and_never_overlap(fleet: Fleet, trip: Trip) -> None:
    place = trip.call("GET", "listings", 200)["results"][1]["id"]
    token = trip.session.headers["Authorization"]
    first = (datetime.now(UTC) + timedelta(days=200)).date()
    answers: Counter[str] = Counter()
    ends = time.monotonic() + SECONDS

    def book(seed: int) -> None:
        dice = random.Random(seed)
        session = requests.Session()
        session.headers["Authorization"] = str(token)
        while time.monotonic() < ends:
            check_in = first + timedelta(days=dice.randrange(120))
            stay = {
                "listing": place,
                "check_in": str(check_in),
                "check_out": str(check_in + timedelta(days=dice.randint(1, 9))),
                "guests": 1,
            }
            answer = session.post(f"{fleet.plan.web_url}/api/v1/bookings", json=stay, timeout=30)
            code = answer.json().get("code", "") if answer.status_code != 201 else ""
            answers[
                f"{answer.status_code} {code if answer.status_code != 201 else ''}".strip()
            ] += 1
            if answer.status_code == 201 and dice.random() < 0.7:
                # Give the nights back, so that the crowd goes on fighting for them.
                session.post(
                    f"{fleet.plan.web_url}/api/v1/bookings/{answer.json()['id']}/cancel",
                    json={},
                    timeout=30,
                )

    crowd = [threading.Thread(target=book, args=(seed,)) for seed in range(CLIENTS)]
    for client in crowd:
        client.start()
    for client in crowd:
        client.join()

    overlaps = fleet.sql(
        """select a.id from bookings_booking a join bookings_booking b
             on a.listing_id = b.listing_id and a.id < b.id
            and a.check_in < b.check_out and b.check_in < a.check_out
           where a.status in ('held', 'confirmed') and b.status in ('held', 'confirmed')"""
    )
    assert not overlaps
    assert set(answers) == {"201", "409 dates_unavailable"}, answers
    assert answers["201"] > 20
    assert b"deadlock" not in (fleet.logs / "postgres.log").read_bytes()
