"""What the terms of a stay that was given up give back of the payment that it was paid by."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from bookings.cancellation import refundable
from bookings.models import Booking
from core.days import today
from core.money import Money
from payments.services import checkout, refunds, status


def order_what_terms_owe(booking: Booking, payment: status.Payment, *, at: datetime) -> Money:
    """
    Order what the terms give back and was not ordered for them yet, as far as it is here.

    Both are locked, the stay is given up. What was ordered for the terms and failed is not ordered
    again: a person has it before them. Return what was ordered.
    """
    orders = payment.refunds.filter(source=status.Refund.Source.CUSTOMER)
    ordered = orders.aggregate(sum=Sum("amount"))["sum"] or 0
    owed, left = owed_by_terms(booking, payment), refunds.left_of(payment)
    back = Money(max(min(owed.amount - ordered, left.amount), left.amount * 0), left.currency)
    if back.amount > 0:
        refunds.request_customer_refund(payment, back, reason="booking_cancelled", at=at)
    return back


def owed_by_terms(booking: Booking, payment: status.Payment) -> Money:
    """Return what the frozen terms give back of its payment, on the day a stay was given up."""
    assert booking.ended_at is not None
    return refundable(
        terms=booking.cancellation,
        # What a person took for the price may be another amount, or in another currency.
        paid=refunds.arrived_of(payment),
        check_in=booking.check_in,
        today=today(booking.ended_at),
    )


def order_rest(*, booking_id: UUID, payment_id: UUID, at: datetime) -> None:
    """
    Order what the terms of a stay still owe, now that some of its money is free again.

    When it was given up another order, or a doubt, may have bound that. Safe to repeat.
    """
    with transaction.atomic():
        booking = Booking.objects.select_for_update().get(id=booking_id)
        if booking.status != Booking.Status.CANCELLED or booking.paid_by != payment_id:
            return
        payments = checkout.lock_payments(booking_id)
        payment = next(each for each in payments if each.id == payment_id)
        order_what_terms_owe(booking, payment, at=at)
