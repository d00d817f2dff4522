"""The people and places of bookings/catalogue.json."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bookings.models import Listing
from core.models import User

Entry = dict[str, Any]
Catalogue = dict[str, list[Entry]]

CATALOGUE = Path(__file__).parents[1] / "catalogue.json"

OPERATOR_EMAIL = "operator@guzo.et"
TRAVELLER_EMAIL = "selam@guzo.et"
_LOGINS: tuple[Entry, ...] = (
    {
        "email": OPERATOR_EMAIL,
        "password": "guzo-demo-operator",
        "first_name": "Marta",
        "last_name": "Kebede",
        "is_staff": True,
        "is_superuser": True,
    },
    {
        "email": TRAVELLER_EMAIL,
        "password": "guzo-demo-traveller",
        "first_name": "Selam",
        "last_name": "Tesfaye",
        # Chapa's number for a payment that succeeds in test mode; docs/chapa.md.
        "phone_number": "0900123456",
    },
)


def read_catalogue() -> Catalogue:
    catalogue: Catalogue = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    return catalogue


def add_missing_people(catalogue: Catalogue, at: datetime) -> int:
    """Add who has no account yet, and return how many; of them only the two logins can log in."""
    people = [*_LOGINS, *catalogue["hosts"], *catalogue["travellers"]]
    known = set(
        User.objects.filter(email__in=[person["email"] for person in people]).values_list(
            "email", flat=True
        )
    )
    added = []
    for number, person in enumerate(people):
        if person["email"] not in known:
            fields = {name: value for name, value in person.items() if name != "password"}
            user = User(**fields, joined_at=at - timedelta(days=400 - number, minutes=7 * number))
            user.set_password(person.get("password"))
            added.append(user)
    User.objects.bulk_create(added)
    return len(added)


def add_missing_listings(catalogue: Catalogue, at: datetime) -> int:
    """Add the places that are not there yet, and return how many; the others stay as they are."""
    places = catalogue["listings"]
    known = {listing.slug for listing in listings_of(catalogue)}
    hosts = people_of(catalogue["hosts"])
    added = [
        Listing(
            **{name: value for name, value in place.items() if name != "host"},
            host=hosts[place["host"]],
            created_at=at - timedelta(days=360 - 3 * number, minutes=11 * number),
        )
        for number, place in enumerate(places)
        if place["slug"] not in known
    ]
    Listing.objects.bulk_create(added)
    return len(added)


def listings_of(catalogue: Catalogue) -> list[Listing]:
    """Return the catalogue's listings that exist, in its order."""
    slugs = [place["slug"] for place in catalogue["listings"]]
    found = {listing.slug: listing for listing in Listing.objects.filter(slug__in=slugs)}
    return [found[slug] for slug in slugs if slug in found]


def people_of(people: list[Entry]) -> list[User]:
    """Return the accounts of these people, in their order."""
    emails = [person["email"] for person in people]
    found = {user.email: user for user in User.objects.filter(email__in=emails)}
    return [found[email] for email in emails]
