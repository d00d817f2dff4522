"""Listings and bookings to look at."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from bookings.models import Booking, Listing
from bookings.services.holding import overlapping
from core.errors import NotFound
from core.models import User


class BookingUnknown(NotFound):
    """There is no such booking."""

    code = "booking_unknown"


@dataclass(frozen=True)
class Search:
    """What a traveller looks for; None where it does not matter. Dates come as a pair."""

    city: str | None = None
    check_in: date | None = None
    check_out: date | None = None
    guests: int | None = None
    max_price: Decimal | None = None


def find_listings(search: Search) -> QuerySet[Listing]:
    """Return the offered listings that fit, free on every night asked for."""
    found = Listing.objects.filter(is_listed=True)
    if search.city:
        found = found.filter(city__iexact=search.city)
    if search.guests:
        found = found.filter(sleeps__gte=search.guests)
    if search.max_price is not None:
        found = found.filter(nightly_price__lte=search.max_price)
    if search.check_in and search.check_out:
        taken = overlapping(OuterRef("pk"), search.check_in, search.check_out)
        found = found.filter(~Exists(taken))
    return found


def bookings_of(traveller: User) -> QuerySet[Booking]:
    return Booking.objects.filter(traveller=traveller).select_related("listing")


def get_booking(*, booking_id: UUID, traveller: User, lock: bool = False) -> Booking:
    """:raises BookingUnknown: if there is none, or it is someone else's: nobody learns which."""
    found = bookings_of(traveller)
    if lock:
        found = found.select_for_update(of=["self"])
    booking = found.filter(id=booking_id).first()
    if booking is None:
        raise BookingUnknown
    return booking
