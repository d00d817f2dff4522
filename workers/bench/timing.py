"""What it costs to time a handler, as a share of one that inserts a row; run by scrape.py."""

import time
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from core.ids import new_id
from core.models import IdempotencyRecord
from events.base import Context, DomainEvent, Group, Route, Routes
from events.delivery import drain_group
from events.outbox import record
from events.timing import time_handler
from workers.bench.rounds import Spread, ratios

ROUNDS, HANDLED, TIMED = 9, 1000, 20_000


@dataclass(frozen=True, kw_only=True)
class StepTaken(DomainEvent):
    type: ClassVar[str] = "step.taken"
    number: int

    @property
    def subject(self) -> str:
        return f"story:{self.number}"


def insert_row(event: StepTaken, context: Context) -> None:
    IdempotencyRecord.objects.create(
        principal=new_id(),
        key="row",
        fingerprint="",
        resource_id=new_id(),
        created_at=context.at,
    )


ROUTES: Routes = {StepTaken: (Route(insert_row, Group.CORE),)}


def main() -> None:
    settings.EVENT_ROUTES = "workers.bench.timing.ROUTES"
    with connection.cursor() as cursor:
        cursor.execute("truncate events_event, events_delivery")
    _handle()
    rounds = [(_handle(), _time_nothing()) for _ in range(ROUNDS)]
    handled, timed = zip(*rounds, strict=True)
    print(f"  a delivery whose handler inserts a row, µs  {Spread.of(handled).show()}")
    print(f"  to time it, µs                              {Spread.of(timed).show('{:.1f}')}")
    print(f"  share                                       {ratios(timed, handled).show('{:.2%}')}")


def _handle() -> float:
    """Return the microseconds that the engine takes for one event, timing and all."""
    at = timezone.now()
    with transaction.atomic():
        for number in range(HANDLED):
            record(StepTaken(number=number), at=at)
    started = time.perf_counter()
    settled = 0
    while settled < HANDLED:
        settled += drain_group(Group.CORE, timezone.now)
    return (time.perf_counter() - started) / HANDLED * 1e6


def _time_nothing() -> float:
    started = time.perf_counter()
    for _ in range(TIMED):
        with time_handler("insert_row"):
            pass
    return (time.perf_counter() - started) / TIMED * 1e6
