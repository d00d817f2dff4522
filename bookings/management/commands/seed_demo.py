import logging
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bookings.seeding.demonstration import Seeded, seed_demonstration
from payments.services.seeding import MoneyIsReal


class Command(BaseCommand):
    help = "Add sample people, listings, bookings and payments; what is there already stays."

    def handle(self, *_: Any, **__: Any) -> None:
        started = time.monotonic()
        # Refunds that were never ordered must not alarm whoever reads the logs.
        logging.disable(logging.WARNING)
        try:
            added = seed_demonstration(timezone.now())
        except MoneyIsReal as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}") from refusal
        finally:
            logging.disable(logging.NOTSET)
        if added == Seeded(people=0, listings=0, bookings=0):
            self.stdout.write("The sample data is there already.")
            return
        self.stdout.write(
            f"Added {added.people} people, {added.listings} listings and {added.bookings} bookings "
            f"with their payments in {time.monotonic() - started:.1f} s."
        )
