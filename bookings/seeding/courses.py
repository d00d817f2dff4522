"""The ways that a stay and its money can go, each a short story."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum, auto

from bookings.seeding.journey import Journey
from payments.services import seeding
from payments.services.seeding import Outcome

Course = Callable[[Journey], None]


class Period(Enum):
    """When a stay is booked and begins, seen from the day of the demonstration."""

    OVER = auto()
    COMING = auto()
    # Booked days ago for a day that may be over or not: it came to nothing.
    ANY = auto()
    # Booked minutes ago.
    NOW = auto()


def hold(_: Journey) -> None:
    pass


def start_paying(journey: Journey) -> None:
    journey.hear(journey.open_payment(), Outcome.PENDING)


def pay(journey: Journey) -> None:
    journey.pay()


def pay_second_time(journey: Journey) -> None:
    journey.hear(journey.open_payment(), Outcome.FAILED)
    journey.pay()


def pay_twice(journey: Journey) -> None:
    """The first link, given up as failed, is paid after all: surplus, ordered back."""
    first = journey.open_payment()
    journey.hear(first, Outcome.FAILED)
    journey.pay()
    journey.wait(timedelta(minutes=10))
    journey.hear(first, Outcome.PAID)


def pay_late(journey: Journey) -> None:
    payment_id = journey.open_payment()
    journey.expire()
    journey.hear(payment_id, Outcome.PAID)


def pay_for_taken_dates(journey: Journey) -> None:
    """The money comes when someone else has the dates: ordered back."""
    payment_id = journey.open_payment()
    journey.expire()
    journey.lose_dates()
    journey.hear(payment_id, Outcome.PAID)


def pay_part(journey: Journey) -> None:
    """A tenth is missing: a person must look. The hold does not wait for that."""
    payment_id = journey.open_payment()
    journey.hear(payment_id, Outcome.PAID, journey.booking.total_amount * Decimal("0.9"))
    journey.expire()


def let_expire(journey: Journey) -> None:
    journey.expire()


def let_checkout_expire(journey: Journey) -> None:
    journey.hear(journey.open_payment(), Outcome.PENDING)
    journey.expire()


def fail_and_expire(journey: Journey) -> None:
    journey.hear(journey.open_payment(), Outcome.FAILED)
    journey.expire()


def cancel_while_paying(journey: Journey) -> None:
    journey.open_payment()
    journey.wait(timedelta(minutes=1))
    journey.cancel()


def cancel_paid(journey: Journey) -> None:
    """What the terms give back is ordered."""
    journey.pay()
    journey.wait(timedelta(days=1, hours=3))
    journey.cancel()


def cancel_and_get_refund(journey: Journey) -> None:
    """The money comes after the cancellation, and a day later Chapa says that it went back."""
    payment_id = journey.open_payment()
    journey.cancel()
    journey.hear(payment_id, Outcome.PAID)
    seeding.take_refunds(payment_id=payment_id, at=journey.at)
    journey.wait(timedelta(days=1))
    journey.hear(payment_id, Outcome.REFUNDED)


def pay_and_reverse(journey: Journey) -> None:
    payment_id = journey.pay()
    journey.wait(timedelta(days=2))
    journey.hear(payment_id, Outcome.REVERSED)


@dataclass(frozen=True)
class Line:
    """How many stays go this way. `of_login`: the first of them is of the demo's traveller."""

    count: int
    period: Period
    course: Course
    of_login: bool = True


#: 150 bookings: in two of these stories someone else books as well.
PLAN = (
    Line(38, Period.OVER, pay),
    Line(36, Period.COMING, pay),
    Line(8, Period.COMING, pay_second_time),
    Line(3, Period.COMING, pay_twice),
    Line(3, Period.COMING, pay_late),
    Line(2, Period.COMING, pay_for_taken_dates),
    Line(3, Period.ANY, pay_part),
    Line(8, Period.ANY, let_expire),
    Line(8, Period.ANY, let_checkout_expire),
    Line(5, Period.ANY, fail_and_expire),
    Line(6, Period.ANY, cancel_while_paying),
    Line(10, Period.COMING, cancel_paid),
    Line(4, Period.ANY, cancel_and_get_refund),
    Line(3, Period.OVER, pay_and_reverse),
    Line(7, Period.NOW, hold),
    # Chapa never heard of these, so whoever owns one is told to wait until its hold ends.
    Line(4, Period.NOW, start_paying, of_login=False),
)
