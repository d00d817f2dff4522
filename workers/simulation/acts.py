"""What people, Chapa, time and bad luck do: the steps of a history."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Final

from bookings.services.ending import cancel_booking
from bookings.services.holding import Stay, hold_booking
from bookings.services.paying import Started, start_payment
from core.days import today
from core.errors import Refusal
from core.idempotency import RequestKey
from payments.chapa.sandbox.faults import BY_CHANCE, CHOICES
from payments.chapa.sandbox.paying import PAYING_NUMBERS
from payments.chapa.sandbox.transactions import NotAllowed, Transaction
from payments.models import Refund
from payments.services.asking import verify_payment
from payments.services.deciding import accept_payment, resolve_refund
from payments.services.refunds import request_operator_refund
from workers.simulation import crowds, loops
from workers.simulation.dying import die_doing, dying
from workers.simulation.world import World

PERSON: Final = "user:1"
_WAITS = (
    *(timedelta(seconds=seconds) for seconds in (2, 11, 35)),
    *(timedelta(minutes=minutes) for minutes in (1, 3, 11, 16, 31)),
    *(timedelta(hours=hours) for hours in (1, 2, 7)),
)
# Too slow to be worth their time: 20 MiB, and a drop every 20 ms.
_SLOW = ("huge", "drip")
# What Chapa charges is its own affair and stays as it is; these are wrong for a while only.
_LASTING_CLAIMS = ("gross", "amount", "currency")


def hold(world: World) -> None:
    listing, traveller = world.dice.choice(world.listings), world.dice.choice(world.travellers)
    # Few days, so that stays meet.
    check_in = today(world.clock()) + timedelta(days=world.dice.choice((2, 3, 20)))
    stay = Stay(listing.id, check_in, check_in + timedelta(days=world.dice.choice((1, 2))), 2)
    hold_booking(stay=stay, traveller=traveller, request_key=None, at=world.clock())


def start(world: World) -> None:
    booking = world.one_of(world.bookings("held"))
    key = RequestKey(str(booking.id), "start") if world.dice.random() < 0.5 else None
    begun = start_payment(
        booking_id=booking.id, traveller=booking.traveller, request_key=key, at=world.clock()
    )
    if begun.how is not Started.OPEN_ALREADY and world.dice.random() < 0.15:
        # For this payment, for ever: an account that passes on its fee, a bank that sends less.
        claim = world.dice.choice(_LASTING_CLAIMS)
        world.claims[begun.payment.tx_ref] = claim
        world.chapa.faults.set_for(begun.payment.tx_ref, {"claim": claim})


def pay(world: World) -> None:
    """On the page, with a number that pays or one that does not."""
    number = PAYING_NUMBERS[0] if world.dice.random() < 0.8 else "0911000000"
    world.chapa.chapa.page.pay(_unpaid(world), number)


def pay_over_dead_link(world: World) -> None:
    """A payment that was under way at the bank when its link was closed."""
    world.chapa.chapa.pay(_unpaid(world))


def decline(world: World) -> None:
    world.chapa.chapa.page.decline(_unpaid(world))


def cancel(world: World) -> None:
    booking = world.one_of(world.bookings())
    cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=world.clock())


def cancel_paid(world: World) -> None:
    booking = world.one_of(world.bookings("confirmed"))
    cancel_booking(booking_id=booking.id, traveller=booking.traveller, at=world.clock())


def ask(world: World) -> None:
    payment = world.one_of(world.payments())
    verify_payment(payment_id=payment.id, owner=payment.payer, at=world.clock())


def refund(world: World) -> None:
    """An operator sends all that is left back, or a part of it."""
    payment = world.one_of(world.payments("succeeded", "in_review", "partially_refunded"))
    amount = world.dice.choice((None, Decimal(500), Decimal(500), Decimal("1000.50")))
    request_operator_refund(
        payment_id=payment.id, amount=amount, reason="goodwill", person=PERSON, at=world.clock()
    )


def refund_unheard(world: World) -> None:
    """Part of a payment is sent back, and Chapa's answer is lost after it took the order."""
    payment = world.one_of(world.payments("succeeded", "partially_refunded"))
    lost = world.dice.choice(("lose", "500", "html", "timeout", "no_ref_id"))
    world.chapa.faults.set({"refund": lost, "effect": "on"})
    request_operator_refund(
        payment_id=payment.id,
        amount=Decimal(700),
        reason="goodwill",
        person=PERSON,
        at=world.clock(),
    )
    loops.deliver(world)


def accept(world: World) -> None:
    payment = world.one_of(world.payments("in_review"))
    accept_payment(payment_id=payment.id, reason="near enough", person=PERSON, at=world.clock())


def resolve(world: World) -> None:
    """An operator has looked at Chapa's dashboard, and says what stands there."""
    order = world.one_of(list(Refund.objects.filter(state="failed").order_by("requested_at", "id")))
    resolve_refund(refund_id=order.id, sent=True, reason="by bank", person=PERSON, at=world.clock())


def refund_at_dashboard(world: World) -> None:
    """Somebody sends all of it back past Guzo, which nothing else has sent back a part of."""
    paid = [each for each in _paid(world) if not world.chapa.store.refunds(each)]
    world.chapa.chapa.refund(world.one_of(paid))


def reverse(world: World) -> None:
    world.chapa.chapa.reverse(world.one_of(_paid(world)))


def wait(world: World) -> None:
    by = world.dice.choice(_WAITS)
    world.tell(f"  {by} pass")
    world.clock.forward(by)
    world.chapa.chapa.catch_up()


def run_loops(world: World) -> None:
    loops.run_all(world)


def run_one_loop(world: World) -> None:
    loop = world.dice.choice((loops.deliver, loops.sweep, loops.expire, loops.look_at_refunds))
    world.tell(f"  {loop.__name__}")
    loop(world)


def trouble(world: World) -> None:
    """Something goes wrong at Chapa, or on the way, until it is repaired."""
    kind = world.dice.choice([kind for kind in BY_CHANCE if kind != "claim"])
    position = world.dice.choice([each for each in CHOICES[kind] if each not in _SLOW])
    effect = world.dice.choice(("on", "off"))
    world.tell(f"  {kind}: {position}, effect {effect}")
    world.chapa.faults.set({kind: position, "effect": effect})


def other_mode(world: World) -> None:
    """Chapa mistakes one payment for one of live mode, until it is repaired."""
    transaction = world.one_of(world.transactions())
    if transaction.tx_ref not in world.claims:
        world.chapa.faults.set_for(transaction.tx_ref, {"claim": "mode"})


def repair(world: World) -> None:
    heal(world)


def heal(world: World) -> None:
    """End every trouble; how refunds end and what is charged for one payment stay as they are."""
    now = world.chapa.faults.now
    world.chapa.faults.clear()
    world.chapa.faults.set({"test_refunds": now.test_refunds, "refund_end": now.refund_end})
    for tx_ref, claim in world.claims.items():
        world.chapa.faults.set_for(tx_ref, {"claim": claim})


def repeat_webhooks(world: World) -> None:
    """Chapa sends what it sent before once more."""
    over = [each for each in world.transactions() if each.status != "pending"]
    world.chapa.chapa.deliveries.send_again(world.one_of(over), times=2, at_once=False)


def die(world: World) -> None:
    """A worker or a request dies at a labelled place, and others go on."""
    act = world.dice.choice((loops.run_all, loops.run_all, loops.deliver, start, refund, cancel))
    place = die_doing(lambda: _try(act, world), after=world.dice.randint(0, 12))
    world.tell(f"  in {act.__name__}: {f'died at {place}' if place else 'lived'}")


def die_at_door(world: World) -> None:
    """The process that takes a webhook dies over it; Chapa sends it again."""
    world.one_of(world.chapa.store.deliveries())
    with dying(after=world.dice.randint(0, 1), at_door=True) as passed:
        world.chapa.chapa.catch_up()
    world.tell(f"  passed {', '.join(passed) or 'nothing'}")


def crowd(world: World) -> None:
    """Two do the same to one thing at once."""
    pair = world.dice.choice(crowds.PAIRS)
    world.tell(f"  {pair.__name__}")
    pair(world)


Act = Callable[[World], None]
#: Each with how likely it is.
ACTS: Final[dict[Act, int]] = {
    hold: 8,
    start: 10,
    pay: 12,
    pay_over_dead_link: 2,
    decline: 2,
    cancel: 3,
    cancel_paid: 8,
    ask: 3,
    refund: 5,
    refund_unheard: 3,
    accept: 2,
    resolve: 1,
    refund_at_dashboard: 1,
    reverse: 1,
    wait: 12,
    run_loops: 10,
    run_one_loop: 5,
    trouble: 6,
    other_mode: 1,
    repair: 3,
    repeat_webhooks: 2,
    die: 8,
    die_at_door: 4,
    crowd: 6,
}


def _try(act: Act, world: World) -> None:
    with suppress(Refusal, NotAllowed):
        act(world)


def _unpaid(world: World) -> Transaction:
    unpaid = ("pending", "failed", "failed/cancelled")
    return world.one_of([each for each in world.transactions() if each.status in unpaid])


def _paid(world: World) -> list[Transaction]:
    return [each for each in world.transactions() if each.status == "success"]
