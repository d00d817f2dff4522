"""Stays that stand without their money: put before a person, and what the person says."""

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from bookings.models import Booking
from bookings.services.looking import BookingUnknown
from core.errors import Conflict, read_reason

log = structlog.get_logger(__name__)


class BookingNotFlagged(Conflict):
    """Nothing about this booking waits for a person."""

    code = "booking_not_flagged"


def flag_booking(*, booking_id: UUID, payment_id: UUID, reason: str) -> None:
    """
    Put a confirmed booking whose money is gone in front of a person; it stays confirmed till then.

    Nothing happens if another payment pays for it, or it was given up. Safe to repeat.
    """
    Booking.objects.filter(
        id=booking_id, status=Booking.Status.CONFIRMED, paid_by=payment_id
    ).update(attention=reason)


def resolve_booking(*, booking_id: UUID, reason: str, person: str, at: datetime) -> Booking:
    """
    Say why a stay may stand as it is. It moves no money, and is kept.

    :raises BookingUnknown: if there is no such booking.
    :raises ReasonMissing: if no reason is given.
    :raises BookingNotFlagged: if nothing about it waits for a person.
    """
    why = read_reason(reason)
    with transaction.atomic():
        booking = Booking.objects.select_for_update().filter(id=booking_id).first()
        if booking is None:
            raise BookingUnknown
        if not booking.attention:
            raise BookingNotFlagged
        booking.decisions.append(
            {
                "at": at.isoformat(),
                "person": person,
                "reason": why,
                "attention": booking.attention,
            }
        )
        booking.attention = ""
        booking.save(update_fields=["attention", "decisions"])
    log.warning("booking.resolved", booking_id=str(booking.id))
    return booking
