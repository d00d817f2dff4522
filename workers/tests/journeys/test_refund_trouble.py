"""Chapa takes an order to send money back badly, or says so badly: docs/chapa.md, Trouble."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.models import Booking
from events.delivery import drain_all
from payments.chapa.sandbox.refunds import UNSETTLED, RefundState
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Payment
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from workers.tests.journeys.cases import Case, Expected
from workers.tests.journeys.cast import QUIET, clock_at
from workers.tests.journeys.conftest import Client
from workers.tests.journeys.observing import heard_by, state_of, trouble
from workers.tests.journeys.troubles import REFUND, VERIFY_REFUND

pytestmark = pytest.mark.crash

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def comes_late(traveller: Client, booking: Booking, chapa: RunningSandbox) -> datetime:
    """Return when money is found that came for a booking which was cancelled meanwhile."""
    chapa.faults.set({**QUIET, "test_refunds": "on"})
    traveller.start_payment(str(booking.id))
    assert traveller.post(f"bookings/{booking.id}/cancel").status_code == 200
    drain_all(timezone.now)
    chapa.chapa.pay(chapa.store.transactions()[0])
    return timezone.now() + 2 * HOUR


def find_money(at: datetime) -> None:
    check_due_payments(clock_at(at))
    drain_all(clock_at(at))


def settle_all(chapa: RunningSandbox) -> None:
    for refund in chapa.store.refunds():
        if refund.state in UNSETTLED:
            chapa.chapa.settle_refund(refund, RefundState.REFUNDED)


def look_for_days(since: datetime) -> None:
    for days in (1, 5, 11):
        check_due_refunds(clock_at(since + days * DAY))
        find_money(since + days * DAY)


def refunds_asked() -> int:
    return Payment.objects.get().gateway_calls.filter(kind="refund").count()


@pytest.mark.parametrize("case", REFUND, ids=str)
def test_money_whose_order_back_is_taken_badly_goes_back_once_or_before_a_person(
    booking: Booking, chapa: RunningSandbox, settings: Settings, comes_late: datetime, case: Case
) -> None:
    with trouble(chapa, settings, case):
        find_money(comes_late)
        heard, then = heard_by("refund"), state_of(booking)

    drain_all(clock_at(comes_late + HOUR))
    settle_all(chapa)
    look_for_days(comes_late)

    assert Expected(heard, None, then, state_of(booking)) == case.expected
    assert refunds_asked() == (2 if "requested" in then.refunds else 1)
    assert len(chapa.store.refunds()) == ("refunded" in state_of(booking).payments)


@pytest.mark.parametrize("case", VERIFY_REFUND, ids=str)
def test_a_refund_of_which_chapa_says_nothing_ends_when_it_does(
    booking: Booking, chapa: RunningSandbox, settings: Settings, comes_late: datetime, case: Case
) -> None:
    find_money(comes_late)
    settle_all(chapa)

    with trouble(chapa, settings, case):
        check_due_refunds(clock_at(comes_late + timedelta(minutes=2)))
        heard, then = heard_by("refund_check"), state_of(booking)
    look_for_days(comes_late)

    assert Expected(heard, None, then, state_of(booking)) == case.expected
    assert refunds_asked() == 1
