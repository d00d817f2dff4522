"""Which debts an operator means."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.dateparse import parse_datetime

from core.errors import Invalid
from events.models import Delivery, ReplayItem
from events.routing import routing_table

#: What can be asked for: a delivery's state, or that there is none because it was never owed or is
#: paid.
STATES = (*Delivery.State.values, ReplayItem.MISSING, ReplayItem.DELIVERED)


class EmptySelection(Invalid):
    """A replay must say which events it means."""

    code = "empty_selection"


class UnknownSelection(Invalid):
    """The selection names something that does not exist."""

    code = "unknown_selection"


@dataclass(frozen=True)
class Selection:
    """
    Events by ids, type, subject and time (`since` included, `until` not), all of which must fit;
    of those the debts to one handler (None: to every handler of their routes) in one state.

    :raises EmptySelection: if it would mean every event there is.
    :raises UnknownSelection: if a type, handler or state does not exist, or no time lies within.
    """

    ids: tuple[int, ...] = ()
    type: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    handler: str | None = None
    state: str | None = None

    def __post_init__(self) -> None:
        narrow = self.ids or self.type or self.subject or self.since or self.until
        if not narrow and self.state in (None, ReplayItem.DELIVERED, ReplayItem.MISSING):
            raise EmptySelection("Name ids, a type, a subject, a time, or what is dead.")
        table = routing_table()
        _check("type", self.type, table.types)
        _check("handler", self.handler, {name for _, name in table.by_name})
        _check("state", self.state, STATES)
        if self.since and self.until and self.since >= self.until:
            raise UnknownSelection("until must be later than since.", pointers={"/until": "Later."})

    @property
    def debts(self) -> tuple[list[str], list[str]]:
        """Return the event types and handlers that are meant, pairwise."""
        pairs = [
            pair
            for pair in routing_table().by_name
            if self.type in (None, pair[0]) and self.handler in (None, pair[1])
        ]
        return [event_type for event_type, _ in pairs], [handler for _, handler in pairs]

    def to_json(self) -> dict[str, Any]:
        """Return what was said, without what was not."""
        encoder = DjangoJSONEncoder()
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: encoder.default(value) if isinstance(value, datetime) else value
            for name, value in said.items()
            if value
        }


def _check(name: str, value: str | None, known: Mapping[str, object] | set[str] | Any) -> None:
    if value is not None and value not in known:
        raise UnknownSelection(
            f"No {name} is called {value}. Known: {', '.join(sorted(known))}.",
            pointers={f"/select/{name}": "It does not exist."},
        )


def read_moment(text: str) -> datetime:
    """:raises ValueError: if it is not an RFC 3339 time with a zone."""
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is not a time with a zone")
    return moment
