"""Handlers that leave a trace and then meet the fate that events/tests/model.py has for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from core.models import IdempotencyRecord
from events.base import (
    Context,
    Group,
    Outbound,
    PermanentFailure,
    Repeat,
    RetryAfter,
    Route,
    Routes,
    Transactional,
    Uncertain,
)
from events.tests.cast import StepTaken, WorkerDies, leave_trace
from events.tests.model import ORDERED, OUTBOUND, PAUSE, UNORDERED, Fate, Key, Trace


def routes_by_fate(fates: Mapping[Key, Fate], repeat: Repeat, handlers: Sequence[str]) -> Routes:
    """Return a routing table of these handlers; what `fates` says is looked up at each attempt."""
    routes = {
        ORDERED: Route(_handler(ORDERED, fates), Group.CORE, ordered=True, replayable=True),
        UNORDERED: Route(_handler(UNORDERED, fates), Group.CORE),
        OUTBOUND: Route(_outbound(fates, repeat), Group.MAIL),
    }
    return {StepTaken: tuple(routes[handler] for handler in handlers)}


def traces_after(last_id: int) -> dict[int, Trace]:
    """Return, by their own ids, the traces that came after one of these."""
    rows = IdempotencyRecord.objects.filter(id__gt=last_id).order_by("id")
    traces = {}
    for trace_id, key in rows.values_list("id", "key"):
        what, event_id, handler, generation, attempt = key.split()
        traces[trace_id] = Trace(what, int(event_id), handler, int(generation), int(attempt))
    return traces


def _handler(name: str, fates: Mapping[Key, Fate]) -> Transactional:
    def handle(event: StepTaken, context: Context) -> None:
        _leave("done", name, context)
        fate = fates[context.event_id, name]
        if fate is Fate.SPOILS:
            _spoil_the_commit()
        _meet(fate)

    handle.__name__ = name
    return handle


def _outbound(fates: Mapping[Key, Fate], repeat: Repeat) -> Outbound:
    def ask(event: StepTaken, context: Context) -> None:
        _leave("asked", OUTBOUND, context)
        _meet(fates[context.event_id, OUTBOUND])

    def write(event: StepTaken, answer: Any, context: Context) -> None:
        _leave("done", OUTBOUND, context)
        if fates[context.event_id, OUTBOUND] is Fate.SPOILS:
            _spoil_the_commit()

    return Outbound(OUTBOUND, ask, write, repeat)


def _leave(what: str, handler: str, context: Context) -> None:
    leave_trace(f"{what} {context.event_id} {handler} {context.generation} {context.attempt}")


def _spoil_the_commit() -> None:
    """Write what no check refuses but that of the commit."""
    with connection.cursor() as cursor:
        cursor.execute("set constraints all deferred")
        cursor.execute(
            """insert into events_replayitem (replay_id, event_id, handler, found, outcome)
               values (gen_random_uuid(), 0, '', '', '')"""
        )


def _meet(fate: Fate) -> None:
    match fate:
        case Fate.FAILS:
            raise ValueError
        case Fate.WAITS:
            raise RetryAfter(PAUSE, "not now")
        case Fate.NEVER:
            raise PermanentFailure
        case Fate.UNSURE:
            raise Uncertain
        case Fate.DIES:
            raise WorkerDies
