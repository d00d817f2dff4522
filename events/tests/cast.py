"""The facts of the tests, what a handler of theirs leaves behind, and a clock held by hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.db import connection, transaction

from core.ids import new_id
from core.models import IdempotencyRecord
from events.base import Context, DomainEvent, Group, Outbound, Repeat, Route, Routes
from events.models import Delivery, Replay
from events.outbox import record
from events.replay import Selection, advance_replay, begin_replay

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ROUTES: Routes = {}


@dataclass(frozen=True, kw_only=True)
class StepTaken(DomainEvent):
    type: ClassVar[str] = "step.taken"
    story: str = "one"
    number: int = 1

    @property
    def subject(self) -> str:
        return f"story:{self.story}"


@dataclass(frozen=True, kw_only=True)
class LetterOwed(DomainEvent):
    type: ClassVar[str] = "letter.owed"
    reader: str = "selam"

    @property
    def subject(self) -> str:
        return f"reader:{self.reader}"


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    now: datetime = AT

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def record_at(at: datetime, *events: DomainEvent) -> list[int]:
    """Record each event in a commit of its own; return their ids."""
    ids = []
    for event in events:
        with transaction.atomic():
            ids.append(record(event, at=at))
    return ids


def steps(count: int, story: str = "one") -> list[StepTaken]:
    return [StepTaken(story=story, number=number) for number in range(1, count + 1)]


def leave_trace(text: str) -> None:
    """Insert a row, in the handler's transaction. Nothing keeps it from being there twice."""
    IdempotencyRecord.objects.create(
        principal=new_id(), key=text, fingerprint="", resource_id=new_id(), created_at=AT
    )


def traces() -> list[str]:
    """Return what handlers left and committed, in the order in which they ran."""
    return list(IdempotencyRecord.objects.order_by("id").values_list("key", flat=True))


def states() -> list[str]:
    """Return the states of what is still owed, in the order of events."""
    return list(Delivery.objects.order_by("event_id", "handler").values_list("state", flat=True))


def run_replay(selection: Selection, *, at: datetime, **how: Any) -> dict[str, int]:
    """Plan a replay and run all of it; return how many items came to which end."""
    how = {"mode": "redeliver", "rate": 1000} | how
    replay = begin_replay(selection, actor="test", reason="to see", at=at, **how)
    clock = HandClock(at)
    while replay.state == Replay.State.RUNNING:
        replay = advance_replay(replay.id, clock, time_slice=timedelta(0))
        clock.forward(seconds=1)
    return replay.progress()


def await_death() -> None:
    """Wait until PostgreSQL has noticed that the owners of lanes and deliveries are gone."""
    ends = time.monotonic() + 5
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute(
                """select count(*) from pg_stat_activity where pid in (
                       select owner_pid from events_lane
                       union select owner_pid from events_delivery)"""
            )
            if not cursor.fetchone()[0]:
                return
        time.sleep(0.002)
    raise AssertionError("an owner lives on")


def owe_again(event_id: int, like: Delivery) -> None:
    """Write the same debt once more, as two replays that meet could."""
    Delivery.objects.create(
        event_id=event_id,
        handler=like.handler,
        group=like.group,
        lane=like.lane,
        subject_key=like.subject_key,
        ordered=like.ordered,
        state=Delivery.State.READY,
        next_at=AT,
    )


def note_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")


class Fussy:
    """A handler that leaves its trace first and then fails at the numbers it was told."""

    __name__ = "note_step"

    def __init__(self, errors: dict[int, Exception]) -> None:
        self.errors = errors

    def __call__(self, event: StepTaken, context: Context) -> None:
        note_step(event, context)
        if error := self.errors.get(event.number):
            raise error


def route_steps(handler: Any) -> Routes:
    return {StepTaken: (Route(handler, Group.CORE),)}


class WorkerDies(BaseException):
    """What no engine can catch in its own process."""


class Post:
    """Answers what it is told to, in turn, and counts how often it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Context] = []

    def __call__(self, event: LetterOwed, context: Context) -> Any:
        self.asked.append(context)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def write_down(event: LetterOwed, answer: Any, context: Context) -> None:
    leave_trace(f"{event.reader}: {answer}")


def route_letters(
    ask: Callable[[Any, Context], Any],
    *,
    write: Callable[..., None] = write_down,
    repeat: Repeat = Repeat.NEVER,
) -> Routes:
    handler = Outbound(name="send_letter", ask=ask, write=write, repeat=repeat)
    return {LetterOwed: (Route(handler, Group.MAIL),)}
