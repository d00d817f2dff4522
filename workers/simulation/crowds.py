"""Two who decide about the same thing at the same moment."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from django.db import transaction

from bookings.models import Booking
from bookings.services.ending import cancel_booking
from bookings.services.holding import Stay, hold_booking
from bookings.services.paying import start_payment
from core.days import today
from core.errors import Refusal
from core.rendezvous import meet
from events.base import Group
from payments.chapa.sandbox.transactions import NotAllowed
from payments.models import Refund
from payments.services.refunding import settle_refund
from payments.services.refunds import request_operator_refund
from payments.services.settling import Answer, ask_chapa, write_answer
from workers.simulation import loops
from workers.simulation.world import World

# Whoever asked first and is this late has lost its lease, so another asks as well.
_LATE = timedelta(seconds=21)


def two_answers(world: World) -> None:
    """A worker that hung for a while writes what it heard together with the one that came next."""
    payment = world.one_of(world.payments("pending", "failed", "cancelled", "expired"))
    there = world.chapa.store.find(payment.tx_ref)
    if there is not None and world.dice.random() < 0.7:
        with suppress(NotAllowed):
            world.chapa.chapa.pay(there)
    first = ask_chapa(payment_id=payment.id, at=world.clock())
    world.clock.forward(_LATE)
    second = ask_chapa(payment_id=payment.id, at=world.clock())

    def writing(answer: Answer) -> Callable[[], None]:
        def write() -> None:
            with transaction.atomic():
                write_answer(answer, at=world.clock())

        return write

    meet(writing(first), writing(second))


def two_operators(world: World) -> None:
    """Both send all that is left back."""
    payment = world.one_of(world.payments("succeeded", "partially_refunded"))

    def order() -> None:
        with suppress(Refusal):
            request_operator_refund(
                payment_id=payment.id,
                amount=None,
                reason="asked twice",
                person="user:2",
                at=world.clock(),
            )

    meet(order, order)


def two_looks_at_a_refund(world: World) -> None:
    orders = Refund.objects.filter(state="submitted").order_by("requested_at", "id")
    order = world.one_of(list(orders))

    def look() -> None:
        settle_refund(refund_id=order.id, at=world.clock())

    meet(look, look)


def two_tabs(world: World) -> None:
    """One traveller starts to pay for one booking in two tabs."""
    booking = world.one_of(world.bookings("held"))

    def start() -> None:
        with suppress(Refusal):
            start_payment(
                booking_id=booking.id,
                traveller=booking.traveller,
                request_key=None,
                at=world.clock(),
            )

    meet(start, start)


def two_guests(world: World) -> None:
    """Both want the same nights."""
    check_in = today(world.clock()) + timedelta(days=4)
    stay = Stay(world.listings[0].id, check_in, check_in + timedelta(days=1), 2)

    def holding(number: int) -> Callable[[], None]:
        def hold() -> None:
            with suppress(Refusal):
                traveller = world.travellers[number]
                hold_booking(stay=stay, traveller=traveller, request_key=None, at=world.clock())

        return hold

    meet(holding(0), holding(1))


def cancelled_while_money_comes(world: World) -> None:
    """The traveller gives up what a worker is about to confirm."""
    booking = world.one_of(world.bookings("held"))
    meet(lambda: loops.deliver_group(world, Group.CORE), lambda: _cancel(world, booking))


def _cancel(world: World, booking: Booking) -> None:
    with suppress(Refusal):
        cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=world.clock())


Pair = Callable[[World], None]
PAIRS: Final[tuple[Pair, ...]] = (
    two_answers,
    two_answers,
    two_operators,
    two_looks_at_a_refund,
    two_tabs,
    two_guests,
    cancelled_while_money_comes,
)
