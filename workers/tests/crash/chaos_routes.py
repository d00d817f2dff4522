"""What the fleet of the chaos test does about its events: leave rows, and fail now and then."""

import random
import time

from events.base import Context, Group, Outbound, Repeat, Route, Routes
from events.tests.cast import LetterOwed, StepTaken, leave_trace

FAILING = 0.05


def keep_order(event: StepTaken, context: Context) -> None:
    leave_trace(f"keep_order {event.subject} {context.event_id}")
    _fail_by_chance()


def count_once(event: StepTaken, context: Context) -> None:
    leave_trace(f"count_once {event.subject} {context.event_id}")
    _fail_by_chance()


def _look_up(event: StepTaken, context: Context) -> int:
    time.sleep(random.uniform(0, 0.05))
    _fail_by_chance()
    return context.attempt


def _write_answer(event: StepTaken, answer: int, context: Context) -> None:
    leave_trace(f"ask_freely {event.subject} {context.event_id}")


def _send(event: LetterOwed, context: Context) -> None:
    _fail_by_chance()
    time.sleep(random.uniform(0, 0.1))
    # Committed at once: what the far end has, whatever becomes of the worker.
    leave_trace(f"sent {event.subject} {context.event_id}")
    time.sleep(random.uniform(0, 0.1))


def _write_sent(event: LetterOwed, answer: None, context: Context) -> None:
    leave_trace(f"send_letter {event.subject} {context.event_id}")


def _fail_by_chance() -> None:
    if random.random() < FAILING:
        raise ValueError("by chance")


ROUTES: Routes = {
    StepTaken: (
        Route(keep_order, Group.CORE, ordered=True),
        Route(count_once, Group.CORE),
        Route(Outbound("ask_freely", _look_up, _write_answer, Repeat.FREELY), Group.CHAPA),
    ),
    LetterOwed: (
        Route(Outbound("send_letter", _send, _write_sent, Repeat.ONCE_LATER), Group.MAIL),
    ),
}
