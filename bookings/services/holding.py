"""Take the dates of a listing for a traveller."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet

from bookings.events import BookingHeld
from bookings.models import Booking, Listing
from bookings.pricing import quote
from core import idempotency
from core.accounts import lock_account
from core.days import today
from core.errors import Conflict, Invalid, NotFound, TooMany
from core.idempotency import RequestKey
from core.models import User
from events.outbox import record

LONGEST_STAY = 60
FURTHEST_AHEAD = 500


class ListingUnknown(NotFound):
    """There is no such listing."""

    code = "listing_unknown"


class DatesUnavailable(Conflict):
    """Some of these nights are taken."""

    code = "dates_unavailable"


class StayInvalid(Invalid):
    """This stay cannot be booked."""

    code = "stay_invalid"


class TooManyHolds(TooMany):
    """Too many unpaid bookings are held at once."""

    code = "too_many_holds"


@dataclass(frozen=True)
class Stay:
    """What a traveller asks for."""

    listing_id: UUID
    check_in: date
    check_out: date
    guests: int


def hold_booking(
    *, stay: Stay, traveller: User, request_key: RequestKey | None, at: datetime
) -> Booking:
    """
    Hold the dates for `HOLD_MINUTES` at today's price and terms.

    With a key, repeating it returns the booking that the first one made, as it is by then.

    :raises ListingUnknown: if there is no such listing, or it is not offered any more.
    :raises StayInvalid: if the dates or the number of guests do not fit.
    :raises DatesUnavailable: if a night of it is held or confirmed for someone.
    :raises AccountClosed: if the traveller's account was closed meanwhile.
    :raises TooManyHolds: if the traveller holds `OPEN_HOLDS_PER_USER` bookings unpaid already.
    :raises IdempotencyKeyReused: if the key made something else.
    """
    with transaction.atomic():
        if request_key is not None and (made := _made_before(traveller, request_key)):
            return made
        _check_open_holds(traveller, at)
        # The lock first: overlapping inserts against the bare constraint deadlock each other.
        listing = Listing.objects.select_for_update().filter(id=stay.listing_id).first()
        if listing is None or not listing.is_listed:
            raise ListingUnknown
        _check(stay, listing, at)
        if overlapping(listing.id, stay.check_in, stay.check_out).exists():
            raise DatesUnavailable("Choose other dates, or another place.")
        booking = _hold(stay, listing, traveller, at)
        if request_key is not None:
            idempotency.remember_resource(
                principal=traveller.id,
                key=request_key.key,
                fingerprint=request_key.fingerprint,
                resource_id=booking.id,
                at=at,
            )
        return booking


def overlapping(listing_id: UUID | OuterRef, check_in: date, check_out: date) -> QuerySet[Booking]:
    """Return the bookings that occupy a night of this half-open range."""
    return Booking.objects.filter(
        listing_id=listing_id,
        status__in=[Booking.Status.HELD, Booking.Status.CONFIRMED],
        check_in__lt=check_out,
        check_out__gt=check_in,
    )


def _made_before(traveller: User, request_key: RequestKey) -> Booking | None:
    made = idempotency.find_resource(
        principal=traveller.id, key=request_key.key, fingerprint=request_key.fingerprint
    )
    return Booking.objects.select_related("listing").get(id=made) if made else None


def _check_open_holds(traveller: User, at: datetime) -> None:
    """Dates that nobody pays for are kept from others: a person may keep only so many."""
    # So that of two holds at once the second one counts the first, and an erasure sees both.
    lock_account(traveller)
    held = Booking.objects.filter(traveller=traveller, status=Booking.Status.HELD)
    ends = sorted(held.values_list("hold_expires_at", flat=True))
    if (too_many := len(ends) - settings.OPEN_HOLDS_PER_USER) >= 0:
        wait = ends[too_many] - at
        raise TooManyHolds("Pay for one of them, or cancel one.", retry_after=wait)


def _hold(stay: Stay, listing: Listing, traveller: User, at: datetime) -> Booking:
    total = quote(nightly=listing.nightly, check_in=stay.check_in, check_out=stay.check_out)
    booking = Booking.objects.create(
        listing=listing,
        traveller=traveller,
        check_in=stay.check_in,
        check_out=stay.check_out,
        guests=stay.guests,
        total_amount=total.amount,
        currency=total.currency,
        cancellation=listing.cancellation,
        hold_expires_at=at + settings.HOLD_FOR,
        created_at=at,
    )
    record(
        BookingHeld(
            booking_id=booking.id,
            listing_id=listing.id,
            check_in=booking.check_in,
            check_out=booking.check_out,
            total=total,
        ),
        at=at,
    )
    return booking


def _check(stay: Stay, listing: Listing, at: datetime) -> None:
    wrong = wrong_dates(stay.check_in, stay.check_out, at)
    if not 1 <= stay.guests <= listing.sleeps:
        wrong["/guests"] = f"From 1 to {listing.sleeps}, which this place sleeps."
    if wrong:
        raise StayInvalid(pointers=wrong)


def wrong_dates(check_in: date, check_out: date, at: datetime) -> dict[str, str]:
    """Return why nothing can be booked for these dates, by pointer."""
    wrong = {}
    ahead = (check_in - today(at)).days
    nights = (check_out - check_in).days
    if ahead < 0:
        wrong["/check_in"] = "This day is over in Ethiopia."
    elif ahead > FURTHEST_AHEAD:
        wrong["/check_in"] = f"At most {FURTHEST_AHEAD} days ahead."
    if nights < 1:
        wrong["/check_out"] = "At least one night after check_in."
    elif nights > LONGEST_STAY:
        wrong["/check_out"] = f"At most {LONGEST_STAY} nights."
    return wrong
