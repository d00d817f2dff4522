"""
Everything that may happen to a paid payment, two at a time, released together by a barrier.

The end must be one that either order of the two would have led to. `PAIR_ROUNDS` says how often
each pair is tried; 10 by default, 200 by hand.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import combinations_with_replacement
from typing import Any

import pytest

from bookings.models import Booking
from bookings.services.ending import cancel_booking, expire_due_holds, expire_hold
from bookings.tests.cast import deliver_at, pay_silently, settle, start
from bookings.tests.factories import BookingFactory
from core.errors import Refusal
from core.testing import empty_tables
from core.tests.threads import at_once
from events.models import Delivery
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import LedgerEntry, Payment, Refund
from payments.services.asking import verify_payment
from payments.services.hints import receive_callback
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from payments.services.refunds import request_operator_refund
from payments.tests.cast import notify

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("PAIR_ROUNDS", "10"))
START = datetime.fromisoformat("2027-03-01T09:00:00+00:00")
# The hold has just ended, and the first looks are due.
NOW = START + timedelta(minutes=31)

State = tuple[Any, ...]


def webhook(booking: Booking, payment: Payment) -> None:
    notify(payment.tx_ref, at=NOW)
    deliver_at(NOW)


def callback(booking: Booking, payment: Payment) -> None:
    receive_callback(tx_ref=payment.tx_ref, at=NOW)
    check_due_payments(lambda: NOW)


def verify(booking: Booking, payment: Payment) -> None:
    verify_payment(payment_id=payment.id, owner=booking.traveller, at=NOW)


def sweep(booking: Booking, payment: Payment) -> None:
    check_due_payments(lambda: NOW)


def expire(booking: Booking, payment: Payment) -> None:
    expire_hold(booking_id=booking.id, at=NOW)


def cancel(booking: Booking, payment: Payment) -> None:
    cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=NOW)


def refund(booking: Booking, payment: Payment) -> None:
    request_operator_refund(
        payment_id=payment.id, amount=None, reason="goodwill", person="user:1", at=NOW
    )
    deliver_at(NOW)


ACTS = (webhook, callback, verify, sweep, expire, cancel, refund)
Act = Callable[[Booking, Payment], None]
Begin = Callable[..., tuple[Booking, Payment]]
PAIRS = list(combinations_with_replacement(ACTS, 2))


def attempt(act: Act, booking: Booking, payment: Payment) -> None:
    with suppress(Refusal):
        act(Booking.objects.get(id=booking.id), payment)


@pytest.fixture
def begin(chapa: RunningSandbox) -> Begin:
    """
    Give a held booking whose money is at Chapa, and nobody told us.

    `captured`: we asked, and nothing followed yet. Before that there is nothing to send back.
    """

    def make(*, captured: bool) -> tuple[Booking, Payment]:
        empty_tables()
        chapa.reset()
        booking = BookingFactory.create(
            created_at=START, hold_expires_at=START + timedelta(minutes=30)
        )
        chapa.faults.set({"test_refunds": "on"})
        payment = start(booking, START)
        pay_silently(chapa, payment)
        if captured:
            settle(payment, START + timedelta(minutes=1))
        return booking, payment

    return make


def settle_all() -> State:
    """Let everything that follows happen; return what there is in the end."""
    for hours in (1, 2, 24, 48):
        at = NOW + timedelta(hours=hours)
        deliver_at(at)
        check_due_payments(lambda at=at: at)  # type: ignore[misc]
        check_due_refunds(lambda at=at: at)  # type: ignore[misc]
        deliver_at(at)
        expire_due_holds(lambda at=at: at)  # type: ignore[misc]
        deliver_at(at)
    assert not Delivery.objects.exists()
    booking, payment = Booking.objects.get(), Payment.objects.get()
    return (
        booking.status,
        booking.paid_by is not None,
        booking.attention,
        payment.status,
        payment.captured_amount,
        payment.refunded_amount,
        sorted(LedgerEntry.objects.values_list("kind", "amount")),
        sorted(Refund.objects.values_list("source", "state", "amount")),
    )


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " and ".join(act.__name__ for act in pair))
def test_two_at_once_end_as_one_after_the_other(begin: Begin, pair: tuple[Act, Act]) -> None:
    captured = refund in pair

    def in_turn(*acts: Act) -> State:
        booking, payment = begin(captured=captured)
        for act in acts:
            attempt(act, booking, payment)
        return settle_all()

    serial = [in_turn(*pair), in_turn(*reversed(pair))]
    for _ in range(ROUNDS):
        booking, payment = begin(captured=captured)
        at_once(2, lambda number: attempt(pair[number], booking, payment))  # noqa: B023
        assert settle_all() in serial
