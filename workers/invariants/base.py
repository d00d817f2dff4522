"""What an invariant is, and which rows it looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings

from bookings.seeding.history import ACTOR
from events.retention import EVENT_LIFE
from events.routing import routing_table

# As long as Chapa goes on sending a webhook.
LATELY = timedelta(hours=72)


class Scope(StrEnum):
    """Which payments and bookings are looked at."""

    LATELY = "lately"  # those that an event of the last `LATELY` is about
    EVER = "ever"


@dataclass(frozen=True)
class Invariant:
    """
    A sentence that must be true, and the SQL that finds the rows for which it is not.

    `sql` returns a text key and why the row offends, or null if it does not. `payment`, `booking`
    and `event` in it are the rows of the scope; all else is read from the tables, by an index.
    """

    name: str
    sentence: str
    sql: str


_EVENT = "event as not materialized (select * from events_event where occurred_at >= %(lately)s)"
_ROWS = {
    Scope.EVER: f"""with {_EVENT},
        payment as not materialized (select * from payments_payment),
        booking as not materialized (select * from bookings_booking)""",  # noqa: S608
    # Whatever changes a payment or a booking is told by an event of its own: the index of their
    # times leads to what changed lately, however many there are.
    Scope.LATELY: f"""with {_EVENT},
        payment as (select * from payments_payment where id in (
            select substr(subject, 9)::uuid from event where subject like 'payment:%%')),
        booking as (select * from bookings_booking where id in (
            select substr(subject, 9)::uuid from event where subject like 'booking:%%'))""",  # noqa: S608
}


def query_of(invariant: Invariant, scope: Scope, *, samples: int) -> str:
    """Return SQL for how many rows offend, and the key of some and why they do."""
    return f"""{_ROWS[scope]}
        select count(*) over (), key, why from ({invariant.sql}) found (key, why)
        where why is not null order by key limit {samples}"""  # noqa: S608


def values_at(at: datetime) -> Mapping[str, Any]:
    """Return what the SQL of every invariant may name."""
    routes = list(routing_table().by_name)
    return {
        "at": at,
        "lately": at - LATELY,
        # Half a day of doubt: what retention is about to remove may be gone in part.
        "told_since": at - EVENT_LIFE + timedelta(hours=12),
        "sample_data": ACTOR,
        "longest_hold": settings.HOLD_OUTAGE_CAP,
        "routed_types": [event_type for event_type, _ in routes],
        "routed_handlers": [handler for _, handler in routes],
    }
