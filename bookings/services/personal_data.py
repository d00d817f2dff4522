"""What bookings hold about a person. Nothing here names one, so nothing here is erased."""

from datetime import datetime
from typing import Any

from bookings.models import Booking, Listing, Mail
from core.days import today
from core.models import User

_SHOWN = (
    *("id", "code", "check_in", "check_out", "guests", "total_amount", "currency"),
    *("cancellation", "status", "created_at", "confirmed_at", "ended_at"),
)


def export_bookings(user: User) -> dict[str, Any]:
    """Return a traveller's bookings and mails, and what a host offers."""
    bookings = Booking.objects.filter(traveller=user).order_by("created_at")
    mails = Mail.objects.filter(booking__traveller=user).order_by("id")
    listings = Listing.objects.filter(host=user).order_by("created_at")
    return {
        "bookings": list(bookings.values("listing__name", *_SHOWN)),
        "mails": list(mails.values("kind", "booking", "state", "created_at", "sent_at")),
        "listings": list(listings.values("id", "name", "city", "description", "is_listed")),
    }


def bookings_in_the_way(user: User, *, at: datetime) -> list[str]:
    """
    Return what must end before a person may be forgotten, each with what to do about it.

    Locks a traveller's bookings, so that money which comes now finds out what became of them.
    """
    mine = Booking.objects.select_for_update().filter(traveller=user).order_by("id")
    hosted = Booking.objects.filter(listing__host=user).order_by("id")
    return [
        *(
            f"Booking {booking.code} is {booking.status}, and not over: cancel it first, or wait."
            for booking in mine
            if _is_ahead(booking, at)
        ),
        *(
            f"Booking {booking.code} is a guest's of this host, and not over: wait."
            for booking in hosted
            if _is_ahead(booking, at)
        ),
        *(
            f"Listing {listing.slug} is still offered: withdraw it first."
            for listing in Listing.objects.filter(host=user, is_listed=True).order_by("slug")
        ),
    ]


def _is_ahead(booking: Booking, at: datetime) -> bool:
    match booking.status:
        case Booking.Status.HELD:
            return True
        case Booking.Status.CONFIRMED:
            return booking.check_out > today(at)
    return False
