"""The rows of a delivery's life: fail it, pay it, unblock what stood behind it."""

import os
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import connection
from django.db.models import F
from psycopg2 import errors

from core.causality import Cause
from events.base import Context, DomainEvent, PermanentFailure, RetryAfter, Route
from events.models import Delivery, Event, Receipt
from events.retry import backoff, is_exhausted
from events.routing import routing_table

log = structlog.get_logger(__name__)

ERROR_LENGTH = 4000
CLAIMABLE = [Delivery.State.READY, Delivery.State.RETRY]
# The crowd's fault, not the event's.
_CROWD = (errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure)


class UnroutedDelivery(PermanentFailure):
    """The delivery's handler no longer stands in the routing table."""


class WorkerDied(PermanentFailure):
    """Every attempt ended with the end of its worker."""


@dataclass(frozen=True)
class Debt:
    """A claimed delivery with the event it owes; `attempts` are those before this one."""

    id: int
    event: Event
    handler: str
    generation: int
    attempts: int
    fence: int
    doubtful_calls: int
    subject_key: int
    ordered: bool

    def route(self) -> Route:
        route = routing_table().route(self.event.type, self.handler)
        if route is None:
            raise UnroutedDelivery(f"{self.event.type} is no longer routed to {self.handler}")
        return route

    def fact(self) -> DomainEvent:
        return routing_table().types[self.event.type].from_data(self.event.data)

    def context(self, at: datetime) -> Context:
        return Context(
            event_id=self.event.id,
            generation=self.generation,
            attempt=self.attempts + 1,
            occurred_at=self.event.occurred_at,
            at=at,
        )

    def cause(self) -> Cause:
        return Cause(
            actor=self.handler, correlation_id=self.event.correlation_id, event_id=self.event.id
        )


def with_events(rows: Sequence[tuple[Any, ...]]) -> list[Debt]:
    """Return debts for rows of a debt's fields, in their order, the event by its id."""
    events = Event.objects.in_bulk([event_id for _, event_id, *_ in rows])
    return [Debt(id_, events[event_id], *rest) for id_, event_id, *rest in rows]


def take_receipts(debts: Sequence[Debt], at: datetime) -> set[int]:
    """
    Write a receipt per debt; return the ids of those that had none yet: only they may run.

    The row is the lock: a second worker with the same debt waits here for the first one's commit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            insert into events_receipt
                (event_id, handler, generation, how, attempts, worker, done_at)
            select event_id, handler, generation, how, attempts, %s, %s
            from unnest(%s::bigint[], %s::text[], %s::smallint[], %s::smallint[], %s::text[])
                 as debt (event_id, handler, generation, attempts, how)
            on conflict do nothing
            returning event_id, handler, generation
            """,
            [
                worker_name(),
                at,
                *_columns(debts),
                [debt.attempts + 1 for debt in debts],
                [
                    Receipt.How.DOUBTFUL if debt.doubtful_calls else Receipt.How.DONE
                    for debt in debts
                ],
            ],
        )
        written = set(cursor.fetchall())
    return {debt.id for debt in debts if (debt.event.id, debt.handler, debt.generation) in written}


def worker_name() -> str:
    """Return who settles a debt, as its receipt says."""
    return f"{socket.gethostname()}:{os.getpid()}"


def drop_receipts(debts: Sequence[Debt]) -> None:
    """Take back the receipts of debts that were not paid after all, before anyone saw them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            delete from events_receipt r
            using unnest(%s::bigint[], %s::text[], %s::smallint[])
                  as debt (event_id, handler, generation)
            where r.event_id = debt.event_id and r.handler = debt.handler
              and r.generation = debt.generation
            """,
            _columns(debts),
        )


def is_paid(debt: Debt) -> bool:
    return Receipt.objects.filter(
        event_id=debt.event.id, handler=debt.handler, generation=debt.generation
    ).exists()


def count_attempt(debt: Debt, at: datetime) -> None:
    Delivery.objects.filter(id=debt.id).update(
        attempts=debt.attempts + 1,
        state=Delivery.State.RETRY,
        next_at=at + backoff(debt.attempts + 1),
    )


def log_failure(debt: Debt, error: Exception) -> None:
    """Say that an attempt failed and with what kind of error; its text stays in the row."""
    log.warning(
        "delivery.failed",
        handler=debt.handler,
        event_id=debt.event.id,
        attempt=debt.attempts + 1,
        error=type(error).__name__,
    )


def fail(debt: Debt, error: Exception, *, at: datetime) -> None:
    """Write down why, and when the debt is tried again, or that it is dead."""
    attempts = debt.attempts + 1
    state, next_at = Delivery.State.RETRY, at + backoff(attempts)
    match error:
        case RetryAfter():
            attempts, next_at = debt.attempts, at + error.delay
        case WorkerDied():
            attempts, state = debt.attempts, Delivery.State.DEAD
        case PermanentFailure():
            state = Delivery.State.DEAD
        case _ if isinstance(error.__cause__, _CROWD):
            attempts, next_at = debt.attempts, at + backoff(1)
        case _ if is_exhausted(attempts):
            state = Delivery.State.DEAD
    Delivery.objects.filter(id=debt.id).update(
        state=state,
        next_at=next_at,
        attempts=attempts,
        last_error=describe(error),
        owner_pid=None,
        deadline=None,
    )


def hold_doubtful(debt: Debt, error: Exception, *, at: datetime, again_at: datetime | None) -> None:
    """Write down that the call may have happened; it is repeated at `again_at`, if at all."""
    Delivery.objects.filter(id=debt.id).update(
        state=Delivery.State.RETRY if again_at else Delivery.State.UNCERTAIN,
        next_at=again_at or at,
        doubtful_calls=F("doubtful_calls") + 1,
        last_error=describe(error),
        owner_pid=None,
        deadline=None,
    )


def block_behind(debt: Debt) -> None:
    """Park what is ready behind a failed one of an ordered handler, so that it is not rescanned."""
    if debt.ordered:
        Delivery.objects.filter(
            handler=debt.handler,
            subject_key=debt.subject_key,
            event_id__gt=debt.event.id,
            state__in=CLAIMABLE,
        ).update(state=Delivery.State.BLOCKED)


def end_paid(paid: Sequence[Debt], clear: Sequence[Debt], lane_id: int | None = None) -> None:
    """
    Remove paid debts, and let run what stood blocked behind those that are `clear` as well.

    The lane, if one is named, is given back.
    """
    keys = [(debt.handler, debt.subject_key) for debt in clear if debt.ordered]
    _end([debt.id for debt in paid], keys, lane_id)


def release_subjects(keys: Sequence[tuple[str, int]]) -> None:
    """Let run what is blocked of these handlers and subjects; the claim still keeps order."""
    _end([], keys, None)


def _end(paid: list[int], keys: Sequence[tuple[str, int]], lane_id: int | None) -> None:
    if not (paid or keys or lane_id):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "select events_end_paid(%s::bigint[], %s::text[], %s::bigint[], %s)",
            [paid, [handler for handler, _ in keys], [key for _, key in keys], lane_id],
        )


def describe(error: Exception) -> str:
    """Return the traceback's end, what an operator reads first, without what no row can hold."""
    text = "".join(traceback.format_exception(error)).replace("\0", "\\0")
    return text.encode(errors="backslashreplace").decode()[-ERROR_LENGTH:]


def connection_is_lost() -> bool:
    """Return whether an error was our own database going away, and not the handler's."""
    return connection.connection is None or bool(connection.connection.closed)


def _columns(debts: Sequence[Debt]) -> list[list[Any]]:
    return [
        [debt.event.id for debt in debts],
        [debt.handler for debt in debts],
        [debt.generation for debt in debts],
    ]
