"""Where the scans of a group begin, and that nothing is ever left behind below it."""

import threading

import pytest
from django.db import transaction

from core.tests.threads import eventually
from events.base import Context, Group, PermanentFailure, Route
from events.delivery import drain_group
from events.lanes import sweep_lanes
from events.models import Event, LaneGroup
from events.outbox import record
from events.replay import Selection
from events.tests.cast import (
    AT,
    HandClock,
    StepTaken,
    leave_trace,
    record_at,
    run_replay,
    states,
    steps,
    traces,
)
from events.tests.conftest import Start, UseRoutes

pytestmark = pytest.mark.django_db(transaction=True)


class Strict:
    """Notes each step, but for the one that is refused."""

    __name__ = "note_step"

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused

    def __call__(self, event: StepTaken, context: Context) -> None:
        if event.number == self.refused:
            raise PermanentFailure
        leave_trace(f"{event.story} {event.number}")


@pytest.fixture
def strict(use_routes: UseRoutes) -> Strict:
    handler = Strict()
    use_routes({StepTaken: (Route(handler, Group.CORE, ordered=True),)})
    return handler


def sweep_twice() -> int:
    """Sweep, let what was under way end, sweep again; return the low mark."""
    sweep_lanes("core", every=-1)
    sweep_lanes("core", every=-1)
    return LaneGroup.objects.get(name="core").low_id


def await_mark(low_id: int) -> None:
    """Sweep until the mark stands there: other tests write to the same server meanwhile."""
    eventually(lambda: sweep_twice() == low_id, within=20)


def test_the_mark_passes_what_is_delivered_and_stays_below_what_is_not(
    strict: Strict, clock: HandClock
) -> None:
    *_, last = record_at(AT, *steps(3))
    drain_group(Group.CORE, clock)
    await_mark(last)

    waiting, _ = record_at(AT, *steps(2, "two"))
    await_mark(waiting)


def test_it_is_moved_seldom(strict: Strict, clock: HandClock) -> None:
    sweep_lanes("core")
    swept_at = LaneGroup.objects.get(name="core").swept_at
    record_at(AT, *steps(3))
    drain_group(Group.CORE, clock)

    assert LaneGroup.objects.get(name="core").swept_at == swept_at


def test_a_lower_id_that_commits_late_is_neither_passed_nor_overtaken(
    strict: Strict, clock: HandClock, start: Start
) -> None:
    recorded, commit = threading.Event(), threading.Event()

    def record_slowly() -> int:
        with transaction.atomic():
            event_id = record(StepTaken(story="slow", number=1), at=AT)
            recorded.set()
            assert commit.wait(10)
        return event_id

    slow = start(record_slowly)
    try:
        assert recorded.wait(10)
        *_, later = record_at(AT, *steps(3))
        drain_group(Group.CORE, clock)
        assert sweep_twice() < later
    finally:
        commit.set()
    assert slow.result() < later
    record_at(AT, StepTaken(story="slow", number=2))
    drain_group(Group.CORE, clock)

    assert traces()[3:] == ["slow 1", "slow 2"]
    await_mark(Event.objects.latest("id").id)


@pytest.mark.parametrize("mode", ["redeliver", "skip"])
def test_what_comes_back_below_the_mark_runs(strict: Strict, clock: HandClock, mode: str) -> None:
    strict.refused = 1
    first, *_ = record_at(AT, *steps(3))
    drain_group(Group.CORE, clock)
    assert states() == ["dead", "blocked", "blocked"]
    *_, last = record_at(AT, *steps(3, "two"))
    strict.refused = 0
    drain_group(Group.CORE, clock)
    await_mark(last)

    run_replay(Selection(ids=(first,)), mode=mode, at=clock.now)
    drain_group(Group.CORE, clock)

    numbers = [1, 2, 3] if mode == "redeliver" else [2, 3]
    assert traces() == [f"two {n}" for n in (1, 2, 3)] + [f"one {n}" for n in numbers]
    assert states() == []


def test_a_mark_that_came_with_a_backup_of_another_server_moves_on(
    strict: Strict, clock: HandClock
) -> None:
    LaneGroup.objects.filter(name="core").update(newest_xid=2**60)
    *_, last = record_at(AT, *steps(3))
    drain_group(Group.CORE, clock)

    await_mark(last)
