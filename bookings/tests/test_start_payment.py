"""POST /bookings/{id}/payments: what Chapa says at the counter, and what the client is told."""

from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.models import Booking, Listing
from bookings.services.paying import MOST_PAYMENTS
from bookings.tests.cast import (
    RunningSandbox,
    at_chapa,
    client_of,
    deliver_at,
    key,
    pay_silently,
    payment_for,
    settle,
)
from bookings.tests.factories import BookingFactory
from core.models import User
from events.base import Group
from events.models import Event
from payments.services.checkout import waiting_slot
from payments.services.closing import close_link
from payments.services.status import Payment


@pytest.fixture
def booking(chapa: RunningSandbox) -> Booking:
    del chapa
    return BookingFactory.create()


def start(booking: Booking, headers: dict[str, str] | None = None, user: User | None = None) -> Any:
    return client_of(user or booking.traveller).post(
        f"/api/v1/bookings/{booking.id}/payments",
        {},
        format="json",
        headers=key() if headers is None else headers,
    )


def test_a_held_booking_gets_a_checkout(chapa: RunningSandbox, booking: Booking) -> None:
    answer = start(booking)

    payment = Payment.objects.get()
    shown = answer.json()
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    assert shown["checkout_url"] == chapa.chapa.checkout_url(at_chapa(chapa, payment))
    assert shown["amount"] == {"amount": "3700.00", "currency": "ETB"}
    assert (shown["booking"], shown["status"]) == (str(booking.id), "pending")
    assert at_chapa(chapa, payment).amount == booking.total_amount
    assert Event.objects.get(type="payment.initiated").subject == f"payment:{payment.id}"


def test_a_price_that_changes_after_the_dates_were_taken_is_not_asked_for(
    chapa: RunningSandbox, booking: Booking
) -> None:
    Listing.objects.update(nightly_price="9999.00")

    assert start(booking).status_code == 201

    payment = Payment.objects.get()
    assert (payment.amount, at_chapa(chapa, payment).amount) == (booking.total_amount,) * 2


@pytest.mark.parametrize(("fault", "http_status"), [("500", 202), ("401", 503)])
def test_what_chapa_left_open_is_not_tried_by_the_next_request(
    chapa: RunningSandbox, booking: Booking, fault: str, http_status: int
) -> None:
    chapa.faults.set({"initialize": fault})
    headers = key()

    answer, again = start(booking, headers), start(booking, headers)

    # The rescue opens it; a second request waits for that.
    assert (answer.status_code, again.status_code) == (http_status, 202)
    assert chapa.store.calls(Payment.objects.get().tx_ref)["initialize"] == 1


def test_a_page_on_a_host_that_is_not_chapas_is_never_handed_out(
    booking: Booking, settings: Settings
) -> None:
    settings.CHAPA_CHECKOUT_HOSTS = ["checkout.chapa.co"]

    answer = start(booking)

    assert (answer.status_code, answer.json()["checkout_url"]) == (202, None)


def test_more_than_chapa_collects_is_refused_before_anything_is_made(booking: Booking) -> None:
    Booking.objects.update(total_amount="1000000.01")
    refused = start(booking)
    assert (refused.status_code, refused.json()["code"]) == (409, "amount_not_collectable")
    assert not Payment.objects.exists()

    Booking.objects.update(total_amount="1000000.00")
    assert start(booking).status_code == 201


def test_a_refusal_is_told_and_another_payment_may_be_started(
    chapa: RunningSandbox, booking: Booking
) -> None:
    chapa.faults.set({"initialize": "object"})
    refused = start(booking)
    chapa.faults.set({"initialize": "ok"})
    opened = start(booking)

    assert (refused.status_code, refused.json()["code"]) == (502, "gateway_refused")
    assert opened.status_code == 201
    assert sorted(Payment.objects.values_list("status", "failure_reason")) == [
        ("failed", "gateway_refused"),
        ("pending", ""),
    ]


def test_without_a_key_nothing_is_started(booking: Booking) -> None:
    for value in ("", '""', "x" * 256, "\x7f"):
        assert start(booking, {"Idempotency-Key": value}).status_code == 400
    assert start(booking, {}).json()["code"] == "idempotency_key_missing"
    assert not Payment.objects.exists()


@pytest.mark.parametrize("again", ["the same key", "quoted", "another key"])
def test_starting_twice_gives_the_same_payment(
    chapa: RunningSandbox, booking: Booking, again: str
) -> None:
    headers = key()
    first = start(booking, headers)
    repeated = {
        "the same key": headers,
        "quoted": {"Idempotency-Key": f'"{headers["Idempotency-Key"]}"'},
        "another key": key(),
    }

    second = start(booking, repeated[again])

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json()
    assert chapa.store.calls(first.json()["tx_ref"])["initialize"] == 1


def test_a_key_of_another_booking_is_refused(booking: Booking) -> None:
    other = BookingFactory.create(traveller=booking.traveller)
    headers = key()
    start(booking, headers)

    answer = start(other, headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert Payment.objects.count() == 1


def test_a_repeated_key_answers_with_its_payment_as_it_is_now(
    chapa: RunningSandbox, booking: Booking
) -> None:
    headers = key()
    first = start(booking, headers)
    payment = Payment.objects.get()
    pay_silently(chapa, payment)
    settle(payment, timezone.now())

    again = start(booking, headers)

    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert (again.json()["status"], again.json()["checkout_url"]) == ("succeeded", None)


@pytest.mark.parametrize("body", [{"amount": "1.00"}, {"status": "succeeded"}, {"tx_ref": "x"}])
def test_a_client_cannot_say_what_it_pays(booking: Booking, body: dict[str, str]) -> None:
    answer = client_of(booking.traveller).post(
        f"/api/v1/bookings/{booking.id}/payments", body, format="json", headers=key()
    )

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(body))}"
    assert not Payment.objects.exists()


@pytest.mark.parametrize("status", ["expired", "cancelled", "confirmed"])
def test_only_a_held_booking_can_be_paid(booking: Booking, status: str) -> None:
    Booking.objects.update(status=status, paid_by=booking.id)

    answer = start(booking)

    assert (answer.status_code, answer.json()["code"]) == (409, "booking_not_payable")


def test_a_hold_that_is_over_cannot_be_paid_even_before_it_is_swept(booking: Booking) -> None:
    Booking.objects.update(hold_expires_at=timezone.now())

    assert start(booking).status_code == 409


@pytest.mark.parametrize("status", ["in_review", "succeeded", "partially_refunded"])
def test_nobody_is_asked_to_pay_again_for_what_has_arrived(booking: Booking, status: str) -> None:
    payment_for(booking, status=status)

    answer = start(booking)

    assert (answer.status_code, answer.json()["code"]) == (409, "booking_not_payable")
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [("confirmed", "It is paid and confirmed."), ("expired", "It is expired. Book again.")],
)
def test_nobody_is_told_to_book_again_what_they_have(
    booking: Booking, status: str, told: str
) -> None:
    Booking.objects.update(status=status, paid_by=booking.id)

    assert start(booking).json()["detail"] == told


def test_a_page_that_was_closed_before_its_end_gives_way_to_another(
    chapa: RunningSandbox, booking: Booking
) -> None:
    headers = key()
    first = start(booking, headers).json()
    closed = Payment.objects.get()
    close_link(closed, timezone.now())

    assert start(booking, headers).json()["checkout_url"] is None
    second = start(booking)

    assert second.status_code == 201
    assert second.json()["checkout_url"] is not None
    closed.refresh_from_db()
    assert (closed.status, closed.failure_reason) == ("cancelled", "link_closed")
    # Whether it was paid before it was closed is found out first.
    assert chapa.store.calls(first["tx_ref"])["verify"] == 1
    assert chapa.chapa.is_payable(at_chapa(chapa, Payment.objects.get(status="pending")))


def test_money_on_a_page_that_was_closed_before_its_end_is_not_asked_for_again(
    chapa: RunningSandbox, booking: Booking
) -> None:
    start(booking)
    closed = Payment.objects.get()
    pay_silently(chapa, closed)
    Payment.objects.update(link_closed_at=timezone.now())

    assert start(booking).status_code == 202

    closed.refresh_from_db()
    assert closed.status == "succeeded"
    assert len(chapa.store.transactions()) == 1
    deliver_at(timezone.now() + timedelta(minutes=1), Group.CORE)
    booking.refresh_from_db()
    assert (booking.status, booking.paid_by) == ("confirmed", closed.id)
    assert not Payment.objects.filter(status="pending").exists()


def test_the_first_start_gives_time_to_pay_once(booking: Booking) -> None:
    soon = timezone.now() + timedelta(minutes=2)
    Booking.objects.update(hold_expires_at=soon)

    start(booking)
    extended = Booking.objects.get().hold_expires_at
    Booking.objects.update(hold_expires_at=soon)
    Payment.objects.update(status="failed")
    start(booking)

    assert extended >= soon + timedelta(minutes=12)
    assert Booking.objects.get().hold_expires_at == soon


def test_a_long_hold_is_not_cut_short(booking: Booking) -> None:
    start(booking)

    assert Booking.objects.get().hold_expires_at == booking.hold_expires_at
    assert Payment.objects.get().expires_at == booking.hold_expires_at


def test_when_half_the_threads_wait_the_next_start_is_answered_at_once(
    chapa: RunningSandbox, booking: Booking
) -> None:
    with ExitStack() as waiting:
        for _ in range(project_settings.WEB_THREADS // 2):
            waiting.enter_context(waiting_slot(timezone.now()))
        answer = start(booking)

    payment = Payment.objects.get()
    assert answer.status_code == 202
    assert chapa.store.calls(payment.tx_ref)["initialize"] == 0
    assert payment.asking_until is None


def test_while_chapa_is_away_a_start_is_answered_at_once_and_opened_when_it_is_back(
    chapa: RunningSandbox, booking: Booking
) -> None:
    chapa.faults.set({"initialize": "500"})
    for _ in range(3):
        assert start(BookingFactory.create()).status_code == 202

    answer = start(booking)

    assert (answer.status_code, answer["Retry-After"]) == (202, "3")
    payment = Payment.objects.get(reference=booking.id)
    assert chapa.store.calls(payment.tx_ref)["initialize"] == 0
    chapa.faults.clear()
    deliver_at(timezone.now() + timedelta(seconds=31), Group.CHAPA)
    assert start(booking).json()["checkout_url"] is not None


def test_the_payments_of_a_booking_are_listed_to_its_traveller(booking: Booking) -> None:
    first = payment_for(booking, status="failed")
    start(booking)

    listed = (
        client_of(booking.traveller)
        .get(f"/api/v1/bookings/{booking.id}/payments")
        .json()["results"]
    )

    assert [payment["status"] for payment in listed] == ["pending", "failed"]
    assert listed[1]["id"] == str(first.id)
    assert listed[1]["checkout_url"] is None


@pytest.mark.parametrize("last", [{"status": "failed"}, {"link_closed_at": timezone.now()}])
def test_starts_are_bounded_while_chapa_refuses(
    chapa: RunningSandbox, booking: Booking, last: dict[str, Any]
) -> None:
    for _ in range(MOST_PAYMENTS - 1):
        payment_for(booking, status="failed")
    payment_for(booking, **last)

    answer = start(booking)

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_payments")
    assert Payment.objects.count() == MOST_PAYMENTS
