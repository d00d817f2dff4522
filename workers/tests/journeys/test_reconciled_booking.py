"""Chapa tells nobody: the sweeps find out by themselves."""

from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.utils import timezone

from bookings.models import Booking
from bookings.services.ending import expire_due_holds
from core.tests.threads import at_once
from events.delivery import drain_all
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import IncomingWebhook, Payment, Refund
from payments.services.reconciling import check_due_payments
from workers.tests.journeys.cast import clock_at
from workers.tests.journeys.conftest import Client, Pay, held_stay, transaction_of

pytestmark = pytest.mark.crash


@pytest.fixture(autouse=True)
def nobody_tells(chapa: RunningSandbox) -> None:
    chapa.faults.set({"webhook": "off", "callback": "off"})


def after(**time: float) -> datetime:
    return timezone.now() + timedelta(**time)


def test_a_paid_booking_is_confirmed_by_the_sweep_a_minute_later(
    traveller: Client, chapa: RunningSandbox, pay: Pay
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    pay(payment["checkout_url"])
    early, later = after(seconds=50), after(seconds=61)

    assert check_due_payments(clock_at(early)) == {}
    at_once(2, lambda _: check_due_payments(clock_at(later)))
    drain_all(clock_at(later))

    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"
    assert len(mail.outbox) == 1
    assert chapa.store.calls(payment["tx_ref"])["verify"] == 1
    assert not IncomingWebhook.objects.exists()


def test_a_hold_paid_in_its_last_moment_becomes_a_stay(
    traveller: Client, chapa: RunningSandbox, pay: Pay
) -> None:
    assert chapa
    booking = held_stay(traveller)
    pay(traveller.start_payment(booking["id"]).json()["checkout_url"])
    end = after(minutes=31)

    assert expire_due_holds(clock_at(end)) == {"paid": 1}
    drain_all(clock_at(end))

    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"


def test_an_unpaid_hold_ends_and_its_page_takes_no_money(
    traveller: Client, chapa: RunningSandbox
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()

    expire_due_holds(clock_at(after(minutes=31)))

    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "expired"
    assert traveller.get(f"payments/{payment['id']}").json()["status"] == "expired"
    assert not chapa.chapa.is_payable(transaction_of(chapa, payment))
    assert traveller.start_payment(booking["id"]).status_code == 409


@pytest.mark.parametrize(
    ("meanwhile", "booking_ends", "reason"),
    [
        ("nothing", "confirmed", None),
        ("someone took the dates", "expired", "dates_taken"),
        ("the traveller cancelled", "cancelled", "booking_cancelled"),
    ],
)
def test_money_under_way_when_the_hold_ended_is_honoured_or_sent_back(
    traveller: Client,
    stranger: Client,
    chapa: RunningSandbox,
    meanwhile: str,
    booking_ends: str,
    reason: str | None,
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    end = after(minutes=31)
    if meanwhile == "the traveller cancelled":
        traveller.post(f"bookings/{booking['id']}/cancel")
    else:
        expire_due_holds(clock_at(end))
    if meanwhile == "someone took the dates":
        held = Booking.objects.get()
        stranger.hold(held.listing, str(held.check_in), str(held.check_out))

    chapa.chapa.pay(transaction_of(chapa, payment))
    later = after(hours=2)
    check_due_payments(clock_at(later))
    drain_all(clock_at(later))

    assert traveller.get(f"payments/{payment['id']}").json()["status"] == "succeeded"
    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == booking_ends
    orders = [(str(refund.amount), refund.reason) for refund in Refund.objects.all()]
    assert orders == ([] if reason is None else [("3700.00", reason)])


def test_a_reversal_is_found_days_later(traveller: Client, chapa: RunningSandbox, pay: Pay) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    pay(payment["checkout_url"])
    later = after(seconds=61)
    check_due_payments(clock_at(later))
    drain_all(clock_at(later))
    chapa.chapa.reverse(transaction_of(chapa, payment))

    for _ in range(20):
        due = Payment.objects.get().next_check_at
        if due is None:
            break
        check_due_payments(clock_at(due))

    shown = traveller.get(f"payments/{payment['id']}").json()
    assert shown["status"] == "reversed"
    assert shown["refunded"]["amount"] == "3700.00"
    # Fourteen looks in three days and one on the seventh: then it is not watched any more.
    assert Payment.objects.get().next_check_at is None
    assert chapa.store.calls(payment["tx_ref"])["verify"] == 15


def test_a_long_silence_ends_in_the_truth(
    traveller: Client, chapa: RunningSandbox, pay: Pay
) -> None:
    booking = held_stay(traveller)
    payment = traveller.start_payment(booking["id"]).json()
    pay(payment["checkout_url"])
    chapa.faults.set({"verify": "500", "cancel": "500"})
    for minutes in range(1, 31, 5):
        check_due_payments(clock_at(after(minutes=minutes)))
    assert expire_due_holds(clock_at(after(minutes=31))) == {}
    assert traveller.get(f"payments/{payment['id']}").json()["status"] == "pending"

    chapa.faults.set({"verify": "ok", "cancel": "ok"})
    back = after(minutes=40)
    check_due_payments(clock_at(back))
    drain_all(clock_at(back))

    assert traveller.get(f"bookings/{booking['id']}").json()["status"] == "confirmed"
