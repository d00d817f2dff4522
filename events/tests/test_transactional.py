import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from events import transactional
from events.base import Context, Group, Route
from events.delivery import drain_group
from events.models import Delivery, Event, Receipt
from events.outbox import record
from events.tests.cast import (
    AT,
    Fussy,
    HandClock,
    LetterOwed,
    StepTaken,
    await_death,
    leave_trace,
    note_step,
    owe_again,
    record_at,
    route_steps,
    states,
    steps,
    traces,
)
from events.tests.conftest import UseRoutes
from events.transactional import drain_lane


def test_effect_receipt_and_the_end_of_the_debt_are_one_commit(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any
) -> None:
    def look() -> tuple[int, ...]:
        with second_connection.cursor() as cursor:
            cursor.execute(
                """select (select count(*) from core_idempotencyrecord),
                          (select count(*) from events_receipt),
                          (select count(*) from events_delivery)"""
            )
            return tuple(cursor.fetchone())

    seen = []

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace("done")
        seen.append(look())

    use_routes(route_steps(note_step))
    record_at(AT, *steps(3))

    assert drain_group(Group.CORE, clock) == 3

    assert seen == [(0, 0, 3)] * 3
    assert look() == (3, 3, 0)


@pytest.mark.django_db
def test_a_receipt_says_who_did_it_when_and_at_which_attempt(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    handler = Fussy({1: ValueError("not yet")})
    use_routes(route_steps(handler))
    (event_id,) = record_at(AT, StepTaken())

    drain_group(Group.CORE, clock)
    handler.errors.clear()
    clock.forward(seconds=2)
    drain_group(Group.CORE, clock)

    receipt = Receipt.objects.get()
    assert (receipt.event_id, receipt.handler, receipt.how) == (event_id, "note_step", "done")
    assert (receipt.attempts, receipt.done_at) == (2, AT + timedelta(seconds=2))
    assert receipt.worker


@pytest.mark.django_db
@pytest.mark.parametrize("times", [1, 3])
def test_the_same_debt_again_does_nothing(
    use_routes: UseRoutes, clock: HandClock, times: int
) -> None:
    use_routes(route_steps(note_step))
    (event_id,) = record_at(AT, StepTaken())
    like = Delivery.objects.get()
    drain_group(Group.CORE, clock)

    for _ in range(times):
        owe_again(event_id, like)
        drain_group(Group.CORE, clock)

    assert traces() == ["one 1"]
    assert not Delivery.objects.exists()
    assert Receipt.objects.count() == 1


@pytest.mark.django_db
def test_a_failing_handler_takes_back_its_own_effect_and_no_others(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(route_steps(Fussy({2: ValueError("no")})))
    ids = record_at(AT, *steps(3))

    drain_group(Group.CORE, clock)

    assert traces() == ["one 1", "one 3"]
    assert states() == ["retry"]
    assert sorted(Receipt.objects.values_list("event_id", flat=True)) == [ids[0], ids[2]]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("put_off", [False, True])
def test_a_broken_foreign_key_fails_only_the_one_that_wrote_it(
    use_routes: UseRoutes, clock: HandClock, put_off: bool
) -> None:
    runs: list[int] = []

    def note_step(event: StepTaken, context: Context) -> None:
        runs.append(event.number)
        leave_trace(f"one {event.number}")
        if event.number == 2:
            if put_off:
                # Now only the COMMIT can notice.
                connection.cursor().execute("set constraints all deferred")
            Permission.objects.create(content_type_id=-1, codename="x", name="x")

    use_routes(route_steps(note_step))
    record_at(AT, *steps(3))

    drain_group(Group.CORE, clock)

    assert traces() == ["one 1", "one 3"]
    debt = Delivery.objects.get()
    assert (debt.state, debt.attempts) == ("retry", 1)
    assert "violates foreign key" in debt.last_error
    assert not Permission.objects.filter(content_type_id=-1).exists()
    assert runs == ([1, 2, 3, 1, 2, 3] if put_off else [1, 2, 3])


@pytest.mark.django_db
def test_a_handler_is_told_which_attempt_it_is_and_what_caused_it(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    seen: list[Context] = []

    def note_step(event: StepTaken, context: Context) -> None:
        seen.append(context)
        record(LetterOwed(), at=context.at)
        if len(seen) == 1:
            raise ValueError

    use_routes({StepTaken: (Route(note_step, Group.CORE),), LetterOwed: ()})
    (event_id,) = record_at(AT, StepTaken())

    drain_group(Group.CORE, clock)
    clock.forward(seconds=5)
    drain_group(Group.CORE, clock)

    assert [context.attempt for context in seen] == [1, 2]
    assert seen[1].at == AT + timedelta(seconds=5)
    assert seen[1].occurred_at == AT
    assert seen[1].event_id == event_id
    cause, effect = Event.objects.order_by("id")
    assert (effect.causation_id, effect.actor) == (cause.id, "note_step")
    assert effect.correlation_id == cause.correlation_id


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_dies_in_a_batch_loses_and_doubles_nothing(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    deaths = [1]

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"one {event.number}")
        if event.number == 2 and deaths:
            deaths.pop()
            connection.cursor().execute("select pg_terminate_backend(pg_backend_pid())")

    use_routes(route_steps(note_step))
    record_at(AT, *steps(3))

    drain_group(Group.CORE, clock)
    await_death()
    drain_group(Group.CORE, clock)

    assert traces() == ["one 1", "one 2", "one 3"]
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_a_slow_batch_commits_what_it_has_and_leaves_the_rest(
    use_routes: UseRoutes, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactional, "BATCH_SECONDS", 0.03)

    def note_step(event: StepTaken, context: Context) -> None:
        time.sleep(0.02)
        leave_trace(f"one {event.number}")

    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    record_at(AT, *steps(6))

    settled = drain_lane(Group.CORE, clock) or 0
    assert 0 < settled < 6
    assert Receipt.objects.count() == settled
    assert drain_group(Group.CORE, clock) == 6 - settled
    assert traces() == [f"one {number}" for number in range(1, 7)]
