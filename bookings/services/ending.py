"""Holds that run out, and stays that are given up."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from bookings.events import BookingCancelled, BookingExpired
from bookings.models import Booking
from bookings.services.giving_back import order_what_terms_owe
from bookings.services.looking import get_booking
from bookings.services.paying import TIME_TO_PAY
from core.days import today
from core.errors import Conflict
from core.models import User
from core.money import Money
from events.outbox import record
from payments.services import checkout, closing, refunds, status
from payments.services.breaker import Breaker
from payments.services.leasing import PaymentBusy

log = structlog.get_logger(__name__)

# How long a hold outlives its end while somebody says it is paid and Chapa says not yet.
GRACE = timedelta(minutes=10)


class BookingNotCancellable(Conflict):
    """This booking cannot be cancelled any more."""

    code = "booking_not_cancellable"


def expire_due_holds(
    clock: Callable[[], datetime],
    *,
    limit: int = 1000,
    time_slice: timedelta = timedelta(seconds=50),
) -> Counter[str]:
    """
    End the holds whose time is over, the oldest first; return how many went which way.

    Safe to run several times at once. Once Chapa was silent three times in a row, this sweep asks
    it no more, so that holds nobody began to pay do not wait for it, and none while it is away or
    refuses our key. One that cannot be ended does not stop the others.
    """
    outcomes: Counter[str] = Counter()
    started = clock()
    breaker = Breaker.at(started)
    _give_time_back(is_away=breaker.is_open, at=started)
    due = Booking.objects.filter(status=Booking.Status.HELD, hold_expires_at__lte=started)
    for booking_id in due.order_by("hold_expires_at").values_list("id", flat=True)[:limit]:
        at = clock()
        if at > started + time_slice:
            break
        try:
            outcome = expire_hold(booking_id=booking_id, at=at, breaker=breaker)
        except Exception:
            log.exception("hold.not_ended", booking_id=str(booking_id))
            outcome = "failed"
        outcomes[outcome] += 1
    if outcomes:
        log.info("holds.expired", **outcomes)
    return outcomes


def expire_hold(*, booking_id: UUID, at: datetime, breaker: Breaker | None = None) -> str:
    """
    End one hold, unless its money arrived; return what happened: expired, paid, kept or silent.

    What can still be paid, also on the link of a try that failed, is first closed at Chapa and
    asked about once more. While Chapa is silent, as it is taken to be behind an open breaker, the
    dates are kept up to `HOLD_OUTAGE_CAP` after the first payment was to expire; while a hint of
    success is not confirmed, up to `GRACE`.
    """
    booking = Booking.objects.get(id=booking_id)
    if booking.status != Booking.Status.HELD or booking.hold_expires_at > at:
        return "kept"
    breaker = breaker or Breaker()
    payments = status.all_for(booking_id)
    may_bring_money = status.may_bring_money(booking_id, at=at)
    for payment in payments:
        answered = True
        if payment.id in may_bring_money:
            answered = not breaker.is_open and _close_and_ask(payment, at, breaker)
        if not answered and at < _latest_end(min(each.expires_at for each in payments)):
            return "silent"
        if answered and at < booking.hold_expires_at + GRACE and _is_hinted(payment, at):
            return "kept"
    with transaction.atomic():
        booking = Booking.objects.select_for_update().get(id=booking_id)
        if booking.status != Booking.Status.HELD or booking.hold_expires_at > at:
            return "kept"
        payments = checkout.lock_payments(booking_id)
        # Once some of it was ordered back, nobody may come to confirm: the rest is late money.
        if any(refunds.is_whole(payment) for payment in payments):
            return "paid"
        for payment in payments:
            closing.expire_payment(payment_id=payment.id, at=at)
        booking.status = Booking.Status.EXPIRED
        booking.ended_at = at
        booking.save(update_fields=["status", "ended_at"])
        record(BookingExpired(booking_id=booking.id), at=at)
    return "expired"


def cancel_booking(*, booking_id: UUID, traveller: User, at: datetime) -> Booking:
    """
    Give a stay up and free its dates; what its terms give back is ordered as a refund.

    Repeating changes nothing.

    :raises BookingUnknown: if the traveller has no such booking.
    :raises BookingNotCancellable: if it has expired, or its first night has come.
    """
    with transaction.atomic():
        booking = get_booking(booking_id=booking_id, traveller=traveller, lock=True)
        was_confirmed = booking.status == Booking.Status.CONFIRMED
        match booking.status:
            case Booking.Status.CANCELLED:
                return booking
            case Booking.Status.EXPIRED:
                raise BookingNotCancellable("Its hold has ended; nothing is owed.")
            case Booking.Status.CONFIRMED if booking.check_in <= today(at):
                raise BookingNotCancellable("The stay has begun. Talk to your host, or to us.")
        payments = checkout.lock_payments(booking_id)
        booking.status = Booking.Status.CANCELLED
        booking.ended_at = at
        booking.save(update_fields=["status", "ended_at"])
        refunds.cancel_open_payments(payments, reason="booking_cancelled", at=at)
        back = kept = Money(booking.total_amount * 0, booking.currency)
        if was_confirmed:
            back, kept = _order_refund(booking, payments, at)
        record(
            BookingCancelled(
                booking_id=booking.id, was_confirmed=was_confirmed, refundable=back, kept=kept
            ),
            at=at,
        )
        return booking


def _give_time_back(*, is_away: bool, at: datetime) -> None:
    """
    While Chapa is silent, keep `TIME_TO_PAY` ahead of those who are about to pay, up to the cap.

    Ahead, so that they still have it when Chapa is back.
    """
    held = Booking.objects.filter(status=Booking.Status.HELD)
    for booking_id, first_end in status.held_up(held.values("id"), is_away=is_away, at=at).items():
        until = min(at + TIME_TO_PAY, _latest_end(first_end))
        held.filter(id=booking_id, hold_expires_at__lt=until).update(hold_expires_at=until)


def _latest_end(first_end: datetime) -> datetime:
    return first_end + settings.HOLD_OUTAGE_CAP


def _close_and_ask(payment: status.Payment, at: datetime, breaker: Breaker) -> bool:
    """Return whether Chapa answered both; someone else's asking leaves it as open as silence."""
    try:
        answered = closing.close_checkout(payment_id=payment.id, at=at) is None
    except PaymentBusy:
        return False
    breaker.note(answered=answered)
    return answered


def _is_hinted(payment: status.Payment, at: datetime) -> bool:
    """Whether somebody lately said that there is news of a payment that Chapa does not know of."""
    now = status.get(payment.id)
    if now.hinted_at is None or now.hinted_at <= at - GRACE or now.captured_amount > 0:
        return False
    return now.status == status.Payment.Status.PENDING or status.is_hinted_since_refusal(now)


def _order_refund(
    booking: Booking, payments: list[status.Payment], at: datetime
) -> tuple[Money, Money]:
    """Return what goes back now, and what is kept of what is still here."""
    payment = next(payment for payment in payments if payment.id == booking.paid_by)
    back = order_what_terms_owe(booking, payment, at=at)
    return back, refunds.left_of(payment)
