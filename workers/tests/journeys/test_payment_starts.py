"""Many requests that start one payment, over real sockets."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests
from django.db import transaction
from pytest_django.fixtures import Settings

from bookings.models import Booking
from core.ids import new_id
from core.tests.threads import eventually
from events.outbox import record
from payments.chapa.sandbox.server import RunningSandbox
from payments.events import PaymentFailed
from payments.models import Payment
from payments.tests.factories import PaymentFactory
from workers.tests.journeys.conftest import Client, held_stay

pytestmark = pytest.mark.crash


def start_at_once(
    traveller: Client, booking_ids: list[str], keys: list[str]
) -> list[requests.Response]:
    gate = Barrier(len(keys))

    def start(number: int) -> requests.Response:
        own = traveller.again()
        gate.wait()
        return own.start_payment(booking_ids[number], keys[number])

    with ThreadPoolExecutor(len(keys)) as pool:
        return list(pool.map(start, range(len(keys))))


def fail_to_start(traveller: Client, booking_id: str) -> None:
    """Leave what a start leaves that Chapa refused."""
    failed = PaymentFactory.create(
        reference=booking_id, payer=traveller.user, status="failed", checkout_url=""
    )
    with transaction.atomic():
        record(
            PaymentFailed(
                payment_id=failed.id, reference=failed.reference, reason="gateway_refused"
            ),
            at=failed.created_at,
        )


@pytest.mark.parametrize("earlier", ["nothing", "a failed payment"])
def test_twenty_starts_with_twenty_keys_make_one_payment(
    traveller: Client, chapa: RunningSandbox, drain: Callable[[], int], earlier: str
) -> None:
    booking = held_stay(traveller)
    if earlier == "a failed payment":
        # With the hold extended already, only its lock keeps the starts apart.
        Booking.objects.update(hold_extended=True)
        fail_to_start(traveller, booking["id"])

    answers = start_at_once(traveller, [booking["id"]] * 20, [str(new_id()) for _ in range(20)])
    drain()

    assert {answer.status_code for answer in answers} <= {200, 201, 202}
    assert Counter(answer.status_code for answer in answers)[201] <= 1
    assert {answer.json()["id"] for answer in answers} == {
        str(Payment.objects.get(status="pending").id)
    }
    (tx_ref,) = chapa.store.called_references()
    assert chapa.store.calls(tx_ref)["initialize"] == 1
    after = traveller.start_payment(booking["id"])
    assert (after.status_code, after.json()["tx_ref"]) == (200, tx_ref)
    assert after.json()["checkout_url"] is not None


def test_one_key_sent_ten_times_at_once_makes_one_payment(
    traveller: Client, chapa: RunningSandbox, drain: Callable[[], int]
) -> None:
    booking = held_stay(traveller)

    answers = start_at_once(traveller, [booking["id"]] * 10, [str(new_id())] * 10)
    drain()

    assert {answer.status_code for answer in answers} <= {200, 201, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(chapa.store.called_references()) == 1


def test_one_key_for_two_bookings_at_once_serves_one_of_them(
    traveller: Client, chapa: RunningSandbox
) -> None:
    assert chapa
    bookings = [held_stay(traveller)["id"] for _ in range(2)]

    answers = start_at_once(traveller, bookings, [str(new_id())] * 2)

    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert Payment.objects.count() == 1


def test_while_half_the_threads_wait_for_chapa_the_next_is_answered_at_once(
    traveller: Client, chapa: RunningSandbox, drain: Callable[[], int], settings: Settings
) -> None:
    half = settings.WEB_THREADS // 2
    settings.OPEN_HOLDS_PER_USER = half + 1
    bookings = [held_stay(traveller)["id"] for _ in range(half + 1)]
    chapa.faults.set({"latency_s": 3.0})

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(
            start_at_once, traveller, bookings[:half], [str(new_id()) for _ in range(half)]
        )
        eventually(lambda: len(chapa.store.called_references()) == half)
        quick = traveller.start_payment(bookings[half])
        assert not slow.done()
        waited = slow.result()

    assert quick.status_code == 202
    assert [answer.status_code for answer in waited] == [201] * half
    assert quick.json()["checkout_url"] is None

    chapa.faults.clear()
    drain()
    opened = traveller.get(f"payments/{quick.json()['id']}").json()
    assert opened["checkout_url"] is not None
