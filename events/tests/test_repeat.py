"""What follows when nobody knows whether a call has happened: see events.base.Repeat."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from events.base import (
    Context,
    Group,
    PermanentFailure,
    Repeat,
    Uncertain,
)
from events.delivery import drain_group
from events.models import Delivery, Receipt
from events.outbound import DEADLINE, ONCE_LATER
from events.retry import MAX_ATTEMPTS
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    Post,
    WorkerDies,
    await_death,
    states,
    traces,
    write_down,
)
from events.tests.conftest import Letter, Start, UseRoutes

MOMENT = timedelta(milliseconds=1)
HOW = pytest.mark.parametrize("how", ["its worker died", "it overran its deadline"])


def drain(clock: HandClock) -> int:
    return drain_group(Group.MAIL, clock)


def test_a_worker_that_was_given_up_cannot_write_its_answer(
    letter: Letter, clock: HandClock, start: Start
) -> None:
    asked = {1: threading.Event(), 2: threading.Event()}
    go_on = {1: threading.Event(), 2: threading.Event()}

    def ask(event: LetterOwed, context: Context) -> str:
        asked[context.attempt].set()
        assert go_on[context.attempt].wait(10)
        return f"answer {context.attempt}"

    letter(ask, repeat=Repeat.FREELY)
    first = start(lambda: drain(clock))
    assert asked[1].wait(10)
    clock.now += DEADLINE + MOMENT
    second = start(lambda: drain(clock))
    assert asked[2].wait(10)

    go_on[1].set()
    first.result()
    assert (traces(), states()) == ([], ["in_flight"])

    go_on[2].set()
    second.result()
    assert traces() == ["selam: answer 2"]
    assert Receipt.objects.get().attempts == 2


def test_a_worker_that_was_given_up_cannot_write_its_failure_either(
    letter: Letter, clock: HandClock, start: Start
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def ask(event: LetterOwed, context: Context) -> str:
        asked.set()
        assert go_on.wait(10)
        raise PermanentFailure("too late to matter")

    letter(ask, repeat=Repeat.NEVER)
    slow = start(lambda: drain(clock))
    assert asked.wait(10)
    clock.forward(seconds=DEADLINE.total_seconds() + 1)
    drain(clock)
    go_on.set()
    slow.result()

    assert states() == ["uncertain"]
    assert "too late to matter" not in Delivery.objects.get().last_error


def die(clock: HandClock) -> None:
    with pytest.raises(WorkerDies):
        drain(clock)


def leave_in_flight(how: str, clock: HandClock, start: Start) -> None:
    """Claim and ask, and never be heard of again: by death, or by taking too long."""
    if how == "its worker died":
        start(lambda: die(clock)).result()
        await_death()
    else:
        die(clock)
        clock.now += DEADLINE
        assert drain(clock) == 0
        clock.now += MOMENT


@HOW
def test_a_question_left_unanswered_is_asked_again_at_once_if_asking_is_free(
    letter: Letter, clock: HandClock, start: Start, how: str
) -> None:
    post = Post(WorkerDies(), "paid")
    letter(post, repeat=Repeat.FREELY)

    leave_in_flight(how, clock, start)
    drain(clock)

    assert traces() == ["selam: paid"]
    assert Receipt.objects.get().attempts == 2


@HOW
def test_a_letter_that_may_have_gone_is_sent_once_more_later_and_then_left_to_a_person(
    letter: Letter, clock: HandClock, start: Start, how: str
) -> None:
    post = Post(WorkerDies())
    letter(post, repeat=Repeat.ONCE_LATER)

    leave_in_flight(how, clock, start)
    drain(clock)
    clock.now += ONCE_LATER - MOMENT
    assert drain(clock) == 0
    assert (len(post.asked), states()) == (1, ["retry"])

    clock.now += MOMENT
    leave_in_flight(how, clock, start)
    drain(clock)
    clock.forward(days=9)
    assert drain(clock) == 0
    assert (len(post.asked), states()) == (2, ["uncertain"])


@HOW
def test_a_call_that_must_not_happen_twice_is_left_to_a_person(
    letter: Letter, clock: HandClock, start: Start, how: str
) -> None:
    post = Post(WorkerDies())
    letter(post, repeat=Repeat.NEVER)

    leave_in_flight(how, clock, start)
    drain(clock)
    clock.forward(days=9)
    drain(clock)

    assert len(post.asked) == 1
    assert states() == ["uncertain"]
    assert "died or overran" in Delivery.objects.get().last_error


def test_a_question_that_ends_every_worker_ends_dead(
    letter: Letter, clock: HandClock, start: Start
) -> None:
    post = Post(WorkerDies())
    letter(post, repeat=Repeat.FREELY)

    for _ in range(MAX_ATTEMPTS):
        leave_in_flight("its worker died", clock, start)
    drain(clock)

    assert len(post.asked) == MAX_ATTEMPTS
    assert states() == ["dead"]


@pytest.mark.parametrize(
    ("repeat", "left"),
    [(Repeat.FREELY, "retry"), (Repeat.ONCE_LATER, "retry"), (Repeat.NEVER, "uncertain")],
)
def test_a_handler_may_say_itself_that_its_call_may_have_happened(
    letter: Letter, clock: HandClock, repeat: Repeat, left: str
) -> None:
    letter(Post(Uncertain("no answer came")), repeat=repeat)

    drain(clock)

    assert states() == [left]
    assert Delivery.objects.get().next_at <= AT + ONCE_LATER


def test_refusals_before_do_not_use_up_the_one_repetition(letter: Letter, clock: HandClock) -> None:
    post = Post(ConnectionRefusedError(), ConnectionRefusedError(), Uncertain("no answer"), "sent")
    letter(post, repeat=Repeat.ONCE_LATER)

    for _ in range(4):
        drain(clock)
        clock.forward(minutes=2)

    assert traces() == ["selam: sent"]


@pytest.mark.parametrize(
    ("repeat", "left"),
    [(Repeat.FREELY, "retry"), (Repeat.ONCE_LATER, "retry"), (Repeat.NEVER, "uncertain")],
)
def test_a_call_that_happened_but_could_not_be_written_down_may_have_happened(
    letter: Letter, clock: HandClock, repeat: Repeat, left: str
) -> None:
    def write(event: LetterOwed, answer: Any, context: Context) -> None:
        write_down(event, answer, context)
        raise ValueError("the ink ran out")

    post = Post("sent")
    letter(post, write=write, repeat=repeat)

    drain(clock)

    assert states() == [left]
    assert traces() == []
    assert not Receipt.objects.exists()
    assert "the ink ran out" in Delivery.objects.get().last_error
    if repeat is Repeat.NEVER:
        clock.forward(days=1)
        drain(clock)
        assert len(post.asked) == 1


def test_a_writing_that_can_never_succeed_is_dead(letter: Letter, clock: HandClock) -> None:
    def write(event: LetterOwed, answer: Any, context: Context) -> None:
        raise PermanentFailure("there is no such letter")

    letter(Post("sent"), write=write, repeat=Repeat.ONCE_LATER)

    drain(clock)

    assert states() == ["dead"]


def test_a_retired_handlers_call_that_may_have_happened_is_left_to_a_person(
    use_routes: UseRoutes, letter: Letter, clock: HandClock, start: Start
) -> None:
    letter(Post(WorkerDies()), repeat=Repeat.FREELY)
    leave_in_flight("its worker died", clock, start)
    use_routes({LetterOwed: ()})

    drain(clock)

    assert states() == ["uncertain"]
