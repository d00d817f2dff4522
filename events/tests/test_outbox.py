import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import InternalError, OperationalError, connection, transaction
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from core.causality import Cause, caused_by
from core.ids import new_id
from core.transactions import OutsideTransaction
from events.base import Context, Group, Route
from events.delivery import drain_group
from events.models import Delivery, Event
from events.outbox import LANES, MOST_AT_ONCE, record, record_all, record_with, subject_key
from events.tests.cast import AT, HandClock, StepTaken, leave_trace, record_at, steps, traces
from events.tests.conftest import Start, UseRoutes


def note_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")


def count_step(event: StepTaken, context: Context) -> None:
    leave_trace("counted")


@pytest.mark.django_db
def test_an_event_is_refused_outside_a_transaction(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})

    with pytest.raises(OutsideTransaction):
        record(StepTaken(), at=AT)

    assert not Event.objects.exists()


@pytest.mark.django_db
def test_an_event_and_what_it_owes_are_one_statement(
    use_routes: UseRoutes, django_assert_num_queries: Callable[[int], Any]
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE), Route(count_step, Group.CORE))})

    with transaction.atomic(), django_assert_num_queries(1):
        event_id = record(StepTaken(), at=AT)

    assert sorted(Delivery.objects.values_list("event_id", "handler")) == [
        (event_id, "count_step"),
        (event_id, "note_step"),
    ]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_recorded(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE),)})

    with transaction.atomic():
        record(StepTaken(), at=AT)
        transaction.set_rollback(True)

    assert not Event.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_an_event_that_the_table_does_not_name_is_refused(use_routes: UseRoutes) -> None:
    with pytest.raises(KeyError), transaction.atomic():
        record(StepTaken(), at=AT)


@pytest.mark.django_db
def test_an_event_that_nobody_handles_is_kept_and_owes_nothing(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})

    (event_id,) = record_at(AT, StepTaken(number=4))

    event = Event.objects.get(id=event_id)
    assert (event.type, event.version, event.subject) == ("step.taken", 1, "story:one")
    assert (event.data, event.occurred_at) == ({"story": "one", "number": 4}, AT)
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_an_event_says_who_caused_it_and_by_which_event(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})
    correlation = new_id()

    with caused_by(Cause(actor="sweep", correlation_id=correlation, event_id=77)):
        record_at(AT, StepTaken())

    event = Event.objects.get()
    assert (event.actor, event.correlation_id, event.causation_id) == ("sweep", correlation, 77)


@pytest.mark.django_db(transaction=True)
def test_an_event_cannot_be_changed(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: ()})
    record_at(AT, StepTaken())

    with pytest.raises((InternalError, IntegrityError), match="immutable"):
        Event.objects.update(actor="someone else")


@pytest.mark.django_db
def test_a_first_try_waits_as_long_as_its_route_says(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE, first_try_after=timedelta(seconds=30)),)})
    record_at(AT, StepTaken())

    clock.forward(seconds=29.9)
    assert drain_group(Group.CORE, clock) == 0
    clock.forward(seconds=0.1)
    assert drain_group(Group.CORE, clock) == 1

    assert traces() == ["one 1"]


@pytest.mark.django_db
@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=90)])
def test_a_caller_may_name_another_time_for_the_first_try(
    use_routes: UseRoutes, clock: HandClock, after: timedelta
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE, first_try_after=timedelta(seconds=30)),)})
    with transaction.atomic():
        record(StepTaken(), at=AT, first_try_at=AT + after)

    clock.now = AT + after - timedelta(milliseconds=1)
    assert drain_group(Group.CORE, clock) == 0
    clock.now = AT + after
    assert drain_group(Group.CORE, clock) == 1


@pytest.mark.django_db
def test_an_ordered_handler_cannot_be_put_off(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})

    with transaction.atomic(), pytest.raises(ValueError, match="put off"):
        record(StepTaken(), at=AT, first_try_at=AT + timedelta(seconds=30))


@pytest.mark.django_db
def test_one_subject_always_has_one_lane(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE),)})

    record_at(AT, *steps(3, "one"), *(StepTaken(story=str(n)) for n in range(100)))

    lanes = dict(Delivery.objects.values_list("event__subject", "lane"))
    assert Delivery.objects.values("event__subject", "lane").distinct().count() == len(lanes)
    assert set(lanes.values()) <= set(range(LANES))
    assert len(set(lanes.values())) > LANES / 2


def test_a_subject_is_the_same_number_everywhere() -> None:
    assert subject_key("payment:1") == subject_key("payment:1") != subject_key("payment:2")
    assert -(2**63) <= subject_key("payment:1") < 2**63


def test_ids_of_one_subject_commit_in_their_order(use_routes: UseRoutes, start: Start) -> None:
    use_routes({StepTaken: ()})
    dice = random.Random(7)
    pauses = [[dice.uniform(0, 0.004) for _ in range(8)] for _ in range(4)]

    def record_slowly(pauses: list[float]) -> None:
        for pause in pauses:
            with transaction.atomic():
                record(StepTaken(), at=AT)
                # An id that is older than another's commit: what a reader would skip.
                time.sleep(pause)

    recorders = [start(partial(record_slowly, mine)) for mine in pauses]
    seen: list[int] = []
    while len(seen) < 32:
        over = all(recorder.done() for recorder in recorders)
        visible = list(Event.objects.order_by("id").values_list("id", flat=True))
        assert visible[: len(seen)] == seen, "an id appeared below one that was already there"
        seen = visible
        assert not over or len(seen) == 32
    for recorder in recorders:
        recorder.result()


def test_a_second_recorder_waits_for_the_first_ones_commit_if_the_subject_is_one(
    use_routes: UseRoutes, start: Start
) -> None:
    use_routes({StepTaken: ()})

    def record_at_once(story: str) -> int:
        with transaction.atomic():
            connection.cursor().execute("set local lock_timeout = '30ms'")
            return record(StepTaken(story=story), at=AT)

    with transaction.atomic():
        record(StepTaken(story="mine"), at=AT)
        another = start(lambda: record_at_once("another"))
        mine = start(lambda: record_at_once("mine"))
        assert another.result()
        with pytest.raises(OperationalError, match="lock timeout"):
            mine.result()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("happens", [True, False])
def test_a_change_and_its_event_are_one_statement_or_neither_is(
    use_routes: UseRoutes, happens: bool
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE),)})
    change = "(select where %(happens)s) as change"

    with CaptureQueriesContext(connection) as queries:
        event_id = record_with(change, {"happens": happens}, StepTaken(number=1), at=AT)

    assert [event.id for event in Event.objects.all()] == ([event_id] if happens else [])
    assert Delivery.objects.count() == happens
    # And the look whether anybody sleeps, outside of the commit.
    assert len(queries) <= 1 + happens


class TestRecordAll:
    @pytest.mark.django_db
    def test_many_events_and_what_they_owe_are_one_statement_in_their_order(
        self, use_routes: UseRoutes, django_assert_num_queries: Callable[[int], Any]
    ) -> None:
        use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
        events = [StepTaken(story=story, number=number) for number in (1, 2, 3) for story in "abc"]

        with transaction.atomic(), django_assert_num_queries(1):
            ids = record_all(events, at=AT)

        assert ids == sorted(ids)
        assert [Event.objects.get(id=each).data for each in ids] == [
            event.to_data() for event in events
        ]
        one_by_one = record_at(AT, *events)
        owed = ["event__subject", "handler", "group", "lane", "subject_key", "ordered", "state"]
        assert list(
            Delivery.objects.filter(event__in=ids).order_by("event_id").values_list(*owed)
        ) == list(
            Delivery.objects.filter(event__in=one_by_one).order_by("event_id").values_list(*owed)
        )

    @pytest.mark.django_db
    def test_it_has_a_bound_and_needs_a_transaction(self, use_routes: UseRoutes) -> None:
        use_routes({StepTaken: ()})

        with pytest.raises(OutsideTransaction):
            record_all([StepTaken()], at=AT)
        with transaction.atomic():
            assert record_all([], at=AT) == []
            with pytest.raises(ValueError, match="at most 1000"):
                record_all([StepTaken()] * (MOST_AT_ONCE + 1), at=AT)
            assert len(record_all(steps(MOST_AT_ONCE), at=AT)) == MOST_AT_ONCE

    def test_two_that_name_the_same_subjects_crosswise_do_not_deadlock(
        self, use_routes: UseRoutes, transactional_db: None, start: Start
    ) -> None:
        use_routes({StepTaken: ()})
        stories = [str(number) for number in range(50)]

        def write(seed: int) -> None:
            for _ in range(5):
                random.Random(seed).shuffle(stories)
                with transaction.atomic():
                    record_all([StepTaken(story=story) for story in list(stories)], at=AT)

        for writing in [start(partial(write, seed)) for seed in range(4)]:
            writing.result()

        assert Event.objects.count() == 1000
