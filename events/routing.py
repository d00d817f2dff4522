"""The routing table as the engine reads it: by the names that stand in rows."""

from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from events.base import DomainEvent, Route, Routes


@dataclass(frozen=True)
class RoutingTable:
    types: dict[str, type[DomainEvent]]
    by_type: dict[str, tuple[Route, ...]]
    by_name: dict[tuple[str, str], Route]

    def routes_of(self, event_type: str) -> tuple[Route, ...]:
        return self.by_type[event_type]

    def route(self, event_type: str, handler: str) -> Route | None:
        """Return the line that owes this event to this handler, if there still is one."""
        return self.by_name.get((event_type, handler))


@cache
def routing_table() -> RoutingTable:
    """Return `settings.EVENT_ROUTES`, indexed; read once in a process's life."""
    routes: Routes = import_string(settings.EVENT_ROUTES)
    table = RoutingTable(
        types={event.type: event for event in routes},
        by_type={event.type: lines for event, lines in routes.items()},
        by_name={
            (event.type, line.name): line for event, lines in routes.items() for line in lines
        },
    )
    if len(table.types) != len(routes) or len(table.by_name) != sum(map(len, routes.values())):
        raise ValueError("EVENT_ROUTES names an event type, or a handler of one type, twice")
    return table
