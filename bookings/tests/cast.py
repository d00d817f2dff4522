"""A traveller at our doors and at Chapa's, for the tests of bookings."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from rest_framework.test import APIClient

from bookings.models import Booking
from bookings.services.paying import apply_payment, start_payment
from core.ids import new_id
from core.models import User
from events.base import Group
from events.delivery import drain_group
from events.models import Event
from payments.services import settling
from payments.services.status import Payment
from payments.tests.cast import RunningSandbox, at_chapa
from payments.tests.factories import PaymentFactory

__all__ = [
    "RunningSandbox",
    "apply",
    "at_chapa",
    "client_of",
    "deliver_at",
    "events_of",
    "pay_silently",
    "payment_for",
    "settle",
    "start",
]

START = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(new_id())}


def payment_for(booking: Booking, **values: Any) -> Payment:
    """Return a payment that Chapa never heard of."""
    return PaymentFactory.create(
        **{
            "reference": booking.id,
            "payer": booking.traveller,
            "amount": booking.total_amount,
            "created_at": booking.created_at,
            "captured_amount": booking.total_amount if values.get("status") == "succeeded" else 0,
        }
        | values
    )


def start(booking: Booking, at: datetime) -> Payment:
    """Open a payment at Chapa, as the traveller would."""
    return start_payment(
        booking_id=booking.id, traveller=booking.traveller, request_key=None, at=at
    ).payment


def pay_silently(chapa: RunningSandbox, payment: Payment) -> None:
    """Pay, and nobody tells us."""
    chapa.faults.set({"webhook": "off", "callback": "off"})
    chapa.chapa.pay(at_chapa(chapa, payment))


def settle(payment: Payment, at: datetime) -> None:
    settling.settle_payment(payment_id=payment.id, at=at)


def apply(booking: Booking, payment: Payment, at: datetime = START) -> Booking:
    """Let the money be known to the booking, twice: the second time changes nothing."""
    for _ in range(2):
        with transaction.atomic():
            apply_payment(booking_id=booking.id, payment_id=payment.id, at=at)
    booking.refresh_from_db()
    return booking


def deliver_at(at: datetime, *groups: Group) -> None:
    """Deliver what is due by then."""
    while sum(drain_group(group, lambda: at) for group in groups or tuple(Group)):
        pass


def events_of(booking: Booking) -> list[str]:
    subject = f"booking:{booking.id}"
    return list(Event.objects.filter(subject=subject).order_by("id").values_list("type", flat=True))
