"""A healthy history, told through services: of each way that a stay and its money can go, one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bookings.models import Booking, Cancellation
from bookings.seeding import courses
from bookings.seeding.journey import Journey
from bookings.services.holding import Stay
from bookings.tests.factories import ListingFactory
from core.days import today
from core.models import User
from core.tests.factories import UserFactory
from payments.models import Refund
from payments.services.deciding import resolve_refund
from payments.services.seeding import Outcome
from payments.services.status import Payment
from payments.tests.cast import notify

NOW = datetime.now(UTC).replace(microsecond=0)
# Each of these stories has ended by now, and is young enough to be looked at often.
LONG_AGO, JUST_NOW = NOW - timedelta(hours=60), NOW - timedelta(hours=1)


def cancel_and_hear_of_refund(journey: Journey) -> None:
    """Half of the money goes back, as the strict terms say; a person found that out."""
    Booking.objects.filter(id=journey.booking.id).update(cancellation=Cancellation.STRICT)
    courses.cancel_paid(journey)
    refund = Refund.objects.get(payment__reference=journey.booking.id)
    resolve_refund(refund_id=refund.id, sent=True, reason="seen", person="finance:1", at=journey.at)


def pay_again_after_a_reversal(journey: Journey) -> None:
    """What paid for the stay is taken back; the first link, given up as failed, pays after all."""
    first = journey.open_payment()
    journey.hear(first, Outcome.FAILED)
    journey.hear(journey.pay(), Outcome.REVERSED)
    journey.hear(first, Outcome.PAID)


STORIES = {
    course.__name__: (course, LONG_AGO)
    for course in (
        courses.pay,
        courses.pay_second_time,
        courses.pay_twice,
        courses.pay_late,
        courses.pay_for_taken_dates,
        courses.pay_part,
        courses.let_expire,
        courses.let_checkout_expire,
        courses.fail_and_expire,
        courses.cancel_while_paying,
        courses.cancel_paid,
        courses.cancel_and_get_refund,
        courses.pay_and_reverse,
    )
} | {
    "pay_again": (pay_again_after_a_reversal, LONG_AGO),
    "get_half_back": (cancel_and_hear_of_refund, LONG_AGO),
    "pay_just_now": (courses.pay, JUST_NOW),
    "hold": (courses.hold, NOW - timedelta(minutes=9)),
    "start_paying": (courses.start_paying, NOW - timedelta(minutes=9)),
}


@dataclass(frozen=True)
class Story:
    """A booking and its payments, oldest first."""

    booking: Booking
    payments: list[Payment]


def tell_stories() -> dict[str, Story]:
    """All are of one traveller and cost the same, each at a place of its own."""
    traveller, rival = UserFactory.create(), UserFactory.create()
    told = {name: _tell(name, traveller, rival) for name in STORIES}
    notify(told["pay"].payments[0].tx_ref, at=NOW)
    return told


def _tell(name: str, traveller: User, rival: User) -> Story:
    course, at = STORIES[name]
    day = today(at) + timedelta(days=40)
    stay = Stay(ListingFactory.create().id, day, day + timedelta(days=2), guests=2)
    journey = Journey.begin(stay, traveller, rival, at)
    course(journey)
    payments = Payment.objects.filter(reference=journey.booking.id).order_by("created_at", "id")
    return Story(journey.booking, list(payments))
