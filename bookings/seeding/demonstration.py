"""Everything a demonstration starts with, in one commit."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from bookings.seeding.catalogue import add_missing_listings, add_missing_people, read_catalogue
from bookings.seeding.history import seed_history
from payments.services.seeding import refuse_real_money


@dataclass(frozen=True)
class Seeded:
    """How many were added."""

    people: int
    listings: int
    bookings: int


def seed_demonstration(at: datetime) -> Seeded:
    """
    Add the catalogue's people, listings and stays that are not there yet.

    All of it or nothing, so that no worker sees an event before its deliveries are skipped.
    Repeating adds and changes nothing; a second one at the same time waits for the first.

    :raises MoneyIsReal: in live mode and in production.
    """
    refuse_real_money()
    catalogue = read_catalogue()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('seed_demo', 0))")
        return Seeded(
            people=add_missing_people(catalogue, at),
            listings=add_missing_listings(catalogue, at),
            bookings=seed_history(catalogue, at),
        )
