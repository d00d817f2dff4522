"""Workers forked from one warm process, each of which may die at a failpoint."""

import multiprocessing
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connection, transaction

from core.failpoints import Failpoint, listening
from events.base import Context, Group, Outbound, Repeat, Route, Routes
from events.delivery import drain_group
from events.outbox import record, record_all
from events.replay import advance_replay, running_replays
from events.tests.cast import AT, HandClock, LetterOwed, StepTaken, leave_trace, steps, traces

# What os._exit says: neither an end in good order (0) nor one by an error (1).
DIED = 70

# Starting Python and Django takes a second, a fork of one that has a few milliseconds.
_warm = multiprocessing.get_context("forkserver")
_warm.set_forkserver_preload(["events.tests.warm", __name__])


def start_worker(
    work: Callable[[HandClock], Any],
    *,
    at: datetime = AT,
    die_at: Failpoint | None = None,
    routes: str = f"{__name__}.ROUTES",
) -> BaseProcess:
    """Start a function in a process of its own on the test's database."""
    name = connection.settings_dict["NAME"]
    worker = _warm.Process(target=_work_or_die, args=(work, at, die_at, routes, name))
    worker.start()
    return worker


def end_of(worker: BaseProcess, within: float = 30) -> int:
    """Wait for a worker and return how it ended."""
    worker.join(within)
    if worker.exitcode is None:
        worker.kill()
        raise AssertionError("it hangs")
    return worker.exitcode


def run_worker(work: Callable[[HandClock], Any], **how: Any) -> int:
    return end_of(start_worker(work, **how))


def _work_or_die(
    work: Callable[[HandClock], Any],
    at: datetime,
    die_at: Failpoint | None,
    routes: str,
    database: str,
) -> None:
    connection.settings_dict["NAME"] = database
    settings.EVENT_ROUTES = routes

    def die(name: Failpoint) -> None:
        if name == die_at:
            os._exit(DIED)

    with listening(die):
        work(HandClock(at))


def record_changes(clock: HandClock) -> None:
    """Change and record what is not there yet: two steps one by one, then two at once."""
    seen = traces()
    left = [step for step in steps(4) if f"changed one {step.number}" not in seen]
    for step in left[:-2]:
        with transaction.atomic():
            leave_trace(f"changed one {step.number}")
            record(step, at=clock())
    with transaction.atomic():
        for step in left[-2:]:
            leave_trace(f"changed one {step.number}")
        record_all(left[-2:], at=clock())


def drain_core(clock: HandClock) -> None:
    drain_group(Group.CORE, clock)


def drain_mail(clock: HandClock) -> None:
    drain_group(Group.MAIL, clock)


def advance_replays(clock: HandClock) -> None:
    while running := running_replays():
        for replay_id in running:
            advance_replay(replay_id, clock, time_slice=timedelta(0))
        clock.forward(seconds=1)


def note_step(event: StepTaken, context: Context) -> None:
    """Leave a trace first: a failure has something to take back."""
    leave_trace(f"note_step {event.story} {event.number}")
    match event.story, event.number, context.attempt:
        case "faulty", 2, 1:
            raise ValueError("not at the first attempt")
        case "hollow", 1, 1:
            # Only the COMMIT can notice.
            connection.cursor().execute("set constraints all deferred")
            Permission.objects.create(content_type_id=-1, codename="x", name="x")


def count_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"count_step {event.story} {event.number}")


def _ask(event: LetterOwed, context: Context) -> str:
    leave_trace(f"asked {event.reader}")
    if (event.reader, context.attempt) == ("faulty", 1):
        raise ValueError("not at the first attempt")
    return "an answer"


def _write(event: LetterOwed, answer: str, context: Context) -> None:
    leave_trace(f"wrote {event.reader}")


def _route(repeat: Repeat) -> Routes:
    return {
        StepTaken: (
            Route(note_step, Group.CORE, ordered=True, replayable=True),
            Route(count_step, Group.CORE, replayable=True),
        ),
        LetterOwed: (Route(Outbound("send_letter", _ask, _write, repeat), Group.MAIL),),
    }


ROUTES = FREELY = _route(Repeat.FREELY)
ONCE_LATER = _route(Repeat.ONCE_LATER)
NEVER = _route(Repeat.NEVER)
