"""
Drain outbound handlers: claim, `ask` outside any transaction, `write` behind a fence.

The claim counts the attempt and raises the fence. A worker that was given up for dead may still get
its answer, but can no longer write it.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from core.causality import caused_by
from core.failpoints import failpoint
from core.transactions import refuse_network_in_transaction
from events.base import Clock, DomainEvent, Outbound, PermanentFailure, Repeat, Uncertain
from events.debts import (
    Debt,
    UnroutedDelivery,
    connection_is_lost,
    fail,
    hold_doubtful,
    is_paid,
    log_failure,
    take_receipts,
    with_events,
)
from events.models import Delivery
from events.timing import time_handler

log = structlog.get_logger(__name__)

# Longer than any one ask: connect and read towards Chapa are 13 s, a mail's timeout is 20 s.
DEADLINE = timedelta(seconds=60)
# After a call that may have happened and is harmless once more.
ONCE_LATER = timedelta(seconds=60)

_CLAIM = """
with picked as materialized (
    select id from events_delivery
    where "group" = %(group)s and state in ('ready', 'retry') and next_at <= %(at)s
    order by next_at, id limit 1
    for update skip locked
)
update events_delivery d
set state = 'in_flight', attempts = d.attempts + 1, fence = d.fence + 1,
    owner_pid = pg_backend_pid(), deadline = %(deadline)s
from picked where d.id = picked.id
returning d.id, d.event_id, d.handler, d.generation, d.attempts - 1, d.fence, d.doubtful_calls,
          d.subject_key, d.ordered
"""

_GIVEN_UP = """
select id, event_id, handler, generation, attempts - 1, fence, doubtful_calls, subject_key, ordered
from events_delivery d
where d."group" = %(group)s and d.state = 'in_flight'
  and (d.deadline < %(at)s
       or not exists (select from pg_stat_activity a where a.pid = d.owner_pid))
for update skip locked
"""


def deliver_one(group: str, clock: Clock) -> bool:
    """
    Claim and run one due delivery of the group; return whether there was one.

    :raises NetworkInTransaction: if a transaction is open.
    """
    refuse_network_in_transaction()
    at = clock()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"group": group, "at": at, "deadline": at + DEADLINE})
        claimed = with_events(cursor.fetchall())
    if not claimed:
        return False
    failpoint("outbound.claimed")
    (debt,) = claimed
    try:
        _deliver(debt, clock)
    except Exception as error:  # (whatever it is, it must not stop the worker)
        if connection_is_lost():
            # Our own database went away. Whoever finds the claim without its owner takes it back.
            raise
        _write_failure(debt, error, clock())
    return True


def recover_given_up(group: str, clock: Clock) -> int:
    """
    Take back claims whose worker died or overran its deadline; return how many.

    What follows is the handler's to say: see `Repeat`.
    """
    at = clock()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_GIVEN_UP, {"group": group, "at": at})
            debts = with_events(cursor.fetchall())
        for debt in debts:
            log.warning("delivery.given_up", handler=debt.handler, event_id=debt.event.id)
            _judge_doubtful(debt, Uncertain("Its worker died or overran its deadline."), at)
        # Whoever was waiting for this answer has waited long enough.
        Delivery.objects.filter(
            id__in=[debt.id for debt in debts if _repeat(debt) is Repeat.FREELY],
            state=Delivery.State.RETRY,
        ).update(next_at=at)
        failpoint("outbound.taken_back")
    failpoint("outbound.take_back_committed")
    return len(debts)


def _deliver(debt: Debt, clock: Clock) -> None:
    handler, fact = _handler(debt), debt.fact()
    if is_paid(debt):
        Delivery.objects.filter(id=debt.id, fence=debt.fence).delete()
        return
    with caused_by(debt.cause()), time_handler(debt.handler):
        answer = handler.ask(fact, debt.context(clock()))
        failpoint("outbound.asked")
        try:
            _write(debt, handler, fact, answer, clock())
        except Exception as error:
            if handler.repeat is Repeat.FREELY or isinstance(error, PermanentFailure):
                raise
            raise Uncertain("The call happened, but its answer could not be written") from error


def _write(debt: Debt, handler: Outbound, fact: DomainEvent, answer: Any, at: datetime) -> None:
    with transaction.atomic():
        if not _lock_behind_fence(debt):
            log.warning("delivery.fenced_out", handler=debt.handler, event_id=debt.event.id)
            return
        if take_receipts([debt], at):
            failpoint("outbound.receipt_taken")
            handler.write(fact, answer, debt.context(at))
        Delivery.objects.filter(id=debt.id).delete()
        failpoint("outbound.written")
    failpoint("outbound.committed")


def _handler(debt: Debt) -> Outbound:
    handler = debt.route().handler
    if not isinstance(handler, Outbound):
        raise UnroutedDelivery(f"{debt.handler} is transactional, yet its delivery is outbound")
    return handler


def _lock_behind_fence(debt: Debt) -> bool:
    return (
        Delivery.objects.select_for_update()
        .filter(id=debt.id, fence=debt.fence, state=Delivery.State.IN_FLIGHT)
        .exists()
    )


def _write_failure(debt: Debt, error: Exception, at: datetime) -> None:
    log_failure(debt, error)
    with transaction.atomic():
        if not _lock_behind_fence(debt):
            return
        if isinstance(error, Uncertain):
            _judge_doubtful(debt, error, at)
        else:
            fail(debt, error, at=at)
        failpoint("outbound.failure_written")


def _judge_doubtful(debt: Debt, error: Exception, at: datetime) -> None:
    repeat = _repeat(debt)
    if repeat is Repeat.FREELY:
        fail(debt, error, at=at)
    else:
        once_more = repeat is Repeat.ONCE_LATER and not debt.doubtful_calls
        hold_doubtful(debt, error, at=at, again_at=at + ONCE_LATER if once_more else None)


def _repeat(debt: Debt) -> Repeat:
    try:
        return _handler(debt).repeat
    except UnroutedDelivery:
        return Repeat.NEVER
