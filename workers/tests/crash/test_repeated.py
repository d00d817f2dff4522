"""The web process dies between a commit and its answer, and the client asks again."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta

import pytest
import requests

from core.ids import new_id
from core.tests.threads import eventually
from workers.tests.crash.conftest import Trip
from workers.tests.crash.fleet import Fleet
from workers.tests.crash.mail_server import Mailbox

pytestmark = pytest.mark.crash


def _kill_before_the_answer(fleet: Fleet, answer: Future[requests.Response]) -> None:
    assert not answer.done()
    fleet.kill("web")
    with pytest.raises(requests.RequestException):
        answer.result(timeout=20)


def test_a_payment_that_was_committed_is_answered_to_the_same_key(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    url = f"{fleet.plan.web_url}/api/v1/bookings/{trip.booking['id']}/payments"
    key = {"Idempotency-Key": str(new_id())}
    fleet.chapa("POST", "faults", {"latency_s": 4.0})

    with ThreadPoolExecutor(1) as client:
        answer = client.submit(trip.session.post, url, json={}, headers=key, timeout=30)
        (committed,) = eventually(
            lambda: fleet.sql(
                "select id::text from payments_payment where reference = %s", trip.booking["id"]
            ),
            within=20,
        )
        _kill_before_the_answer(fleet, answer)
    fleet.chapa("DELETE", "faults")
    fleet.launch("web")

    def is_decided() -> bool:
        again = trip.session.post(url, json={}, headers=key, timeout=30)
        assert again.status_code in (200, 202), again.text
        trip.payment = again.json()
        assert (trip.payment["id"],) == committed
        return trip.payment["checkout_url"] is not None or trip.payment["status"] != "pending"

    # Whoever looks after a checkout that nobody heard of does so after half a minute.
    eventually(is_decided, within=60)
    if trip.payment["checkout_url"] is None:
        # Chapa had opened a page, and its address died with the process.
        assert trip.payment["status"] == "cancelled"
        trip.start_payment()
    trip.pay()
    trip.await_confirmation()
    trip.assert_happened_once(mailbox[0])


def test_a_booking_that_was_committed_is_answered_to_the_same_key(fleet: Fleet, trip: Trip) -> None:
    after = date.fromisoformat(trip.booking["check_out"]) + timedelta(days=300)
    stay = {
        "listing": trip.booking["listing"],
        "check_in": str(after),
        "check_out": str(after + timedelta(days=2)),
        "guests": 1,
    }
    url = f"{fleet.plan.web_url}/api/v1/bookings"
    key = {"Idempotency-Key": str(new_id())}
    # A commit that is done waits for a copy on a server that does not exist.
    _wait_for_copies_on(fleet, "nobody")
    try:
        with ThreadPoolExecutor(1) as client:
            answer = client.submit(trip.session.post, url, json=stay, headers=key, timeout=30)
            eventually(lambda: _booking_waits_for_its_copy(fleet), within=20)
            _kill_before_the_answer(fleet, answer)
    finally:
        _wait_for_copies_on(fleet, "")
    fleet.launch("web")

    again = trip.session.post(url, json=stay, headers=key, timeout=30)
    fresh = trip.session.post(url, json=stay, timeout=30)

    assert again.status_code == 201, again.text
    assert fresh.json()["code"] == "dates_unavailable"
    held = fleet.sql(
        "select id::text from bookings_booking where listing_id = %s and check_in = %s",
        stay["listing"],
        stay["check_in"],
    )
    assert held == [(again.json()["id"],)]


def _wait_for_copies_on(fleet: Fleet, standby: str) -> None:
    fleet.sql(f"alter system set synchronous_standby_names = '{standby}'")
    fleet.sql("select pg_reload_conf()")
    eventually(lambda: fleet.sql("show synchronous_standby_names") == [(standby,)])


def _booking_waits_for_its_copy(fleet: Fleet) -> bool:
    return bool(
        fleet.sql(
            """select 1 from pg_locks l join pg_stat_activity a using (pid)
               where a.wait_event = 'SyncRep' and l.relation = 'bookings_booking'::regclass
                 and l.mode = 'RowExclusiveLock'"""
        )
    )
