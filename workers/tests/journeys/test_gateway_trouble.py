"""Chapa answers a payment's start badly, and no money is lost: docs/chapa.md, Trouble."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.models import Booking
from core.tests.threads import eventually
from events.delivery import drain_all
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Payment
from payments.services.reconciling import check_due_payments
from workers.tests.journeys.cases import Case, Expected
from workers.tests.journeys.cast import (
    QUIET,
    RESCUE,
    SWEEP,
    WISH_OVER,
    assert_paid_once,
    clock_at,
    tell_in_every_way,
)
from workers.tests.journeys.conftest import Client, Pay, held_booking
from workers.tests.journeys.observing import heard_by, state_of, told_by, trouble
from workers.tests.journeys.troubles import INITIALIZE

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("case", INITIALIZE, ids=str)
def test_a_payment_that_chapa_opens_badly_is_paid_once_all_the_same(
    traveller: Client,
    booking: Booking,
    chapa: RunningSandbox,
    settings: Settings,
    pay: Pay,
    case: Case,
) -> None:
    with trouble(chapa, settings, case):
        answer = traveller.start_payment(str(booking.id))
        told, then = told_by(answer), state_of(booking)
    payment = Payment.objects.get()
    heard = heard_by("initialize")
    assert (answer.json().get("checkout_url") is None) == (heard != "opened")
    assert chapa.store.called_references() == [payment.tx_ref]
    if case.effect:
        # The page was lost to us, but not to everyone.
        chapa.chapa.pay(eventually(lambda: chapa.store.find(payment.tx_ref)))
    else:
        assert chapa.store.find(payment.tx_ref) is None
        drain_all(clock_at(timezone.now() + WISH_OVER))
        pay(traveller.start_payment(str(booking.id)).json()["checkout_url"])
    (paid,) = chapa.store.transactions()

    tell_in_every_way(chapa, paid)

    assert_paid_once(booking, paid.tx_ref)
    assert Expected(heard, told, then, state_of(booking)) == case.expected


def test_while_chapa_refuses_our_key_few_ask_and_no_payment_is_made(
    traveller: Client, booking: Booking, chapa: RunningSandbox
) -> None:
    open_already, waiting, second, later = (held_booking(traveller) for _ in range(4))
    assert traveller.start_payment(str(open_already.id)).status_code == 201
    chapa.faults.set({"initialize": "500"})
    assert traveller.start_payment(str(waiting.id)).status_code == 202
    chapa.faults.set({"initialize": "401", "verify": "401"})
    for each in (booking, second):
        assert traveller.start_payment(str(each.id)).status_code == 503
    began = timezone.now()
    pending = Payment.objects.count()

    def calls() -> int:
        return sum(sum(chapa.store.calls(ref).values()) for ref in chapa.store.called_references())

    asked = calls()
    for _ in range(3):
        refused = traveller.start_payment(str(later.id))
        assert (refused.status_code, refused.json()["code"]) == (503, "gateway_unavailable")
        assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert traveller.start_payment(str(open_already.id)).status_code == 200
    drain_all(clock_at(began + RESCUE - timedelta(seconds=2)))
    assert (Payment.objects.count(), calls()) == (pending, asked)

    # Three rescues are due; the first is refused and the others do not ask.
    drain_all(clock_at(began + RESCUE))
    assert calls() == asked + 1

    chapa.faults.clear()
    drain_all(clock_at(began + SWEEP))
    for each in (waiting, booking, second):
        assert traveller.start_payment(str(each.id)).json()["checkout_url"] is not None
    assert traveller.start_payment(str(later.id)).status_code == 201


def test_a_payment_that_is_refused_for_ever_hides_nobodys_money(
    traveller: Client,
    stranger: Client,
    booking: Booking,
    chapa: RunningSandbox,
    pay: Pay,
) -> None:
    chapa.faults.set(QUIET)
    pay(traveller.start_payment(str(booking.id)).json()["checkout_url"])
    paid = Payment.objects.get()
    chapa.faults.set({"initialize": "401"})
    poisoned = held_booking(stranger)
    assert stranger.start_payment(str(poisoned.id)).status_code == 503
    at, due = timezone.now(), paid.next_check_at
    assert due is not None

    while at < due:
        at += timedelta(seconds=10)
        drain_all(clock_at(at))
        check_due_payments(clock_at(at))
    drain_all(clock_at(at))

    assert chapa.store.calls(Payment.objects.exclude(id=paid.id).get().tx_ref)["initialize"] > 1
    paid.refresh_from_db()
    booking.refresh_from_db()
    assert (paid.status, booking.status) == ("succeeded", "confirmed")
