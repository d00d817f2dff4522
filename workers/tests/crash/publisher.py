"""What the publishing processes of the chaos test do for as long as they live."""

import random
import time

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from events.base import DomainEvent
from events.outbox import record
from events.tests.cast import LetterOwed, StepTaken, leave_trace


def publish(*stories: str, per_second: float, hold: float = 0.0) -> None:
    """
    Commit changes with their events, for ever.

    Each transaction stays open for `hold` to twice `hold` seconds after it has its event's id.
    """
    while True:
        try:
            _change_and_record(random.choice(stories), hold)
        except (DatabaseError, InterfaceError):
            # Whether that commit was done nobody knows; the test asks the database.
            connection.close()
            time.sleep(0.2)
        time.sleep(random.expovariate(per_second))


def _change_and_record(story: str, hold: float) -> None:
    event: DomainEvent = StepTaken(story=story)
    if random.random() < 0.1:
        event = LetterOwed(reader=story)
    with transaction.atomic():
        leave_trace(f"changed {event.subject} {record(event, at=timezone.now())}")
        time.sleep(random.uniform(hold, 2 * hold))
