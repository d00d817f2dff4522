from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from events.base import Context, Routes
from events.routing import routing_table
from events.tests import cast
from events.tests.cast import AT, HandClock, LetterOwed, record_at, route_letters

UseRoutes = Callable[[Routes], None]


@pytest.fixture
def use_routes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[UseRoutes]:
    """Point the engine at a routing table of the test's own."""
    settings.EVENT_ROUTES = "events.tests.cast.ROUTES"

    def use(routes: Routes) -> None:
        monkeypatch.setattr(cast, "ROUTES", routes)
        routing_table.cache_clear()

    use({})
    yield use
    routing_table.cache_clear()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def second_connection(transactional_db: None) -> Iterator[Any]:
    """A connection of psycopg2's own, beside the test's; each statement is a transaction."""
    raw = connection.get_new_connection(connection.get_connection_params())
    raw.autocommit = True
    yield raw
    raw.close()


Start = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def start(transactional_db: None) -> Iterator[Start]:
    """Start a function in a thread with a connection of its own; return its future."""

    def run(function: Callable[[], Any]) -> Any:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as threads:
        yield lambda function: threads.submit(run, function)


Letter = Callable[..., int]


@pytest.fixture
def letter(use_routes: UseRoutes, transactional_db: None) -> Letter:
    """Owe one letter to an outbound handler made of `ask`, `write` and `repeat`."""

    def owe(ask: Callable[[Any, Context], Any], **values: Any) -> int:
        use_routes(route_letters(ask, **values))
        (event_id,) = record_at(AT, LetterOwed())
        return event_id

    return owe
