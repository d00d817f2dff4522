"""The one page that says what follows what is complete, and the catalogue tells the same."""

import dataclasses
import re
from datetime import date
from pathlib import Path
from uuid import UUID

from bookings import events as bookings_events
from core.money import Money
from events.base import DomainEvent
from payments import events as payments_events
from workers.routes import ROUTES

CATALOGUE = Path(__file__).parents[2] / "docs" / "events.md"


def _declared() -> set[type[DomainEvent]]:
    return {
        found
        for module in (bookings_events, payments_events)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, DomainEvent) and hasattr(found, "type")
    }


def test_every_event_type_has_an_entry_even_an_empty_one() -> None:
    assert set(ROUTES) == _declared()


def test_the_catalogue_tells_what_the_table_says() -> None:
    line = r"^\| `([a-z]+\.[a-z_]+)` \|.*\| ([^|]*) \|$"
    rows = re.findall(line, CATALOGUE.read_text(), re.MULTILINE)
    told = {event: set(re.findall(r"`([a-z_]+)`", handlers)) for event, handlers in rows}

    assert told == {event.type: {line.name for line in lines} for event, lines in ROUTES.items()}


def test_every_event_survives_being_written_and_read() -> None:
    for event in _declared():
        assert event.__doc__, f"{event.__name__} does not say what happened"
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", event.type)


def test_no_event_can_name_a_person() -> None:
    """Events are never changed, so what they hold can never be erased."""
    texts = {"claims", "reason", "tx_ref"}  # Chapa's status, a code of ours, a reference of ours
    for event in _declared():
        for field in dataclasses.fields(event):
            impersonal = field.type in (UUID, Money, Money | None, date, bool)
            assert impersonal or field.name in texts, f"{event.type}: {field.name}"
