"""From a held booking to a checkout page, and from arrived money to a confirmed booking."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

import structlog
from django.db import transaction

from bookings.events import BookingConfirmed
from bookings.models import Booking, Listing
from bookings.services.holding import overlapping
from bookings.services.looking import get_booking
from core import idempotency
from core.days import today
from core.errors import BadGateway, Conflict, TooMany
from core.idempotency import RequestKey
from core.models import User
from events.outbox import record
from payments.services import checkout, refunds, status
from payments.services.breaker import KEY_REFUSED_FOR, GatewayUnavailable

log = structlog.get_logger(__name__)

# A traveller who starts to pay has at least this long, once.
TIME_TO_PAY = timedelta(minutes=15)
# Each start asks Chapa for another checkout, and a return page may be clicked by a script.
MOST_PAYMENTS = 5


class BookingNotPayable(Conflict):
    """This booking cannot be paid for now."""

    code = "booking_not_payable"


class TooManyPayments(TooMany):
    """Too many payments were started for this booking."""

    code = "too_many_payments"


class GatewayRefused(BadGateway):
    """Chapa refused to open a checkout."""

    code = "gateway_refused"


class Started(Enum):
    """What the client of a payment start is told."""

    OPENED = auto()
    OPEN_ALREADY = auto()
    OUTCOME_UNKNOWN = auto()


@dataclass(frozen=True)
class PaymentStart:
    payment: status.Payment
    how: Started


def start_payment(
    *, booking_id: UUID, traveller: User, request_key: RequestKey | None, at: datetime
) -> PaymentStart:
    """
    Return the open payment of a held booking, or open one at Chapa.

    Payment, event and key are committed before Chapa is called, so nothing that happens to the
    call is lost. Repeating is safe with or without a key.

    :raises BookingUnknown: if the traveller has no such booking.
    :raises BookingNotPayable: if it is not held any more, or money has arrived for it.
    :raises TooManyPayments: after `MOST_PAYMENTS` for one booking: each asks Chapa again.
    :raises GatewayRefused: if Chapa says no; the payment has failed, another may be started.
    :raises AmountNotCollectable: if the stay costs more than Chapa collects at once.
    :raises GatewayUnavailable: if Chapa refuses our key; a payment that found that out stays
        pending, and once a second one did, no other is made for a while.
    """
    with checkout.waiting_slot(at) as may_wait:
        with transaction.atomic():
            opened = _open(booking_id, traveller, request_key, at, may_wait)
        if not opened.is_new:
            return PaymentStart(opened.payment, _how(opened.payment))
        if not may_wait:
            return PaymentStart(opened.payment, Started.OUTCOME_UNKNOWN)
        result = checkout.open_checkout(opened.payment, at=at)
    match result:
        case checkout.Opening.REFUSED:
            raise GatewayRefused("Nothing was charged. Start another payment, or tell us.")
        case checkout.Opening.CONFIG_ERROR:
            raise GatewayUnavailable(
                "Nothing was charged. Try again later.", retry_after=KEY_REFUSED_FOR
            )
    payment = status.get(opened.payment.id)
    return PaymentStart(payment, Started.OPENED if payment.payable_url else _how(payment))


def apply_payment(*, booking_id: UUID, payment_id: UUID, at: datetime) -> None:
    """
    Confirm the booking that a succeeded payment is for, or send the money back.

    Held: confirmed. Expired: confirmed late, if the dates are still free. Cancelled, or the dates
    or the traveller are gone: refunded. Confirmed by another payment: this one is surplus,
    refunded. Safe to repeat.
    """
    with transaction.atomic():
        booking = Booking.objects.only("listing_id").get(id=booking_id)
        listing = Listing.objects.select_for_update().get(id=booking.listing_id)
        booking = Booking.objects.select_for_update().get(id=booking_id)
        payments = checkout.lock_payments(booking_id)
        payment = next(payment for payment in payments if payment.id == payment_id)
        # A person may have ordered all of it back before: then it pays for nothing.
        if booking.paid_by == payment_id or not refunds.pays(payment):
            return
        if refusal := _why_not_honoured(booking, listing, payments, at):
            refunds.request_system_refund(payment, reason=refusal, at=at)
            return
        late = booking.status == Booking.Status.EXPIRED
        booking.status = Booking.Status.CONFIRMED
        booking.paid_by = payment_id
        booking.confirmed_at = at
        booking.ended_at = None
        booking.attention = ""
        booking.save(update_fields=["status", "paid_by", "confirmed_at", "ended_at", "attention"])
        refunds.cancel_open_payments(payments, reason="superseded", at=at)
        record(BookingConfirmed(booking_id=booking.id, payment_id=payment_id, late=late), at=at)


def _open(
    booking_id: UUID,
    traveller: User,
    request_key: RequestKey | None,
    at: datetime,
    may_wait: bool,
) -> checkout.OpenedPayment:
    if request_key is not None:
        made = idempotency.find_resource(
            principal=traveller.id, key=request_key.key, fingerprint=request_key.fingerprint
        )
        if made is not None:
            return checkout.OpenedPayment(status.get(made), is_new=False)
    booking = get_booking(booking_id=booking_id, traveller=traveller, lock=True)
    if booking.status == Booking.Status.CONFIRMED:
        raise BookingNotPayable("It is paid and confirmed.")
    if booking.status != Booking.Status.HELD or booking.hold_expires_at <= at:
        raise BookingNotPayable(f"It is {_condition(booking)}. Book again.")
    _give_time_to_pay(booking, at)
    earlier = checkout.lock_payments(booking.id)
    if any(payment.is_paid for payment in earlier):
        raise BookingNotPayable("It is paid; the confirmation is on its way.")
    if _is_exhausted(earlier):
        raise TooManyPayments(f"{MOST_PAYMENTS} were started for this booking. Book again.")
    opened = checkout.open_payment(
        reference=booking.id,
        earlier=earlier,
        payer=traveller,
        owed=booking.total,
        title=f"{booking.listing.name} {booking.code}",
        expires_at=booking.hold_expires_at,
        at=at,
        wait_for_rescue=not may_wait,
    )
    if opened.payment.status == status.Payment.Status.IN_REVIEW:
        raise BookingNotPayable("Money has arrived for it and is being looked at by a person.")
    if request_key is not None:
        idempotency.remember_resource(
            principal=traveller.id,
            key=request_key.key,
            fingerprint=request_key.fingerprint,
            resource_id=opened.payment.id,
            at=at,
        )
    return opened


def _give_time_to_pay(booking: Booking, at: datetime) -> None:
    if not booking.hold_extended:
        booking.hold_extended = True
        booking.hold_expires_at = max(booking.hold_expires_at, at + TIME_TO_PAY)
        booking.save(update_fields=["hold_extended", "hold_expires_at"])


def _is_exhausted(payments: list[status.Payment]) -> bool:
    goes_on = any(payment.awaits_money for payment in payments)
    return len(payments) >= MOST_PAYMENTS and not goes_on


def _how(payment: status.Payment) -> Started:
    still_opening = payment.status == status.Payment.Status.PENDING and not payment.checkout_url
    return Started.OUTCOME_UNKNOWN if still_opening else Started.OPEN_ALREADY


def _condition(booking: Booking) -> str:
    return booking.status if booking.status != Booking.Status.HELD else "no longer held"


def _why_not_honoured(
    booking: Booking, listing: Listing, payments: list[status.Payment], at: datetime
) -> str:
    """Return why arrived money goes back, or nothing if the stay can be confirmed."""
    match booking.status:
        case Booking.Status.HELD:
            return ""
        case Booking.Status.CONFIRMED if _is_gone(booking.paid_by, payments):
            # What it was confirmed for went back: this is what pays for it now.
            return ""
        case Booking.Status.CONFIRMED:
            return "surplus"
        case Booking.Status.CANCELLED:
            return "booking_cancelled"
    if booking.traveller.erased_at is not None:
        return "traveller_erased"
    if booking.check_in < today(at):
        return "stay_is_over"
    if not listing.is_listed:
        return "listing_withdrawn"
    if overlapping(listing.id, booking.check_in, booking.check_out).exists():
        return "dates_taken"
    return ""


def _is_gone(payment_id: UUID | None, payments: list[status.Payment]) -> bool:
    gone = (status.Payment.Status.REVERSED, status.Payment.Status.REFUNDED)
    return any(payment.id == payment_id and payment.status in gone for payment in payments)
