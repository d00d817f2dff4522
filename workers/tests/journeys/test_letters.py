"""Every way that money and stays go: who is written to, of what, in which order, and of no more."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bookings.models import Booking
from bookings.services.ending import expire_due_holds
from bookings.tests.letters import kinds
from bookings.tests.mail_server import Postbox
from events.delivery import drain_all
from events.models import Delivery
from payments.chapa.sandbox.refunds import RefundState
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Payment
from payments.services.deciding import accept_payment
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from payments.services.refunds import request_operator_refund
from workers.console.timeline import timeline_of
from workers.tests.journeys.cast import QUIET, clock_at
from workers.tests.journeys.conftest import Client, held_stay, transaction_of

pytestmark = pytest.mark.crash

SOON, ENDED, LATE, DAYS_LATER = (
    timedelta(minutes=2),
    timedelta(minutes=32),
    timedelta(hours=2),
    timedelta(days=2),
)


@pytest.fixture(autouse=True)
def money_goes_back_and_nobody_tells(chapa: RunningSandbox) -> None:
    chapa.faults.set({**QUIET, "test_refunds": "on"})


def live_until(age: timedelta) -> None:
    """Let all loops run at this time, until nothing follows from them any more."""
    clock = clock_at(timezone.now() + age)
    for loop in (check_due_payments, expire_due_holds, check_due_refunds):
        drain_all(clock)
        loop(clock)
    drain_all(clock)


def started(traveller: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    stay = held_stay(traveller)
    return stay, traveller.start_payment(stay["id"]).json()


def pay(chapa: RunningSandbox, payment: dict[str, Any]) -> None:
    """At the bank: also over a link that is closed."""
    chapa.chapa.pay(transaction_of(chapa, payment))


def see_money_back(chapa: RunningSandbox) -> None:
    """Chapa has sent it, and Guzo finds that out by whichever look comes first."""
    for refund in chapa.store.refunds():
        chapa.chapa.settle_refund(refund, RefundState.REFUNDED)
    live_until(DAYS_LATER)


def assert_nothing_waits(postbox: Postbox, traveller: Client) -> None:
    """All letters are this traveller's, the timeline shows each, and no other is owed."""
    assert {letter["To"] for letter in postbox.letters} == {traveller.user.email}
    assert not Delivery.objects.exists()
    shown = [entry.what for entry in timeline_of(Payment.objects.earliest("created_at"))]
    sent = [what for what in shown if what.endswith(" mail sent")]
    assert len(sent) == len(postbox.letters)


def test_a_hold_that_nobody_pays_for(traveller: Client, postbox: Postbox) -> None:
    started(traveller)
    live_until(ENDED)
    live_until(DAYS_LATER)

    assert kinds(postbox) == ["expired"]
    assert_nothing_waits(postbox, traveller)


def test_late_money_for_free_dates(
    traveller: Client, chapa: RunningSandbox, postbox: Postbox
) -> None:
    _, payment = started(traveller)
    live_until(ENDED)
    pay(chapa, payment)
    live_until(LATE)

    assert kinds(postbox) == ["expired", "confirmation"]
    assert_nothing_waits(postbox, traveller)


def test_late_money_for_dates_that_another_has(
    traveller: Client, stranger: Client, chapa: RunningSandbox, postbox: Postbox
) -> None:
    _, payment = started(traveller)
    live_until(ENDED)
    held = Booking.objects.get()
    stranger.hold(held.listing, str(held.check_in), str(held.check_out))
    Booking.objects.exclude(id=held.id).update(hold_expires_at=timezone.now() + 2 * DAYS_LATER)
    pay(chapa, payment)
    live_until(LATE)
    see_money_back(chapa)

    assert kinds(postbox) == ["expired", "refund_ordered", "refunded"]
    assert_nothing_waits(postbox, traveller)


def test_a_stay_that_is_paid_for_twice(
    traveller: Client, chapa: RunningSandbox, postbox: Postbox
) -> None:
    stay, first = started(traveller)
    chapa.chapa.decline(transaction_of(chapa, first))
    assert traveller.post(f"payments/{first['id']}/verify").json()["status"] == "failed"
    second = traveller.start_payment(stay["id"]).json()
    for payment in (second, first):
        pay(chapa, payment)
        live_until(SOON)
    live_until(2 * SOON)
    see_money_back(chapa)

    assert kinds(postbox) == ["confirmation", "refund_ordered", "refunded"]
    assert_nothing_waits(postbox, traveller)


def test_a_paid_stay_that_is_given_up(
    traveller: Client, chapa: RunningSandbox, postbox: Postbox
) -> None:
    stay, payment = started(traveller)
    pay(chapa, payment)
    live_until(SOON)
    traveller.post(f"bookings/{stay['id']}/cancel")
    live_until(2 * SOON)
    see_money_back(chapa)

    assert kinds(postbox) == ["confirmation", "cancelled", "refunded"]
    assert_nothing_waits(postbox, traveller)


@pytest.mark.parametrize("accepted", [True, False])
def test_another_amount_that_a_person_decides_about(
    traveller: Client, chapa: RunningSandbox, postbox: Postbox, accepted: bool
) -> None:
    _, payment = started(traveller)
    chapa.faults.set({"amount": "3690.00"})
    pay(chapa, payment)
    live_until(SOON)
    chapa.faults.set({"amount": None})
    decision = {"payment_id": payment["id"], "reason": "x", "person": "user:1"}
    if accepted:
        accept_payment(**decision, at=timezone.now() + SOON)
    else:
        request_operator_refund(amount=None, **decision, at=timezone.now() + SOON)
    live_until(ENDED)
    see_money_back(chapa)

    sent_back = ["refund_ordered", "expired", "refunded"]
    assert kinds(postbox) == ["in_review", *(["confirmation"] if accepted else sent_back)]
    assert_nothing_waits(postbox, traveller)
