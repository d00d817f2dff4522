"""Arrived money: confirm the stay, or send it back."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import transaction

from bookings.models import Booking
from bookings.services.attention import flag_booking
from bookings.services.ending import cancel_booking, expire_hold
from bookings.services.holding import DatesUnavailable, Stay, hold_booking
from bookings.tests.cast import (
    START,
    RunningSandbox,
    apply,
    at_chapa,
    deliver_at,
    events_of,
    payment_for,
    start,
)
from bookings.tests.factories import BookingFactory
from core.ids import new_id
from core.rendezvous import meet
from core.tests.threads import at_once
from payments.services.refunds import RefundTooLarge, request_operator_refund
from payments.services.status import Payment


def held() -> Booking:
    return BookingFactory.create(created_at=START)


def expired(booking: Booking) -> Booking:
    assert expire_hold(booking_id=booking.id, at=booking.hold_expires_at) == "expired"
    return booking


def refunds_of(payment: Payment) -> list[tuple[str, str, str]]:
    return [
        (str(amount), source, reason)
        for amount, source, reason in payment.refunds.values_list("amount", "source", "reason")
    ]


@pytest.mark.django_db
def test_a_held_booking_is_confirmed_once() -> None:
    booking = held()
    payment = payment_for(booking, status="succeeded")

    apply(booking, payment)

    assert (booking.status, booking.paid_by, booking.confirmed_at) == (
        "confirmed",
        payment.id,
        START,
    )
    assert events_of(booking) == ["booking.confirmed"]
    assert refunds_of(payment) == []


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["pending", "failed", "in_review", "refunded", "reversed"])
def test_a_payment_that_is_not_good_any_more_confirms_nothing(status: str) -> None:
    booking = held()
    payment = payment_for(booking, status=status)

    assert apply(booking, payment).status == "held"

    assert (events_of(booking), refunds_of(payment)) == ([], [])


@pytest.mark.django_db
def test_late_money_confirms_while_the_dates_are_free() -> None:
    booking = expired(held())
    payment = payment_for(booking, status="succeeded")

    apply(booking, payment)

    assert (booking.status, booking.paid_by, booking.ended_at) == ("confirmed", payment.id, None)
    assert events_of(booking) == ["booking.expired", "booking.confirmed"]
    assert refunds_of(payment) == []


def take_dates(booking: Booking) -> None:
    BookingFactory.create(
        listing=booking.listing,
        check_in=booking.check_in + timedelta(days=1),
        check_out=booking.check_out + timedelta(days=1),
    )


def withdraw(booking: Booking) -> None:
    booking.listing.is_listed = False
    booking.listing.save(update_fields=["is_listed"])


def let_it_pass(booking: Booking) -> None:
    Booking.objects.filter(id=booking.id).update(check_in=(START - timedelta(days=1)).date())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (take_dates, "dates_taken"),
        (withdraw, "listing_withdrawn"),
        (let_it_pass, "stay_is_over"),
    ],
)
def test_late_money_that_cannot_be_honoured_goes_back_in_full_once(
    happens: Callable[[Booking], None], reason: str
) -> None:
    booking = expired(held())
    payment = payment_for(booking, status="succeeded")
    happens(booking)

    apply(booking, payment)

    assert booking.status == "expired"
    assert refunds_of(payment) == [("3700.00", "system", reason)]


@pytest.mark.django_db
def test_a_withdrawn_listing_keeps_the_promise_of_a_hold() -> None:
    booking = held()
    withdraw(booking)

    assert apply(booking, payment_for(booking, status="succeeded")).status == "confirmed"


@pytest.mark.django_db
def test_money_for_a_cancelled_booking_goes_back_in_full() -> None:
    booking = held()
    with transaction.atomic():
        cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=START)
    payment = payment_for(booking, status="succeeded")

    apply(booking, payment)

    assert booking.status == "cancelled"
    assert refunds_of(payment) == [("3700.00", "system", "booking_cancelled")]


@pytest.mark.django_db
def test_a_second_payment_is_surplus_and_goes_back_once() -> None:
    booking = held()
    first = payment_for(booking, status="succeeded")
    second = payment_for(booking, status="succeeded")

    for payment in (first, second, first, second):
        apply(booking, payment)

    assert booking.paid_by == first.id
    assert refunds_of(first) == []
    assert refunds_of(second) == [("3700.00", "system", "surplus")]
    assert events_of(booking) == ["booking.confirmed"]


def test_confirming_closes_a_newer_checkout_at_chapa(chapa: RunningSandbox) -> None:
    booking = held()
    older = payment_for(booking, status="failed", checkout_url="")
    newer = start(booking, START + timedelta(minutes=1))
    booking.refresh_from_db()
    Payment.objects.filter(id=older.id).update(status="succeeded", captured_amount=3700)

    apply(booking, older, START + timedelta(minutes=2))
    deliver_at(START + timedelta(minutes=3))

    newer.refresh_from_db()
    assert booking.paid_by == older.id
    assert (newer.status, newer.failure_reason) == ("cancelled", "superseded")
    assert at_chapa(chapa, newer).link_expired
    assert newer.link_closed_at == START + timedelta(minutes=3)


@pytest.mark.django_db(transaction=True)
def test_two_payments_known_at_once_confirm_once() -> None:
    booking = held()
    payments = [payment_for(booking, status="succeeded") for _ in range(4)]

    at_once(4, lambda number: apply(Booking.objects.get(), payments[number]))

    booking.refresh_from_db()
    assert booking.paid_by in [payment.id for payment in payments]
    assert events_of(booking) == ["booking.confirmed"]
    assert sum(len(refunds_of(payment)) for payment in payments) == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_", range(3))
def test_expiry_and_money_of_the_same_moment_agree(_: int) -> None:
    booking = held()
    payment = payment_for(booking, status="succeeded")

    def move(number: int) -> None:
        if number:
            apply(Booking.objects.get(), payment)
        else:
            expire_hold(booking_id=booking.id, at=booking.hold_expires_at)

    at_once(2, move)

    booking.refresh_from_db()
    assert (booking.status, booking.paid_by) == ("confirmed", payment.id)


@pytest.mark.django_db(transaction=True)
def test_a_stay_that_is_given_up_while_its_money_comes_stays_given_up() -> None:
    booking = held()
    payment = payment_for(booking, status="succeeded")

    meet(
        lambda: cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=START),
        lambda: apply(Booking.objects.get(), payment),
    )

    booking.refresh_from_db()
    assert (booking.status, booking.paid_by) == ("cancelled", None)
    assert refunds_of(payment) == [("3700.00", "system", "booking_cancelled")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("given_up", [False, True])
def test_an_operator_and_what_is_due_by_itself_send_no_more_back_than_came(
    swapped: bool, given_up: bool
) -> None:
    """The traveller's order if the stay is given up now, the system's if it was before."""
    booking = held()
    payment = payment_for(booking, status="succeeded")
    if not given_up:
        apply(booking, payment)

    def give_up() -> None:
        cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=START)

    def order() -> None:
        with suppress(RefundTooLarge):
            request_operator_refund(
                payment_id=payment.id, reason="goodwill", person="user:1", at=START
            )

    if given_up:
        give_up()
    by_itself: Callable[[], object] = partial(apply, booking, payment) if given_up else give_up
    meet(*((order, by_itself) if swapped else (by_itself, order)))

    assert sum(Decimal(amount) for amount, *_ in refunds_of(payment)) == booking.total_amount


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_", range(3))
def test_late_money_and_a_new_hold_do_not_both_get_the_dates(_: int) -> None:
    booking = expired(held())
    payment = payment_for(booking, status="succeeded")
    stay = Stay(booking.listing_id, booking.check_in, booking.check_out, 1)

    def move(number: int) -> bool:
        if number:
            return apply(Booking.objects.get(id=booking.id), payment).status == "confirmed"
        try:
            hold_booking(stay=stay, traveller=booking.traveller, request_key=None, at=START)
        except DatesUnavailable:
            return False
        return True

    took, confirmed = at_once(2, move)

    assert took != confirmed
    assert refunds_of(payment) == ([] if confirmed else [("3700.00", "system", "dates_taken")])


def order_back(payment: Payment, amount: int | None = None) -> None:
    request_operator_refund(
        payment_id=payment.id,
        amount=None if amount is None else Decimal(amount),
        reason="goodwill",
        person="user:1",
        at=START,
    )


@pytest.mark.django_db
def test_money_that_a_person_orders_back_before_confirms_nothing_and_keeps_no_dates() -> None:
    booking = held()
    payment = payment_for(booking, status="succeeded")
    order_back(payment)

    assert apply(booking, payment).status == "held"
    assert apply(expired(booking), payment).status == "expired"

    assert events_of(booking) == ["booking.expired"]
    assert refunds_of(payment) == [("3700.00", "operator", "goodwill")]


@pytest.mark.django_db
def test_a_hold_does_not_wait_for_money_whose_way_back_failed() -> None:
    booking = held()
    payment = payment_for(booking, status="succeeded")
    order_back(payment)
    apply(booking, payment)
    payment.refunds.update(state="failed")

    # A person has it before them; whoever delivers the event again takes it for the stay.
    assert apply(expired(booking), payment).status == "confirmed"


@pytest.mark.django_db
def test_what_is_left_after_a_part_went_back_pays_for_the_stay() -> None:
    booking = held()
    payment = payment_for(booking, status="succeeded")
    order_back(payment, 700)
    Payment.objects.update(status="partially_refunded", refunded_amount=700)

    assert apply(booking, payment).status == "confirmed"
    assert refunds_of(payment) == [("700.00", "operator", "goodwill")]


@pytest.mark.django_db
def test_what_is_left_after_a_part_went_back_follows_if_the_stay_is_cancelled() -> None:
    booking = BookingFactory.create(status="cancelled")
    payment = payment_for(booking, status="succeeded")
    order_back(payment, 700)
    Payment.objects.update(status="partially_refunded", refunded_amount=700)

    apply(booking, payment)

    assert sorted(refunds_of(payment)) == [
        ("3000.00", "system", "booking_cancelled"),
        ("700.00", "operator", "goodwill"),
    ]


@pytest.mark.django_db
def test_one_payment_is_applied_to_one_booking() -> None:
    booking, payment_id = held(), new_id()
    Booking.objects.filter(id=booking.id).update(status="confirmed", paid_by=payment_id)

    with pytest.raises(Exception, match="bookings_payment_applied_once"), transaction.atomic():
        BookingFactory.create(status="confirmed", paid_by=payment_id)
    with pytest.raises(Exception, match="bookings_confirmed_is_paid"), transaction.atomic():
        BookingFactory.create(status="confirmed")


@pytest.mark.django_db
class TestMoneyThatWentAgain:
    @pytest.mark.parametrize("gone", ["reversed", "refunded"])
    def test_a_confirmed_booking_without_its_money_is_in_front_of_a_person(self, gone: str) -> None:
        booking = BookingFactory.create()
        first = payment_for(booking, status="succeeded")
        apply(booking, first)
        Payment.objects.filter(id=first.id).update(status=gone)

        flag_booking(booking_id=booking.id, payment_id=first.id, reason=f"payment_{gone}")

        booking.refresh_from_db()
        assert (booking.status, booking.attention) == ("confirmed", f"payment_{gone}")

        second = payment_for(booking, status="succeeded")
        apply(booking, second)

        booking.refresh_from_db()
        assert (booking.status, booking.paid_by, booking.attention) == ("confirmed", second.id, "")
        assert not second.refunds.exists()
        flag_booking(booking_id=booking.id, payment_id=first.id, reason="late")
        booking.refresh_from_db()
        assert booking.attention == ""

    def test_money_that_a_person_ordered_back_before_is_not_ordered_back_again(self) -> None:
        booking = BookingFactory.create(status="cancelled")
        payment = payment_for(booking, status="succeeded")
        order_back(payment)

        apply(booking, payment)

        assert refunds_of(payment) == [(str(payment.amount), "operator", "goodwill")]

    def test_a_surplus_that_goes_back_flags_nothing(self) -> None:
        booking = BookingFactory.create()
        apply(booking, payment_for(booking, status="succeeded"))
        surplus = payment_for(booking, status="refunded")

        flag_booking(booking_id=booking.id, payment_id=surplus.id, reason="payment_refunded")

        booking.refresh_from_db()
        assert booking.attention == ""
