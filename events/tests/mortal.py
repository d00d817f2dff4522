"""What runs in the worker processes that test_crash.py kills."""

import os
import signal
import time
from typing import Any

from django.conf import settings
from django.db import connection

from events.base import Context, Group, Outbound, Repeat, Route, Routes
from events.delivery import drain_group
from events.tests.cast import HandClock, LetterOwed, StepTaken, await_death, leave_trace

MOST_LIVES = 40


def hang() -> None:
    """Say that the handler is under way, and stay there."""
    print("inside", flush=True)
    time.sleep(60)


def note_step_and_hang(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")
    if event.number == 3:
        hang()


def note_step_and_die(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")
    if event.story == "deadly" and event.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def ask_and_hang(event: LetterOwed, context: Context) -> None:
    hang()


def route_steps(handler: Any) -> Routes:
    # In rows, both are one handler.
    handler.__name__ = "note_step"
    return {StepTaken: (Route(handler, Group.CORE, ordered=True),)}


SEND_LETTER = Outbound("send_letter", ask_and_hang, lambda *_: None, Repeat.FREELY)
HANGING: Routes = {
    **route_steps(note_step_and_hang),
    LetterOwed: (Route(SEND_LETTER, Group.MAIL),),
}
DEADLY = route_steps(note_step_and_die)


def drain_and_hang(group: str) -> None:
    settings.EVENT_ROUTES = "events.tests.mortal.HANGING"
    drain_group(Group(group), HandClock())


def die_until_it_is_dead() -> None:
    """
    Fork worker after worker, twenty minutes apart, until two live in turn; print how each ended.

    After a kill the lane is abandoned, so the next worker counts first; one that lives gives the
    lane back, and the one after it runs a whole batch again.
    """
    settings.EVENT_ROUTES = "events.tests.mortal.DEADLY"
    clock = HandClock()
    fates: list[int] = []
    while fates[-2:] != [0, 0] and len(fates) < MOST_LIVES:
        worker = os.fork()
        if not worker:
            drain_group(Group.CORE, clock)
            os._exit(0)
        fates.append(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
        clock.forward(minutes=20)
        await_death()
        # A child must not speak on its parent's connection.
        connection.close()
    print(*fates)
