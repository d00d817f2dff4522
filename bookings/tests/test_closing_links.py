"""The page of a try that failed can be paid for an hour; what ends or confirms a stay closes it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings

from bookings.models import Booking
from bookings.services.ending import cancel_booking, expire_due_holds
from bookings.tests.cast import (
    START,
    RunningSandbox,
    apply,
    at_chapa,
    deliver_at,
    payment_for,
    settle,
    start,
)
from bookings.tests.factories import BookingFactory
from events.base import Group
from events.models import Delivery
from payments.services.status import Payment

MINUTE = timedelta(minutes=1)


@pytest.fixture
def failed(chapa: RunningSandbox) -> Payment:
    payment = start(BookingFactory.create(created_at=START), START)
    chapa.faults.set({"webhook": "off", "callback": "off"})
    chapa.chapa.decline(at_chapa(chapa, payment))
    settle(payment, START + MINUTE)
    payment.refresh_from_db()
    assert payment.status == "failed"
    return payment


def confirm(booking: Booking) -> None:
    apply(booking, payment_for(booking, status="succeeded"), START + 2 * MINUTE)


def cancel(booking: Booking) -> None:
    cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=START + 2 * MINUTE)


@pytest.mark.parametrize("end", [confirm, cancel])
def test_nobody_can_pay_on_the_page_of_a_try_that_failed_once_the_stay_is_over_or_paid(
    chapa: RunningSandbox, failed: Payment, end: Callable[[Booking], None]
) -> None:
    end(Booking.objects.get())

    deliver_at(START + 3 * MINUTE, Group.CHAPA)

    assert not chapa.chapa.is_payable(at_chapa(chapa, failed))
    assert chapa.store.calls(failed.tx_ref)["cancel"] == 1
    failed.refresh_from_db()
    assert (failed.status, failed.link_closed_at is not None) == ("failed", True)


def test_a_hold_that_ended_while_chapa_was_silent_has_the_page_closed_later(
    chapa: RunningSandbox, failed: Payment
) -> None:
    Payment.objects.update(expires_at=START - settings.HOLD_OUTAGE_CAP)
    chapa.faults.set({"cancel": "500"})
    assert expire_due_holds(lambda: START + 30 * MINUTE) == {"expired": 1}
    assert chapa.chapa.is_payable(at_chapa(chapa, failed))

    chapa.faults.set({"cancel": "ok"})
    deliver_at(START + 31 * MINUTE, Group.CHAPA)

    assert not chapa.chapa.is_payable(at_chapa(chapa, failed))


def test_while_chapa_is_silent_it_is_tried_again_for_as_long_as_the_page_can_be_paid(
    chapa: RunningSandbox, failed: Payment
) -> None:
    cancel(Booking.objects.get())
    chapa.faults.set({"cancel": "500"})

    deliver_at(START + 3 * MINUTE, Group.CHAPA)
    debt = Delivery.objects.get(handler="close_failed_links")
    assert (debt.state, debt.attempts) == ("retry", 0)

    deliver_at(START + 61 * MINUTE, Group.CHAPA)
    assert not Delivery.objects.filter(handler="close_failed_links").exists()
    assert chapa.store.calls(failed.tx_ref)["cancel"] == 1
