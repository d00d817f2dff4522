import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.base import Context, Group, Outbound, PermanentFailure, Route
from events.delivery import drain_all, drain_group
from events.models import Delivery
from events.outbox import record
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    StepTaken,
    leave_trace,
    record_at,
    steps,
    traces,
)
from events.tests.conftest import UseRoutes


def ask_slowly(event: LetterOwed, context: Context) -> None:
    time.sleep(0.01)


send_letter = Outbound(
    name="send_letter",
    ask=ask_slowly,
    write=lambda event, answer, context: leave_trace(f"letter to {event.reader}"),
)


def note_slowly(event: StepTaken, context: Context) -> None:
    time.sleep(0.01)
    leave_trace(f"{event.story} {event.number}")


def write_about_it(event: StepTaken, context: Context) -> None:
    record(LetterOwed(reader=str(event.number)), at=context.at)


@pytest.mark.django_db
@pytest.mark.parametrize("group", [Group.CORE, Group.MAIL])
def test_a_time_slice_ends_though_work_is_left(
    use_routes: UseRoutes, clock: HandClock, group: Group
) -> None:
    use_routes(
        {
            StepTaken: (Route(note_slowly, Group.CORE),),
            LetterOwed: (Route(send_letter, Group.MAIL),),
        }
    )
    events: list[Any] = [StepTaken(story=str(n)) for n in range(30)]
    if group is Group.MAIL:
        events = [LetterOwed() for _ in range(30)]
    record_at(AT, *events)

    settled = drain_group(group, clock, time_slice=timedelta(seconds=0.05))

    assert 0 < settled < 20
    assert Delivery.objects.count() == 30 - settled
    assert settled + drain_group(group, clock) == 30


@pytest.mark.django_db
def test_what_is_blocked_is_looked_at_once_and_not_again(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    def note_step(event: StepTaken, context: Context) -> None:
        raise PermanentFailure

    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    record_at(AT, *steps(2))
    drain_group(Group.CORE, clock)
    record_at(AT, *steps(50))

    with CaptureQueriesContext(connection) as parking:
        assert drain_group(Group.CORE, clock) == 0
    with CaptureQueriesContext(connection) as resting:
        assert drain_group(Group.CORE, clock) == 0

    assert len(parking) < 12
    assert len(resting) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("group", list(Group))
def test_a_group_without_work_costs_a_query_or_two(
    use_routes: UseRoutes, clock: HandClock, group: Group
) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert drain_group(group, clock) == 0

    looks = [q for q in queries.captured_queries if "SAVEPOINT" not in q["sql"]]
    assert len(looks) <= 3


@pytest.mark.django_db
def test_what_a_delivery_causes_is_delivered_in_the_same_go(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(
        {
            StepTaken: (Route(write_about_it, Group.CORE, ordered=True),),
            LetterOwed: (Route(send_letter, Group.MAIL),),
        }
    )
    record_at(AT, *steps(3))

    assert drain_all(clock) == 6

    assert sorted(traces()) == ["letter to 1", "letter to 2", "letter to 3"]


@pytest.mark.django_db
def test_delivering_everything_again_does_nothing(
    use_routes: UseRoutes, clock: HandClock, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    use_routes({StepTaken: (Route(note_slowly, Group.CORE),)})
    record_at(AT, *steps(3))
    drain_all(clock)

    clock.forward(days=1)
    assert drain_all(clock) == 0

    assert traces() == ["one 1", "one 2", "one 3"]
