import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from events.base import Context, Group, Route
from events.delivery import drain_group
from events.lanes import own_lane, take_lane
from events.models import Delivery, Lane, Receipt
from events.outbox import record
from events.tests.cast import AT, HandClock, StepTaken, leave_trace, record_at, steps, traces
from events.tests.conftest import Start, UseRoutes
from events.waking import groups_with_work


def note_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")


# Above every process id there can be.
NOBODY = 999_999_999
ROUTES: Any = {StepTaken: (Route(note_step, Group.CORE, ordered=True),)}


class RunningClock:
    """Half a second passes between two looks, whoever looks."""

    def __init__(self) -> None:
        self.now = AT
        self.lock = threading.Lock()

    def __call__(self) -> datetime:
        with self.lock:
            self.now += timedelta(seconds=0.5)
            return self.now


@contextmanager
def a_batch_that_waits(use_routes: UseRoutes, start: Start, clock: HandClock) -> Iterator[Any]:
    """Leave a worker standing in the middle of its batch until the block ends."""
    running, go_on = threading.Event(), threading.Event()

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"{event.story} {event.number}")
        running.set()
        assert go_on.wait(10)

    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    worker = start(lambda: drain_group(Group.CORE, clock))
    try:
        assert running.wait(10)
        yield worker
    finally:
        go_on.set()
    worker.result()


def test_a_lane_is_never_drained_by_two_workers_at_once(
    use_routes: UseRoutes, clock: HandClock, start: Start
) -> None:
    use_routes(ROUTES)
    record_at(AT, *steps(3))

    with a_batch_that_waits(use_routes, start, clock):
        record_at(AT, StepTaken(number=4))
        # Not even by one whose clock says that the other has had it for too long.
        clock.forward(hours=1)
        assert drain_group(Group.CORE, clock) == 0
        assert traces() == []

    assert traces() == ["one 1", "one 2", "one 3", "one 4"]


def test_a_held_lane_is_attended_and_another_one_is_not(
    use_routes: UseRoutes, clock: HandClock, start: Start
) -> None:
    use_routes(ROUTES)
    record_at(AT, *steps(3))
    assert groups_with_work(Group, AT)["core"][0] == 3

    with a_batch_that_waits(use_routes, start, clock):
        assert groups_with_work(Group, AT) == {}
        record_at(AT, StepTaken(story="elsewhere"))
        assert groups_with_work(Group, AT)["core"][0] == 1


def test_a_lane_whose_owner_is_gone_is_taken_at_once(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock
) -> None:
    use_routes(ROUTES)
    record_at(AT, *steps(2))
    Lane.objects.update(owner_pid=NOBODY, owned_at=AT)

    drain_group(Group.CORE, clock)

    assert traces() == ["one 1", "one 2"]
    # Each attempt was counted before it began, and is not counted twice.
    assert set(Receipt.objects.values_list("attempts", flat=True)) == {1}


def test_a_lane_of_a_living_owner_is_left_to_it_for_a_minute(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any
) -> None:
    use_routes(ROUTES)
    record_at(AT, StepTaken())
    Lane.objects.update(owner_pid=second_connection.info.backend_pid, owned_at=AT)

    clock.forward(seconds=60)
    assert drain_group(Group.CORE, clock) == 0
    clock.forward(seconds=1)
    assert drain_group(Group.CORE, clock) == 1


def test_who_lost_its_lane_before_its_batch_began_does_nothing(
    use_routes: UseRoutes, second_connection: Any
) -> None:
    use_routes(ROUTES)
    record_at(AT, StepTaken())
    lane = take_lane("core", AT)
    assert lane is not None
    with transaction.atomic():
        assert own_lane(lane)

    Lane.objects.filter(id=lane.id).update(owner_pid=second_connection.info.backend_pid)

    with transaction.atomic():
        assert not own_lane(lane)


def test_a_worker_robbed_between_two_events_counts_and_runs_no_more(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any
) -> None:
    thief = second_connection.info.backend_pid

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"one {event.number}")
        if event.number == 2:
            # In the commit of the second event: whatever comes after it is no longer ours.
            Lane.objects.filter(owner_pid__isnull=False).update(owner_pid=thief, owned_at=AT)

    use_routes({StepTaken: (Route(note_step, Group.CORE),)})
    record_at(AT, *steps(4))
    Lane.objects.update(owner_pid=NOBODY, owned_at=AT)

    drain_group(Group.CORE, clock)

    assert traces() == ["one 1", "one 2"]
    assert list(Delivery.objects.values_list("state", "attempts")) == [("ready", 0)] * 2


def test_the_relays_look_at_the_lanes_hides_none_of_them(
    use_routes: UseRoutes, second_connection: Any
) -> None:
    use_routes(ROUTES)
    record_at(AT, StepTaken())
    second_connection.autocommit = False
    second_connection.cursor().execute("select from events_lane for key share skip locked")

    assert take_lane("core", AT) is not None
    second_connection.rollback()


def test_many_workers_keep_every_order_and_double_nothing(
    use_routes: UseRoutes, start: Start
) -> None:
    dice = random.Random(11)
    stumbles = {
        (story, n): dice.choice([0] * 8 + [1, 2]) for story in "abcde" for n in range(1, 41)
    }
    hands: set[int] = set()

    def note_step(event: StepTaken, context: Context) -> None:
        hands.add(threading.get_ident())
        leave_trace(f"{event.story} {event.number}")
        if context.attempt <= stumbles[event.story, event.number]:
            raise ValueError

    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    clock = RunningClock()
    published = threading.Event()

    def publish() -> None:
        for number in range(1, 41):
            for story in "abcde":
                with transaction.atomic():
                    record(StepTaken(story=story, number=number), at=AT)
        published.set()

    def work() -> None:
        while not published.is_set() or Delivery.objects.exists():
            if not drain_group(Group.CORE, clock):
                time.sleep(0.002)

    for job in [start(publish), start(work), start(work)]:
        job.result(60)

    taken: dict[str, list[int]] = defaultdict(list)
    for trace in traces():
        story, number = trace.split()
        taken[story].append(int(number))
    assert taken == {story: list(range(1, 41)) for story in "abcde"}
    assert Receipt.objects.count() == 200
    assert len(hands) == 2
