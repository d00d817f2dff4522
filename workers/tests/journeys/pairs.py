"""Everything that may happen to one payment, two at a time, and what came of it in the end."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice, product
from typing import Any, Final, Literal

from bookings.models import Booking
from bookings.services.ending import cancel_booking, expire_due_holds, expire_hold
from bookings.tests.cast import deliver_at, pay_silently, settle, start
from bookings.tests.cast import events_of as booking_events_of
from bookings.tests.factories import BookingFactory
from core.errors import Refusal
from core.rendezvous import meet
from core.testing import empty_tables
from events.models import Delivery
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import LedgerEntry, Payment, Refund
from payments.services.asking import verify_payment
from payments.services.closing import close_checkout
from payments.services.hints import receive_callback
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from payments.services.refunds import request_operator_refund
from payments.tests.cast import at_chapa, events_of, notify

START: Final = datetime.fromisoformat("2027-03-01T09:00:00+00:00")
# The hold has just ended, and the first looks are due.
NOW: Final = START + timedelta(minutes=31)
# Whoever asked first and is this late has lost its lease, so the second asks as well.
LATE: Final = timedelta(seconds=21)

Work = Callable[[], object]
Act = Callable[[Booking, Payment, datetime], Work]
State = tuple[Any, ...]


def webhook(booking: Booking, payment: Payment, at: datetime) -> Work:
    notify(payment.tx_ref, at=at)
    return lambda: deliver_at(at)


def callback(booking: Booking, payment: Payment, at: datetime) -> Work:
    receive_callback(tx_ref=payment.tx_ref, at=at)
    return sweep(booking, payment, at)


def verify(booking: Booking, payment: Payment, at: datetime) -> Work:
    return lambda: verify_payment(payment_id=payment.id, owner=booking.traveller, at=at)


def sweep(booking: Booking, payment: Payment, at: datetime) -> Work:
    # The other's clock may be ahead, and the bucket with it: its turn is not waited for.
    return lambda: check_due_payments(lambda: at, time_slice=timedelta(seconds=5))


def expire(booking: Booking, payment: Payment, at: datetime) -> Work:
    return lambda: expire_hold(booking_id=booking.id, at=at)


def cancel(booking: Booking, payment: Payment, at: datetime) -> Work:
    return lambda: cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=at)


def refund(booking: Booking, payment: Payment, at: datetime) -> Work:
    def order() -> None:
        request_operator_refund(
            payment_id=payment.id, amount=None, reason="goodwill", person="user:1", at=at
        )
        deliver_at(at)

    return order


ACTS: Final[tuple[Act, ...]] = (webhook, callback, verify, sweep, expire, cancel, refund)

Pair = tuple[Act, Act]
#: `paid`: the money is at Chapa, and nobody told us. `captured`: we asked, and nothing followed
#: yet. `declined`: nothing came, and nothing can.
Beginning = Literal["paid", "captured", "declined"]


@dataclass(frozen=True)
class Round:
    beginning: Beginning
    #: Who comes first to where the two meet.
    swapped: bool
    #: How long after the first the second begins.
    later: timedelta


def rounds_of(pair: Pair, number: int) -> list[Round]:
    """Return so many rounds, all of them different for as long as there are others."""
    ways = product((LATE, timedelta(0)), (False, True), beginnings_of(pair))
    different = [Round(beginning, swapped, later) for later, swapped, beginning in ways]
    return list(islice(cycle(different), number))


def beginnings_of(pair: Pair) -> tuple[Beginning, ...]:
    """Before the money is known there is nothing to send back."""
    return ("captured",) if refund in pair else ("paid", "captured", "declined")


def one_after_the_other(chapa: RunningSandbox, pair: Pair, beginning: Beginning) -> State:
    for work in _begin(chapa, pair, beginning, LATE):
        _attempt(work)
    return _settle_all()


def at_once(chapa: RunningSandbox, pair: Pair, how: Round) -> State:
    """
    Return what came of two that met twice: with Chapa's answer in hand, and having decided.

    Whoever is kept out by a lock comes second; else both decide about the same.
    """
    order = pair[::-1] if how.swapped else pair
    first, second = _begin(chapa, order, how.beginning, how.later)
    try:
        meet(
            lambda: _attempt(first),
            lambda: _attempt(second),
            at=("payment.asked", "record.started"),
        )
    except Exception as trouble:  # noqa: BLE001  (no order of the two ends like that)
        return (type(trouble).__name__, str(trouble))
    return _settle_all()


def _begin(
    chapa: RunningSandbox, pair: Sequence[Act], beginning: Beginning, later: timedelta
) -> list[Work]:
    empty_tables()
    chapa.reset()
    booking = BookingFactory.create(created_at=START, hold_expires_at=START + timedelta(minutes=30))
    chapa.faults.set({"test_refunds": "on", "webhook": "off", "callback": "off"})
    payment = start(booking, START)
    if beginning == "declined":
        chapa.chapa.page.decline(at_chapa(chapa, payment))
    else:
        pay_silently(chapa, payment)
    if beginning != "paid":
        settle(payment, START + timedelta(minutes=1))
    if beginning == "declined":
        close_checkout(payment_id=payment.id, at=START + timedelta(minutes=2))
    return [act(booking, payment, NOW + number * later) for number, act in enumerate(pair)]


def _attempt(work: Work) -> None:
    with suppress(Refusal):
        work()


def _settle_all() -> State:
    """Let everything that follows happen; return what there is in the end."""
    for hours in (1, 48):
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
        sorted(booking_events_of(booking) + events_of(payment)),
    )
