"""What is wrong at the end of a history; Chapa's own books are the measure."""

from decimal import Decimal

from django.db import transaction
from django.db.models import Q

from bookings.models import Booking
from bookings.services.giving_back import owed_by_terms
from events.models import Delivery
from payments.chapa.sandbox.refunds import RefundState
from payments.chapa.sandbox.transactions import Status, Transaction
from payments.models import LedgerEntry, Payment, Refund
from workers.invariants.base import Scope
from workers.invariants.checking import INVARIANTS, find_violations
from workers.simulation import letters
from workers.simulation.world import World

_PAID = (Status.SUCCESS, Status.REFUNDED, Status.REVERSED)
_GONE = (Status.REFUNDED, Status.REVERSED)
# Whoever looks at these is a person: /admin, and the alarms on their events.
_BEFORE_A_PERSON = ("unknown", "submitted", "failed")


def find_wrong(world: World) -> list[str]:
    """Return what must not be, in sentences; nothing is written."""
    return [
        *find_violations_now(world),
        *_unfinished(world),
        *_money(world),
        *letters.find_wrong(),
    ]


def find_violations_now(world: World) -> list[str]:
    """Return which invariants do not hold, and whose rows offend."""
    with transaction.atomic():
        findings = find_violations(INVARIANTS, at=world.clock(), scope=Scope.EVER)
    return [
        f"{finding.invariant.name}: {finding.samples or 'not checked'}"
        for finding in findings
        if finding.violations != 0
    ]


def _unfinished(world: World) -> list[str]:
    """After days without trouble nothing waits any more."""
    left = Delivery.objects.exclude(state__in=("dead", "uncertain"))
    dead = Delivery.objects.filter(state="dead")
    return [
        *(f"{each.handler} is still {each.state}: {each.last_error}" for each in left),
        *(f"{each.handler} is dead: {each.last_error}" for each in dead),
        *(f"booking {each.code} is still held" for each in world.bookings("held")),
        *(f"payment {each.tx_ref} is still pending" for each in world.payments("pending")),
        *(
            f"refund of {each.amount} is still requested"
            for each in Refund.objects.filter(state="requested")
        ),
    ]


def _money(world: World) -> list[str]:
    """All of a traveller's money is applied, sent back, or in front of a person."""
    payments = {payment.tx_ref: payment for payment in world.payments()}
    known = {transaction.tx_ref for transaction in world.transactions()}
    return [
        *(
            f"payment {tx_ref} brought {payment.captured_amount}, and Chapa never heard of it"
            for tx_ref, payment in payments.items()
            if tx_ref not in known and payment.captured_amount
        ),
        *(
            f"payment {each.tx_ref} ({payments[each.tx_ref].status}): {wrong}"
            for each in world.transactions()
            for wrong in _wrong_about(world, each, payments[each.tx_ref])
        ),
    ]


def _wrong_about(world: World, there: Transaction, payment: Payment) -> list[str]:
    if there.status not in _PAID:
        came = payment.captured_amount
        return [f"{came} is here that Chapa calls {there.status}"] if came else []
    told = world.chapa.chapa.as_claimed(there)
    if not payment.captured_amount:
        return [f"Chapa has {told.amount} {told.currency}, and nobody here knows"]
    wrong = []
    entry = payment.ledger.get(kind=LedgerEntry.Kind.CAPTURE)
    if (entry.amount, entry.currency) != (told.amount.quantize(Decimal("0.01")), told.currency):
        wrong.append(f"captured {entry.amount} {entry.currency} of {told.amount} {told.currency}")
    return [*wrong, *_wrong_about_refunds(world, there, payment), *_wrong_about_rest(payment)]


def _wrong_about_refunds(world: World, there: Transaction, payment: Payment) -> list[str]:
    wrong = []
    asked = world.chapa.store.refunds(there)
    orders = payment.refunds.exclude(source=Refund.Source.EXTERNAL)
    if len(asked) > orders.count():
        wrong.append(f"{len(asked)} refunds at Chapa for {orders.count()} orders")
    went = sum((each.amount for each in asked if each.state is RefundState.REFUNDED), Decimal(0))
    by_hand = payment.ledger.filter(kind=LedgerEntry.Kind.REFUND, gateway_call=None)
    by_hand_sum = sum((entry.amount for entry in by_hand), Decimal(0))
    if there.status in _GONE:
        went = payment.captured_amount
    if payment.refunded_amount - by_hand_sum > went:
        wrong.append(f"{payment.refunded_amount} counts as sent back, and Chapa sent {went}")
    if went > payment.refunded_amount and not is_before_a_person(payment):
        wrong.append(f"Chapa sent {went} back, and {payment.refunded_amount} counts as that")
    return wrong


def _wrong_about_rest(payment: Payment) -> list[str]:
    booking = Booking.objects.get(id=payment.reference)
    if booking.paid_by == payment.id and booking.status == "cancelled":
        return _wrong_about_terms(booking, payment)
    left = payment.captured_amount - payment.refunded_amount
    if left <= 0 or is_before_a_person(payment):
        return []
    if booking.paid_by == payment.id and booking.status == "confirmed":
        return []
    return [f"{left} is neither applied, nor sent back, nor in front of a person"]


def _wrong_about_terms(booking: Booking, payment: Payment) -> list[str]:
    """What its terms keep of a stay that was given up was applied to it; the rest goes back."""
    owed = owed_by_terms(booking, payment).amount
    open_orders = payment.refunds.exclude(state=Refund.State.SUCCEEDED)
    orders = open_orders.exclude(Q(state=Refund.State.FAILED) & ~Q(source=Refund.Source.CUSTOMER))
    went = payment.refunded_amount + sum((each.amount for each in orders), Decimal(0))
    return [f"{went} goes back of a stay whose terms give {owed}"] if went < owed else []


def is_before_a_person(payment: Payment) -> bool:
    """Return whether somebody is told that its money needs a decision."""
    return (
        payment.status == Payment.Status.IN_REVIEW
        or payment.refunds.filter(state__in=_BEFORE_A_PERSON).exists()
        or Booking.objects.filter(id=payment.reference).exclude(attention="").exists()
    )
