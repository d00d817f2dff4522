"""Chapa answers a question badly, or says another thing than is true: docs/chapa.md, Trouble."""

from contextlib import closing
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.models import Booking
from core.days import today
from events.delivery import drain_all
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.tests.cast import client_of
from payments.models import Statement
from payments.services.reconciling import check_due_payments
from payments.services.statement import compare_days
from workers.tests.journeys.cases import Case, Expected
from workers.tests.journeys.cast import QUIET, clock_at, confirmations
from workers.tests.journeys.conftest import Client
from workers.tests.journeys.observing import heard_by, state_of, told_by, trouble
from workers.tests.journeys.troubles import LISTS, STATEMENT, VERIFY

pytestmark = pytest.mark.crash


@pytest.fixture
def payment(traveller: Client, booking: Booking, chapa: RunningSandbox) -> str:
    """A payment that is paid, and of which Chapa has told nobody."""
    chapa.faults.set(QUIET)
    started = traveller.start_payment(str(booking.id)).json()
    chapa.chapa.pay(chapa.store.transactions()[0])
    return str(started["id"])


def sweep(after: timedelta) -> None:
    at = timezone.now() + after
    check_due_payments(clock_at(at))
    drain_all(clock_at(at))


@pytest.mark.parametrize("case", VERIFY, ids=str)
def test_a_paid_booking_of_which_chapa_says_something_else(
    traveller: Client,
    booking: Booking,
    chapa: RunningSandbox,
    settings: Settings,
    payment: str,
    case: Case,
) -> None:
    with trouble(chapa, settings, case):
        told = told_by(traveller.post(f"payments/{payment}/verify"))
        drain_all(timezone.now)
        heard, then = heard_by("verify"), state_of(booking)

    sweep(timedelta(minutes=10))

    assert Expected(heard, told, then, state_of(booking)) == case.expected
    assert confirmations() == (booking.status == "confirmed")


@pytest.mark.parametrize("case", STATEMENT, ids=str)
def test_days_of_which_chapa_lists_nothing_are_compared_later(
    booking: Booking, chapa: RunningSandbox, settings: Settings, payment: str, case: Case
) -> None:
    assert payment
    sweep(timedelta(minutes=2))
    day = today(timezone.now())

    def compare() -> Statement:
        return compare_days(since=day, until=day, clock=timezone.now)

    with trouble(chapa, settings, case):
        heard, then = compare().problem or "answered", state_of(booking)
    compare()

    assert Expected(heard, None, then, state_of(booking)) == case.expected


@pytest.mark.parametrize("case", LISTS, ids=str)
def test_a_list_that_nobody_asks_for_is_whole_or_there_is_none(
    chapa: RunningSandbox, settings: Settings, payment: str, case: Case
) -> None:
    assert payment
    reference = chapa.store.transactions()[0].reference or ""
    with (
        trouble(chapa, settings, case),
        closing(client_of(chapa, settings.CHAPA_TIMEOUTS_S)) as client,
    ):
        events = case.switch == "events"
        answer = client.transaction_events(reference) if events else client.balances()

    assert Expected(answer.fetched.value) == case.expected
