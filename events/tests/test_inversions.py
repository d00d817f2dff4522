"""Two worker processes, five subjects, and handlers that fail at random: nothing overtakes."""

import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from events.base import Context, Group, Route, Routes
from events.delivery import drain_group
from events.models import Delivery, Receipt
from events.outbox import record_all
from events.tests.cast import AT, StepTaken, leave_trace, states, traces
from events.tests.conftest import UseRoutes
from events.tests.doomed import end_of, start_worker

EVENTS = int(os.environ.get("ORDERED_EVENTS", "20000"))
STORIES = ("one", "two", "three", "four", "five")
FAILING = 0.05
# Workers stay within sight of the recorder, as in a fleet that keeps up.
BACKLOG = 1000

dice = random.Random()


def note_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")
    if dice.random() < FAILING:
        raise ValueError("by chance")


ROUTES: Routes = {StepTaken: (Route(note_step, Group.CORE, ordered=True),)}


@dataclass(frozen=True)
class FastClock:
    """Sixty times as fast as the world, so that no test waits for the next attempt."""

    begun: float

    def __call__(self) -> datetime:
        return AT + 60 * timedelta(seconds=time.time() - self.begun)


def drain_all_of_them(seed: int, clock: FastClock, _: Any) -> None:
    dice.seed(seed)
    random.seed(seed)
    while drain_group(Group.CORE, clock) or Receipt.objects.count() < EVENTS:
        time.sleep(0.002)


@pytest.mark.crash
@pytest.mark.django_db(transaction=True)
def test_no_event_overtakes_another_of_its_subject(use_routes: UseRoutes) -> None:
    use_routes(ROUTES)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    clock = FastClock(time.time())
    workers = [
        start_worker(partial(drain_all_of_them, seed + n, clock), routes=f"{__name__}.ROUTES")
        for n in (1, 2)
    ]

    _record(random.Random(seed), clock)
    assert [end_of(worker, within=EVENTS / 20) for worker in workers] == [0, 0]

    ran = [trace.split() for trace in traces()]
    assert len(ran) == EVENTS
    for story in STORIES:
        numbers = [int(number) for name, number in ran if name == story]
        assert numbers == list(range(1, len(numbers) + 1))
    assert states() == []
    tried_again = Receipt.objects.filter(attempts__gt=1).count()
    assert FAILING / 2 < tried_again / EVENTS < FAILING * 2
    assert Receipt.objects.values("worker").distinct().count() == 2


def _record(shuffle: random.Random, clock: FastClock) -> None:
    told: Counter[str] = Counter()
    while left := EVENTS - told.total():
        if Delivery.objects.count() > BACKLOG:
            time.sleep(0.05)
            continue
        events = []
        for story in shuffle.choices(STORIES, k=min(100, left)):
            told[story] += 1
            events.append(StepTaken(story=story, number=told[story]))
        with transaction.atomic():
            record_all(events, at=clock())
