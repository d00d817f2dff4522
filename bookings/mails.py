"""Letters to travellers: each kind has its words in one template, and all share their frames."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from bookings.models import Booking, Mail
from events.base import Outbound
from events.mailing import Draft, mailing, one_line


@dataclass(frozen=True)
class Letter:
    """
    What to tell the traveller of a booking; not `is_true` if something has overtaken it.

    `values` are what the words of its kind need besides the stay. `paid`, `back` and `kept` are
    also shown below it.
    """

    booking: Booking
    is_true: bool = True
    values: dict[str, Any] = field(default_factory=dict)


def booking_of(booking_id: UUID) -> Booking:
    """Return a booking with all that a letter says of it."""
    return Booking.objects.select_related("listing__host", "traveller").get(id=booking_id)


def mailing_travellers(
    name: str, kind: Mail.Kind, letter: Callable[[Any], Letter | None]
) -> Outbound:
    """Return the handler that sends one kind of letter; `letter` is None if an event asks none."""

    def draft(event: Any) -> Draft | None:
        told = letter(event)
        if told is None:
            return None
        is_true = told.is_true and told.booking.traveller.erased_at is None
        return Draft(_written(kind, told) if is_true else None, about={"booking": told.booking})

    return mailing(name, Mail, kind, draft)


def _written(kind: Mail.Kind, told: Letter) -> EmailMultiAlternatives:
    booking = told.booking
    values = {
        "booking": booking,
        "listing": booking.listing,
        "traveller": booking.traveller,
        "host": booking.listing.host,
        **told.values,
    }

    def framed(frame: str) -> str:
        frame = f"bookings/mails/frames/{frame}"
        return render_to_string(f"bookings/mails/{kind}.txt", values | {"frame": frame})

    letter = EmailMultiAlternatives(
        subject=one_line(framed("subject.txt")),
        # What a letter leaves out leaves empty lines behind.
        body=re.sub(r"\n{3,}", "\n\n", framed("letter.txt")).rstrip() + "\n",
        to=[booking.traveller.email],
    )
    letter.attach_alternative(framed("letter.html"), "text/html")
    return letter
