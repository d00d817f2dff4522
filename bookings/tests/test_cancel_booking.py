from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from bookings.models import Booking
from bookings.services.ending import BookingNotCancellable, cancel_booking
from bookings.services.giving_back import order_rest
from bookings.tests.cast import (
    START,
    RunningSandbox,
    apply,
    at_chapa,
    client_of,
    deliver_at,
    events_of,
    payment_for,
    start,
)
from bookings.tests.factories import BookingFactory
from bookings.tests.letters import end, fail, hear, order_back, pay
from events.base import Group
from events.models import Event
from payments.services.deciding import accept_payment
from payments.services.seeding import Outcome
from payments.services.status import Payment


def cancel(booking: Booking, at: datetime) -> Booking:
    with transaction.atomic():
        return cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=at)


def confirmed(**values: Any) -> Booking:
    booking = BookingFactory.create(created_at=START, **values)
    return apply(booking, payment_for(booking, status="succeeded"))


def back_of(booking: Booking) -> str:
    cancelled = Event.objects.get(type="booking.cancelled", subject=f"booking:{booking.id}")
    return str(cancelled.data["refundable"]["amount"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("terms", "days_before", "back"),
    [
        ("flexible", 1, "3700.00"),
        ("moderate", 5, "3700.00"),
        ("moderate", 2, "1850.00"),
        ("strict", 20, "1850.00"),
        ("strict", 5, "0.00"),
    ],
)
def test_what_the_terms_give_back_is_ordered_once(terms: str, days_before: int, back: str) -> None:
    booking = confirmed(cancellation=terms)
    payment = Payment.objects.get()
    at = START + timedelta(days=30 - days_before)

    for _ in range(2):
        assert cancel(booking, at).status == "cancelled"

    assert [str(refund.amount) for refund in payment.refunds.all()] == (
        [back] if back != "0.00" else []
    )
    assert back_of(booking) == back
    assert events_of(booking) == ["booking.confirmed", "booking.cancelled"]


@pytest.mark.django_db
def test_what_a_person_took_for_the_price_goes_back_as_it_came() -> None:
    booking = BookingFactory.create(created_at=START)
    payment = payment_for(booking)
    hear(payment, Outcome.PAID, currency="USD", amount=Decimal(90))
    accept_payment(payment_id=payment.id, reason="agreed", person="user:1", at=START)
    deliver_at(START, Group.CORE)

    cancel(booking, START + timedelta(days=28))

    refund = payment.refunds.get()
    assert (refund.amount, refund.currency) == (Decimal(45), "USD")
    told = Event.objects.get(type="booking.cancelled").data
    assert told["refundable"] == told["kept"] == {"amount": "45.00", "currency": "USD"}


@pytest.mark.django_db
def test_a_stay_that_has_begun_cannot_be_cancelled() -> None:
    booking = confirmed()

    with pytest.raises(BookingNotCancellable):
        cancel(booking, START + timedelta(days=30))


@pytest.mark.django_db
def test_an_expired_hold_has_nothing_to_cancel() -> None:
    booking = BookingFactory.create(status="expired")

    with pytest.raises(BookingNotCancellable):
        cancel(booking, START)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["refunded", "reversed"])
def test_what_went_back_already_is_not_ordered_back_again(status: str) -> None:
    booking = confirmed()
    paid = Payment.objects.filter(status="succeeded")
    paid.update(status=status, refunded_amount=3700)

    assert cancel(booking, START + timedelta(days=1)).status == "cancelled"

    assert not Payment.objects.get().refunds.exists()
    assert back_of(booking) == "0.00"


def orders_of(payment: Payment) -> list[tuple[str, str, str]]:
    orders = payment.refunds.order_by("requested_at", "id")
    return [(each.source, str(each.amount), each.state) for each in orders]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("terms", "amount", "at_once", "later"),
    [
        ("flexible", None, [], ["3700.00"]),
        ("flexible", "3000.00", ["700.00"], ["3000.00"]),
        ("strict", None, [], ["1850.00"]),
        ("strict", "700.00", ["1850.00"], []),
        ("strict", "3000.00", ["700.00"], ["1150.00"]),
    ],
)
def test_what_another_order_had_bound_is_ordered_once_that_fails(
    terms: str, amount: str | None, at_once: list[str], later: list[str]
) -> None:
    booking = confirmed(cancellation=terms)
    payment = Payment.objects.get()
    order = order_back(payment, amount)
    cancel(booking, START)
    by_terms = payment.refunds.filter(source="customer").order_by("requested_at")
    assert [str(each.amount) for each in by_terms.all()] == at_once

    fail(order)
    deliver_at(START + timedelta(minutes=1), Group.CORE)

    assert [str(each.amount) for each in by_terms.all()] == [*at_once, *later]
    order_rest(booking_id=booking.id, payment_id=payment.id, at=START + timedelta(hours=1))
    assert [str(each.amount) for each in by_terms.all()] == [*at_once, *later]


@pytest.mark.django_db
def test_what_a_doubt_had_bound_is_ordered_once_a_person_ends_it() -> None:
    booking = BookingFactory.create(created_at=START)
    payment = pay(booking)
    end(order_back(payment, "100.00"))
    hear(payment, Outcome.REFUNDED)
    cancel(booking, START + timedelta(minutes=1))
    doubt = ("external", "3600.00", "unknown")
    assert sorted(orders_of(payment)) == [doubt, ("operator", "100.00", "succeeded")]

    end(payment.refunds.get(source="external"), sent=False)
    deliver_at(START + timedelta(hours=1), Group.CORE)

    assert orders_of(payment)[-1] == ("customer", "3600.00", "requested")


@pytest.mark.django_db
def test_what_was_ordered_for_the_terms_and_failed_is_left_to_a_person() -> None:
    booking = confirmed()
    payment = Payment.objects.get()
    cancel(booking, START)

    fail(payment.refunds.get())
    deliver_at(START + timedelta(minutes=1), Group.CORE)

    assert orders_of(payment) == [("customer", "3700.00", "failed")]


@pytest.mark.django_db
def test_an_order_that_fails_of_a_stay_that_is_not_given_up_is_left_to_a_person() -> None:
    confirmed()
    payment = Payment.objects.get()

    fail(order_back(payment))
    deliver_at(START + timedelta(minutes=1), Group.CORE)

    assert orders_of(payment) == [("operator", "3700.00", "failed")]


@pytest.mark.django_db
def test_the_dates_of_a_cancelled_booking_are_free() -> None:
    booking = confirmed()
    cancel(booking, START)

    assert BookingFactory.create(listing=booking.listing, check_in=booking.check_in)


def test_cancelling_a_hold_closes_its_checkout(chapa: RunningSandbox) -> None:
    booking = BookingFactory.create(created_at=START)
    payment = start(booking, START)

    cancel(booking, START + timedelta(minutes=1))
    deliver_at(START + timedelta(minutes=2))

    payment.refresh_from_db()
    assert (payment.status, payment.failure_reason) == ("cancelled", "booking_cancelled")
    assert at_chapa(chapa, payment).link_expired
    assert payment.next_check_at is not None


@pytest.mark.django_db
def test_a_traveller_cancels_over_http_and_repeating_it_changes_nothing() -> None:
    booking = BookingFactory.create(created_at=timezone.now())
    client = client_of(booking.traveller)
    address = f"/api/v1/bookings/{booking.id}/cancel"

    first, again = (client.post(address, {}, format="json") for _ in range(2))
    refused = client.post(address, {"status": "confirmed"}, format="json")

    assert first.status_code == again.status_code == 200
    assert first.json()["status"] == "cancelled"
    assert first.json() == again.json()
    assert refused.status_code == 400
    assert events_of(booking) == ["booking.cancelled"]


@pytest.mark.django_db
def test_too_late_is_a_conflict_over_http() -> None:
    booking = BookingFactory.create(status="expired")

    answer = client_of(booking.traveller).post(f"/api/v1/bookings/{booking.id}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "booking_not_cancellable")
