import random
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from events import lanes
from events.base import Context, Group, PermanentFailure, Route
from events.delivery import drain_group
from events.models import Delivery, Receipt
from events.replay import Selection
from events.retry import MAX_ATTEMPTS
from events.tests.cast import (
    AT,
    HandClock,
    StepTaken,
    leave_trace,
    owe_again,
    record_at,
    run_replay,
    states,
    steps,
    traces,
)
from events.tests.conftest import Start, UseRoutes
from events.transactional import drain_lane


class Stumbling:
    """Notes each step; fails at the steps that are in its way, after it has left its trace."""

    __name__ = "note_step"

    def __init__(self, *in_the_way: int, error: type[Exception] = ValueError) -> None:
        self.in_the_way = set(in_the_way)
        self.error = error

    def __call__(self, event: StepTaken, context: Context) -> None:
        leave_trace(f"{event.story} {event.number}")
        if event.story == "one" and event.number in self.in_the_way:
            raise self.error


def ordered(handler: Any) -> Any:
    return {StepTaken: (Route(handler, Group.CORE, ordered=True),)}


@pytest.mark.django_db
def test_nothing_overtakes_a_failed_one_of_its_subject(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    handler = Stumbling(2)
    use_routes(ordered(handler))
    record_at(AT, *steps(4), *steps(2, "two"))

    drain_group(Group.CORE, clock)
    assert sorted(traces()) == ["one 1", "two 1", "two 2"]
    assert states() == ["retry", "blocked", "blocked"]

    handler.in_the_way.clear()
    clock.forward(seconds=1)
    drain_group(Group.CORE, clock)
    assert [trace for trace in traces() if "one" in trace] == ["one 1", "one 2", "one 3", "one 4"]
    assert states() == []


@pytest.mark.django_db
def test_what_is_recorded_later_is_blocked_too(use_routes: UseRoutes, clock: HandClock) -> None:
    handler = Stumbling(1)
    use_routes(ordered(handler))
    record_at(AT, StepTaken(number=1))
    drain_group(Group.CORE, clock)
    record_at(AT, StepTaken(number=2))

    drain_group(Group.CORE, clock)
    assert states() == ["retry", "blocked"]

    record_at(AT, StepTaken(number=3))
    handler.in_the_way.clear()
    clock.forward(seconds=1)
    drain_group(Group.CORE, clock)
    assert traces() == ["one 1", "one 2", "one 3"]


@pytest.mark.django_db
def test_a_payment_in_the_same_batch_does_not_unblock_what_a_later_failure_blocked(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(ordered(Stumbling(3)))
    record_at(AT, *steps(5))

    drain_lane(Group.CORE, clock)

    assert states() == ["retry", "blocked", "blocked"]


@pytest.mark.django_db
def test_a_dead_one_blocks_its_subject_until_a_person_revives_it(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    handler = Stumbling(1, error=PermanentFailure)
    use_routes(ordered(handler))
    first, *_ = record_at(AT, *steps(3))

    drain_group(Group.CORE, clock)
    clock.forward(days=1)
    record_at(AT, StepTaken(number=4))
    drain_group(Group.CORE, clock)
    assert states() == ["dead", "blocked", "blocked", "blocked"]
    assert traces() == []

    handler.in_the_way.clear()
    run_replay(Selection(ids=(first,)), at=clock.now)
    drain_group(Group.CORE, clock)
    assert traces() == ["one 1", "one 2", "one 3", "one 4"]


def test_nothing_is_parked_behind_what_a_person_is_letting_go(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any
) -> None:
    use_routes(ordered(Stumbling(1, error=PermanentFailure)))
    record_at(AT, StepTaken(number=1))
    drain_group(Group.CORE, clock)
    record_at(AT, StepTaken(number=2))

    second_connection.autocommit = False
    second_connection.cursor().execute("delete from events_delivery where state = 'dead'")
    assert drain_group(Group.CORE, clock) == 0
    second_connection.commit()

    drain_group(Group.CORE, clock)
    assert traces() == ["one 2"]


@pytest.mark.django_db
def test_unordered_handlers_wait_for_nobody(use_routes: UseRoutes, clock: HandClock) -> None:
    use_routes({StepTaken: (Route(Stumbling(1), Group.CORE),)})
    record_at(AT, *steps(3))

    drain_lane(Group.CORE, clock)

    assert traces() == ["one 2", "one 3"]
    assert states() == ["retry"]


@pytest.mark.django_db
def test_handlers_do_not_block_each_other(use_routes: UseRoutes, clock: HandClock) -> None:
    def count_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"counted {event.number}")

    use_routes(
        {
            StepTaken: (
                Route(Stumbling(1), Group.CORE, ordered=True),
                Route(count_step, Group.CORE, ordered=True),
            )
        }
    )
    record_at(AT, *steps(2))

    drain_group(Group.CORE, clock)

    assert traces() == ["counted 1", "counted 2"]


@pytest.mark.django_db
def test_recorders_whose_clocks_differ_are_not_taken_for_order(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(ordered(Stumbling()))
    record_at(AT + timedelta(seconds=2), StepTaken(number=1))
    record_at(AT, StepTaken(number=2))

    drain_group(Group.CORE, clock)

    assert traces() == ["one 1", "one 2"]


def test_one_whose_row_someone_holds_is_waited_for(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any, start: Start
) -> None:
    use_routes(ordered(Stumbling()))
    first, _ = record_at(AT, *steps(2))
    second_connection.autocommit = False
    second_connection.cursor().execute(
        "select from events_delivery where event_id = %s for update", [first]
    )

    draining = start(lambda: drain_group(Group.CORE, clock))
    with pytest.raises(TimeoutError):
        draining.result(0.05)
    second_connection.rollback()
    draining.result()

    assert traces() == ["one 1", "one 2"]


@pytest.mark.django_db
def test_a_debt_paid_before_keeps_its_receipt_though_it_stands_behind_a_failure(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    handler = Stumbling()
    use_routes(ordered(handler))
    first, second = record_at(AT, *steps(2))
    like = Delivery.objects.get(event_id=first)
    drain_group(Group.CORE, clock)

    # Both are owed again, and only the first one's receipt is lost: it runs, and fails.
    Receipt.objects.filter(event_id=first).delete()
    handler.in_the_way = {1}
    owe_again(first, like)
    owe_again(second, like)
    drain_group(Group.CORE, clock)

    assert Receipt.objects.get().event_id == second
    assert Delivery.objects.get().event_id == first
    assert traces() == ["one 1", "one 2"]


@pytest.mark.django_db
def test_a_deep_backlog_of_one_subject_runs_in_order_over_many_batches(
    use_routes: UseRoutes, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "BATCH", 7)
    use_routes(ordered(Stumbling()))
    record_at(AT, *steps(40))

    assert drain_lane(Group.CORE, clock) == 7
    assert drain_group(Group.CORE, clock) == 33

    assert traces() == [f"one {number}" for number in range(1, 41)]


@pytest.mark.django_db
def test_order_survives_failures_at_random(use_routes: UseRoutes, clock: HandClock) -> None:
    dice = random.Random(0)

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"{event.story} {event.number}")
        # One in 500 runs one of them would fail eight times, be dead, and be waited for for ever.
        if context.attempt < MAX_ATTEMPTS and dice.random() < 0.3:
            raise ValueError

    use_routes(ordered(note_step))
    walks = {story: iter(steps(8, story)) for story in "abcd"}
    while walks or Delivery.objects.exists():
        if walks and dice.random() < 0.6:
            story = dice.choice(sorted(walks))
            step = next(walks[story], None)
            if step is None:
                del walks[story]
            else:
                record_at(clock.now, step)
        else:
            drain_group(Group.CORE, clock)
            clock.forward(seconds=dice.uniform(0, 3))

    taken: dict[str, list[int]] = defaultdict(list)
    for trace in traces():
        story, number = trace.split()
        taken[story].append(int(number))
    assert taken == {story: list(range(1, 9)) for story in "abcd"}
