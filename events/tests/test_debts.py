import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from events.base import Context, Group, Outbound, PermanentFailure, RetryAfter, Route
from events.debts import Debt, take_receipts
from events.delivery import drain_group
from events.models import Delivery, Event
from events.outbox import subject_key
from events.retry import MAX_ATTEMPTS
from events.tests.cast import (
    AT,
    Fussy,
    HandClock,
    LetterOwed,
    StepTaken,
    leave_trace,
    note_step,
    record_at,
    route_steps,
    states,
    steps,
    traces,
)
from events.tests.conftest import Start, UseRoutes


@pytest.mark.django_db
def test_an_attempt_that_fails_is_tried_again_later_and_later_and_then_is_dead(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(route_steps(Fussy({1: ValueError("it never works")})))
    record_at(AT, StepTaken())
    waits = []

    for _ in range(MAX_ATTEMPTS):
        assert states() != ["dead"]
        drain_group(Group.CORE, clock)
        debt = Delivery.objects.get()
        waits.append(debt.next_at - clock.now)
        clock.now = debt.next_at - timedelta(microseconds=1)
        assert drain_group(Group.CORE, clock) == 0
        clock.now = debt.next_at

    assert (states(), debt.attempts) == (["dead"], MAX_ATTEMPTS)
    for number, wait in enumerate(waits[:-1]):
        assert 0.2 * 2**number <= wait.total_seconds() <= 2**number
    assert "Traceback" in debt.last_error
    assert "ValueError: it never works" in debt.last_error
    clock.forward(days=30)
    assert drain_group(Group.CORE, clock) == 0
    assert traces() == []


@pytest.mark.django_db
def test_a_permanent_failure_is_dead_at_once(use_routes: UseRoutes, clock: HandClock) -> None:
    use_routes(route_steps(Fussy({1: PermanentFailure("there is no such stay")})))
    record_at(AT, StepTaken())

    drain_group(Group.CORE, clock)

    debt = Delivery.objects.get()
    assert (debt.state, debt.attempts) == ("dead", 1)
    assert "there is no such stay" in debt.last_error


@pytest.mark.django_db
def test_not_now_is_not_an_attempt(use_routes: UseRoutes, clock: HandClock) -> None:
    use_routes(route_steps(Fussy({1: RetryAfter(timedelta(minutes=3), "someone else is at it")})))
    record_at(AT, StepTaken())

    for _ in range(2 * MAX_ATTEMPTS):
        assert drain_group(Group.CORE, clock) == 1
        debt = Delivery.objects.get()
        assert (debt.state, debt.attempts) == ("retry", 0)
        assert debt.next_at == clock.now + timedelta(minutes=3)
        clock.now = debt.next_at


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["nul \0 in it", "half a letter \ud800", "long " * 5000])
def test_any_error_can_be_written_down(use_routes: UseRoutes, clock: HandClock, text: str) -> None:
    use_routes(route_steps(Fussy({1: ValueError(text)})))
    record_at(AT, *steps(2))

    drain_group(Group.CORE, clock)

    assert traces() == ["one 2"]
    assert text[:4] in Delivery.objects.get().last_error


@pytest.mark.django_db
def test_what_nobody_handles_any_more_ends_dead_and_its_lane_goes_on(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    def retired(event: StepTaken, context: Context) -> None:
        raise AssertionError("never run")

    use_routes(
        {
            StepTaken: (Route(retired, Group.CORE), Route(note_step, Group.CORE)),
            LetterOwed: (Route(retired, Group.CORE),),
        }
    )
    record_at(AT, StepTaken(), LetterOwed())
    use_routes(route_steps(note_step))

    drain_group(Group.CORE, clock)

    assert traces() == ["one 1"]
    assert states() == ["dead", "dead"]
    for debt in Delivery.objects.all():
        assert "no longer routed to retired" in debt.last_error


@pytest.mark.django_db
def test_an_outbound_handler_is_never_run_inside_a_batch(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(route_steps(note_step))
    record_at(AT, StepTaken())
    outbound = Outbound(
        name="note_step", ask=lambda *_: leave_trace("asked"), write=lambda *_: None
    )
    use_routes({StepTaken: (Route(outbound, Group.MAIL),)})

    drain_group(Group.CORE, clock)

    assert states() == ["dead"]
    assert traces() == []


def test_a_lock_that_is_not_given_is_not_an_attempt(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any
) -> None:
    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"one {event.number}")
        if event.number == 1:
            with connection.cursor() as cursor:
                cursor.execute("set local lock_timeout = '20ms'")
                cursor.execute("select pg_advisory_xact_lock(5)")

    use_routes(route_steps(note_step))
    record_at(AT, *steps(2))
    second_connection.cursor().execute("select pg_advisory_lock(5)")

    drain_group(Group.CORE, clock)
    debt = Delivery.objects.get()
    assert (debt.state, debt.attempts) == ("retry", 0)
    assert traces() == ["one 2"]

    second_connection.cursor().execute("select pg_advisory_unlock(5)")
    clock.forward(seconds=1)
    drain_group(Group.CORE, clock)
    assert traces() == ["one 2", "one 1"]


def test_a_deadlock_is_not_an_attempt(
    use_routes: UseRoutes, clock: HandClock, second_connection: Any, start: Start
) -> None:
    def cross() -> None:
        second_connection.cursor().execute("select pg_advisory_lock(1)")

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_locks where pid = %s and not granted",
                [second_connection.info.backend_pid],
            )
            return bool(cursor.fetchone()[0])

    crossing: list[Any] = []

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace(f"one {event.number}")
        if event.number == 2 and not crossing:
            with connection.cursor() as cursor:
                cursor.execute("set local deadlock_timeout = '5ms'")
                cursor.execute("select pg_advisory_xact_lock(1)")
                crossing.append(start(cross))
                while not is_waiting():
                    time.sleep(0.001)
                cursor.execute("select pg_advisory_xact_lock(2)")

    use_routes(route_steps(note_step))
    record_at(AT, *steps(3))
    second_connection.cursor().execute("select pg_advisory_lock(2)")

    drain_group(Group.CORE, clock)
    crossing[0].result()

    assert traces() == ["one 1", "one 3"]
    debt = Delivery.objects.get()
    assert (debt.state, debt.attempts) == ("retry", 0)
    assert "deadlock detected" in debt.last_error
    clock.forward(seconds=1)
    drain_group(Group.CORE, clock)
    assert traces() == ["one 1", "one 3", "one 2"]


def test_of_two_workers_with_the_same_debt_the_second_waits_and_gets_nothing(
    use_routes: UseRoutes, start: Start
) -> None:
    use_routes(route_steps(note_step))
    record_at(AT, StepTaken())
    event = Event.objects.get()
    debt = Debt(1, event, "note_step", 0, 0, 0, 0, subject_key(event.subject), ordered=False)

    def take() -> set[int]:
        with transaction.atomic():
            return take_receipts([debt], AT)

    with transaction.atomic():
        assert take_receipts([debt], AT) == {1}
        second = start(take)
        with pytest.raises(TimeoutError):
            second.result(0.03)

    assert second.result() == set()
