import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from core.transactions import NetworkInTransaction, in_transaction
from events.base import (
    Context,
    Group,
    Outbound,
    PermanentFailure,
    Repeat,
    RetryAfter,
    Route,
)
from events.delivery import drain_group
from events.models import Delivery, Receipt
from events.retry import MAX_ATTEMPTS
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    Post,
    StepTaken,
    await_death,
    leave_trace,
    owe_again,
    record_at,
    route_letters,
    states,
    traces,
    write_down,
)
from events.tests.conftest import Letter, Start, UseRoutes

MOMENT = timedelta(milliseconds=1)


def drain(clock: HandClock) -> int:
    return drain_group(Group.MAIL, clock)


def test_the_question_is_asked_outside_any_transaction(letter: Letter, clock: HandClock) -> None:
    def ask(event: LetterOwed, context: Context) -> str:
        assert not in_transaction()
        assert connection.get_autocommit()
        return "asked"

    letter(ask)
    drain(clock)

    assert traces() == ["selam: asked"]


def test_nothing_is_asked_from_inside_a_transaction(letter: Letter, clock: HandClock) -> None:
    post = Post("never")
    letter(post)

    with transaction.atomic(), pytest.raises(NetworkInTransaction):
        drain(clock)

    assert post.asked == []
    assert states() == ["ready"]


def test_answer_receipt_and_the_end_of_the_debt_are_one_commit(
    letter: Letter, clock: HandClock, second_connection: Any
) -> None:
    def look() -> tuple[int, ...]:
        with second_connection.cursor() as cursor:
            cursor.execute(
                """select (select count(*) from core_idempotencyrecord),
                          (select count(*) from events_receipt),
                          (select count(*) from events_delivery)"""
            )
            return tuple(cursor.fetchone())

    def write(event: LetterOwed, answer: Any, context: Context) -> None:
        write_down(event, answer, context)
        assert look() == (0, 0, 1)

    letter(Post("sent"), write=write)
    drain(clock)

    assert look() == (1, 1, 0)
    assert Receipt.objects.get().attempts == 1


@pytest.mark.parametrize("times", [1, 3])
def test_the_same_debt_again_asks_nobody(letter: Letter, clock: HandClock, times: int) -> None:
    post = Post("sent")
    event_id = letter(post)
    like = Delivery.objects.get()
    drain(clock)

    for _ in range(times):
        owe_again(event_id, like)
        drain(clock)

    assert len(post.asked) == 1
    assert traces() == ["selam: sent"]
    assert states() == []


def test_a_question_that_fails_is_asked_again_later_and_then_is_dead(
    letter: Letter, clock: HandClock
) -> None:
    post = Post(ConnectionRefusedError("the post office is shut"))
    letter(post)

    for _ in range(MAX_ATTEMPTS):
        assert drain(clock) == 1
        debt = Delivery.objects.get()
        clock.now = debt.next_at - MOMENT
        assert drain(clock) == 0
        clock.now = debt.next_at

    assert [context.attempt for context in post.asked] == list(range(1, MAX_ATTEMPTS + 1))
    assert (states(), debt.attempts) == (["dead"], MAX_ATTEMPTS)
    assert "the post office is shut" in debt.last_error
    assert (debt.owner_pid, debt.deadline) == (None, None)


def test_a_question_that_can_never_succeed_is_dead_at_once(
    letter: Letter, clock: HandClock
) -> None:
    letter(Post(PermanentFailure("no such address")))

    drain(clock)

    assert states() == ["dead"]


def test_not_now_is_not_an_attempt(letter: Letter, clock: HandClock) -> None:
    letter(Post(RetryAfter(timedelta(minutes=5), "too many letters")))

    for _ in range(2 * MAX_ATTEMPTS):
        assert drain(clock) == 1
        debt = Delivery.objects.get()
        assert (debt.state, debt.attempts) == ("retry", 0)
        assert debt.next_at == clock.now + timedelta(minutes=5)
        clock.now = debt.next_at


def test_what_nobody_handles_any_more_ends_dead_and_stops_nobody(
    use_routes: UseRoutes, letter: Letter, clock: HandClock
) -> None:
    letter(Post("never"))
    retired = Outbound(name="retired", ask=Post("never"), write=write_down)
    use_routes({LetterOwed: (Route(retired, Group.MAIL),)})
    record_at(AT, LetterOwed())
    use_routes(route_letters(Post("sent")))

    drain(clock)

    assert states() == ["dead"]
    assert traces() == ["selam: sent"]


def test_a_transactional_handler_is_never_run_as_an_outbound_one(
    use_routes: UseRoutes, letter: Letter, clock: HandClock
) -> None:
    letter(Post("never"))

    def send_letter(event: LetterOwed, context: Context) -> None:
        leave_trace("never")

    use_routes({LetterOwed: (Route(send_letter, Group.CORE),)})
    drain(clock)

    assert states() == ["dead"]
    assert traces() == []


def test_a_database_that_goes_away_during_the_question_costs_nothing_but_the_repetition(
    letter: Letter, clock: HandClock
) -> None:
    def ask(event: LetterOwed, context: Context) -> str:
        if context.attempt == 1:
            connection.cursor().execute("select pg_terminate_backend(pg_backend_pid())")
        return "paid"

    letter(ask, repeat=Repeat.FREELY)

    with pytest.raises(DatabaseError):
        drain(clock)
    connection.close()
    await_death()
    drain(clock)

    assert traces() == ["selam: paid"]


def test_two_workers_never_ask_the_same_thing(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock, start: Start
) -> None:
    both = threading.Barrier(2, timeout=10)

    def ask(event: LetterOwed, context: Context) -> str:
        both.wait()
        return "asked"

    use_routes(route_letters(ask))
    record_at(AT, *(LetterOwed(reader=f"r{n}") for n in range(12)))

    workers = [start(lambda: drain(clock)) for _ in range(2)]

    assert sum(worker.result() for worker in workers) == 12
    assert sorted(traces()) == sorted(f"r{n}: asked" for n in range(12))
    assert set(Receipt.objects.values_list("attempts", flat=True)) == {1}


def test_an_outbound_handler_does_not_wait_for_an_earlier_event_of_its_subject(
    use_routes: UseRoutes, transactional_db: None, clock: HandClock
) -> None:
    use_routes(route_letters(Post(ConnectionRefusedError(), "sent")))
    record_at(AT, LetterOwed(), LetterOwed())

    drain(clock)

    assert traces() == ["selam: sent"]
    assert states() == ["retry"]


@pytest.mark.django_db(transaction=True)
def test_one_group_never_touches_anothers_work(use_routes: UseRoutes, clock: HandClock) -> None:
    chapa = Outbound(name="ask_chapa", ask=Post("asked"), write=write_down)

    def note_step(event: StepTaken, context: Context) -> None:
        leave_trace("noted")

    use_routes(
        {
            **route_letters(Post("sent")),
            StepTaken: (Route(note_step, Group.CORE), Route(chapa, Group.CHAPA)),
        }
    )
    record_at(AT, LetterOwed(), StepTaken())

    assert drain(clock) == 1
    assert traces() == ["selam: sent"]
