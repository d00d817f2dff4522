"""Seeded histories: whatever happens, money ends where it belongs."""

from datetime import datetime

import pytest

from core.testing import empty_tables
from events.models import Event
from payments.chapa.sandbox.server import RunningSandbox
from workers.simulation.history import live
from workers.simulation.world import HandClock
from workers.tests.simulation.planted import BUGS

pytestmark = [pytest.mark.simulation, pytest.mark.django_db(transaction=True)]


def test_history(
    seed: int,
    clock: HandClock,
    still_chapa: RunningSandbox,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if bug := pytestconfig.getoption("--plant"):
        BUGS[bug](monkeypatch)
    live(seed, clock, still_chapa)


@pytest.mark.parametrize("same", [7, 19, 28])
def test_a_seed_gives_the_same_history_again(
    same: int, clock: HandClock, still_chapa: RunningSandbox
) -> None:
    def once() -> tuple[list[str], list[tuple[str, datetime]]]:
        empty_tables()
        world = live(same, clock, still_chapa)
        events = Event.objects.order_by("id").values_list("type", "occurred_at")
        return world.told, list(events)

    assert once() == once()
