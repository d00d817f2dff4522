"""Workers that are killed with kill -9 while a handler of theirs runs."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from events.base import Context, Group, Outbound, Repeat, Route
from events.delivery import drain_group
from events.models import Delivery, Lane, Receipt
from events.retry import MAX_ATTEMPTS
from events.tests.cast import (
    AT,
    HandClock,
    LetterOwed,
    StepTaken,
    await_death,
    leave_trace,
    record_at,
    states,
    steps,
    traces,
)
from events.tests.conftest import UseRoutes

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]


@contextmanager
def worker(call: str) -> Iterator[subprocess.Popen[str]]:
    """Run a call of events.tests.mortal in a process of its own, on the test's database."""
    url = urlsplit(settings.DATABASE_URL or os.environ["DATABASE_URL"])
    database = f"/{connection.settings_dict['NAME']}"
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import django; django.setup(); from events.tests import mortal; mortal.{call}",
        ],
        env=os.environ
        | {
            "DATABASE_URL": url._replace(path=database).geturl(),
            "DJANGO_SETTINGS_MODULE": "core.settings",
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_inside(call: str) -> None:
    with worker(call) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        process.kill()
        process.wait()
    await_death()


def note_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")


STEPS: Any = {StepTaken: (Route(note_step, Group.CORE, ordered=True),)}


def test_a_batch_whose_worker_is_killed_is_taken_over_at_once_and_happens_once(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    use_routes(STEPS)
    record_at(AT, *steps(5), *steps(5, "two"))

    kill_inside("drain_and_hang('core')")
    assert Lane.objects.filter(owner_pid__isnull=False).count() == 1
    drain_group(Group.CORE, clock)

    assert Counter(traces()) == {
        f"{story} {number}": 1 for story in ("one", "two") for number in range(1, 6)
    }
    assert [trace for trace in traces() if "one" in trace] == [f"one {n}" for n in range(1, 6)]
    assert Receipt.objects.count() == 10
    assert states() == []
    assert not Lane.objects.filter(owner_pid__isnull=False).exists()


def test_a_question_whose_worker_is_killed_is_asked_by_the_next_one_at_once(
    use_routes: UseRoutes, clock: HandClock
) -> None:
    send_letter = Outbound(
        name="send_letter",
        ask=lambda event, context: f"asked at attempt {context.attempt}",
        write=lambda event, answer, context: leave_trace(answer),
        repeat=Repeat.FREELY,
    )
    use_routes({LetterOwed: (Route(send_letter, Group.MAIL),)})
    record_at(AT, LetterOwed())

    kill_inside("drain_and_hang('mail')")
    assert states() == ["in_flight"]
    drain_group(Group.MAIL, clock)

    assert traces() == ["asked at attempt 2"]


def test_an_event_that_kills_every_worker_ends_dead_alone_and_its_lane_goes_on(
    use_routes: UseRoutes,
) -> None:
    use_routes(STEPS)
    record_at(AT, *steps(3, "deadly"), *steps(20))
    # In one lane with it, so that each of its deaths takes a batch of theirs along.
    Delivery.objects.update(lane=7)

    with worker("die_until_it_is_dead()") as process:
        fates = process.communicate()[0].split()

    killed = fates.count("-9")
    assert MAX_ATTEMPTS <= killed <= 2 * MAX_ATTEMPTS
    assert killed + fates.count("0") == len(fates)
    dead = Delivery.objects.get(state="dead")
    assert (dead.event.data["number"], dead.attempts) == (2, MAX_ATTEMPTS)
    assert "none was heard of again" in dead.last_error
    assert states() == ["dead", "blocked"]
    assert Counter(traces()) == Counter(["deadly 1", *(f"one {number}" for number in range(1, 21))])
