"""What bookings state."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from core.money import Money
from events.base import DomainEvent


@dataclass(frozen=True, kw_only=True)
class BookingEvent(DomainEvent):
    """About one booking."""

    booking_id: UUID

    @property
    def subject(self) -> str:
        return f"booking:{self.booking_id}"


@dataclass(frozen=True, kw_only=True)
class BookingHeld(BookingEvent):
    """Dates are taken for a traveller who has not paid yet."""

    type: ClassVar[str] = "booking.held"
    listing_id: UUID
    check_in: date
    check_out: date
    total: Money


@dataclass(frozen=True, kw_only=True)
class BookingConfirmed(BookingEvent):
    """The stay is paid and the dates are the traveller's."""

    type: ClassVar[str] = "booking.confirmed"
    payment_id: UUID
    late: bool


@dataclass(frozen=True, kw_only=True)
class BookingExpired(BookingEvent):
    """The hold ended unpaid; the dates are free."""

    type: ClassVar[str] = "booking.expired"


@dataclass(frozen=True, kw_only=True)
class BookingCancelled(BookingEvent):
    """
    Someone gave the stay up; the dates are free.

    `refundable`: what its terms give back and was ordered then; the rest of that, if another order
    had it, is ordered when it is free again. `kept`: what neither went back nor is ordered to; None
    where it was not written down.
    """

    type: ClassVar[str] = "booking.cancelled"
    was_confirmed: bool
    refundable: Money
    # Not in the events of a version before.
    kept: Money | None = None
