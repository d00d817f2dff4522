"""
Drain transactional handlers: a batch of one lane in one commit, a savepoint per event.

Effect, receipt and the end of the delivery commit together. No lease: the row locks of a dead
worker die with its connection.
"""

import time
from datetime import datetime

import structlog
from django.db import DatabaseError, transaction

from core.causality import caused_by
from core.failpoints import failpoint
from events.base import Clock, Outbound
from events.debts import (
    CLAIMABLE,
    Debt,
    UnroutedDelivery,
    WorkerDied,
    block_behind,
    connection_is_lost,
    count_attempt,
    drop_receipts,
    end_paid,
    fail,
    log_failure,
    take_receipts,
)
from events.lanes import (
    Lane,
    claim_debts,
    claim_with_receipts,
    own_lane,
    park_blocked,
    release_lane,
    take_lane,
)
from events.models import Delivery
from events.retry import is_exhausted
from events.timing import time_handler

log = structlog.get_logger(__name__)

# A batch holds the locks of all its handlers until it commits; what it does not reach waits.
BATCH_SECONDS = 0.5


def drain_lane(group: str, clock: Clock) -> int | None:
    """
    Handle one batch of one free lane; return how many it paid or failed, None if nothing can move.

    If the batch cannot commit, or the lane's last owner died in it, its deliveries run one by one.
    """
    at = clock()
    lane = take_lane(group, at)
    if lane is None:
        return None
    failpoint("drain.lane_taken")
    if lane.abandoned:
        log.warning("lane.abandoned", group=group, lane=lane.number)
        return _run_one_by_one(lane, clock, count_first=True)
    try:
        return _run_batch(lane, at)
    except DatabaseError as failed:
        log.warning("batch.failed", group=group, lane=lane.number, error=type(failed).__name__)
        return _run_one_by_one(lane, clock, count_first=False)


def _run_batch(lane: Lane, at: datetime) -> int | None:
    with transaction.atomic():
        debts, fresh = claim_with_receipts(lane, at)
        settled: int | None
        if debts:
            failpoint("drain.receipts_taken")
            settled = _settle(debts, fresh, at, lane)
        else:
            settled = _park_and_release(lane, at)
    failpoint("drain.committed")
    return settled


def _park_and_release(lane: Lane, at: datetime) -> int | None:
    if not own_lane(lane):
        return 0
    parked = park_blocked(lane, at)
    failpoint("drain.blocked_parked")
    release_lane(lane)
    return 0 if parked else None


def _run_one_by_one(lane: Lane, clock: Clock, *, count_first: bool) -> int:
    """`count_first` commits each attempt before it starts: a killer of workers ends dead."""
    with transaction.atomic():
        debts = claim_debts(lane, clock())
        failpoint("alone.debts_claimed")
    for debt in debts:
        at = clock()
        if not count_first or _count(lane, debt, at):
            _run_alone(lane, debt, at)
    with transaction.atomic():
        if own_lane(lane):
            release_lane(lane)
            failpoint("alone.lane_released")
    return len(debts)


def _count(lane: Lane, debt: Debt, at: datetime) -> bool:
    """Return whether it may run; not if it has ended a worker with every attempt it had."""
    with transaction.atomic():
        if not (own_lane(lane) and _is_owed(debt)):
            return False
        if is_exhausted(debt.attempts):
            fail(debt, WorkerDied(f"{debt.attempts} attempts, none was heard of again"), at=at)
            block_behind(debt)
            failpoint("alone.given_up")
            return False
        count_attempt(debt, at)
        failpoint("alone.attempt_counted")
    failpoint("alone.attempt_committed")
    return True


def _run_alone(lane: Lane, debt: Debt, at: datetime) -> None:
    try:
        with transaction.atomic():
            if own_lane(lane) and _is_owed(debt):
                _settle([debt], take_receipts([debt], at), at)
                failpoint("alone.settled")
        failpoint("alone.committed")
    except DatabaseError as error:
        # Its own COMMIT failed; or the connection went, and on a new one the lane is not ours.
        with transaction.atomic():
            if own_lane(lane) and _is_owed(debt):
                _write_failure(debt, error, at)
                failpoint("alone.failure_written")


def _is_owed(debt: Debt) -> bool:
    return Delivery.objects.select_for_update().filter(id=debt.id, state__in=CLAIMABLE).exists()


def _settle(debts: list[Debt], fresh: set[int], at: datetime, lane: Lane | None = None) -> int:
    """
    Run those that had no receipt yet; return how many were paid or failed.

    If it is the end of a batch, its lane is given back in the same statement.
    """
    ends = time.monotonic() + BATCH_SECONDS
    paid: list[Debt] = []
    failed: list[Debt] = []
    left: list[Debt] = []
    stopped: set[tuple[str, int]] = set()
    for debt in debts:
        key = (debt.handler, debt.subject_key)
        if debt.id not in fresh:
            paid.append(debt)
        elif (debt.ordered and key in stopped) or ((paid or failed) and time.monotonic() > ends):
            left.append(debt)
        elif _run(debt, at):
            failpoint("drain.handled")
            paid.append(debt)
        else:
            failpoint("drain.failure_written")
            failed.append(debt)
            stopped.add(key)
    if failed or left:
        drop_receipts(failed + left)
        failpoint("drain.receipts_dropped")
    clear = [debt for debt in paid if (debt.handler, debt.subject_key) not in stopped]
    end_paid(paid, clear, lane.id if lane else None)
    failpoint("drain.paid")
    return len(paid) + len(failed)


def _run(debt: Debt, at: datetime) -> bool:
    try:
        route = debt.route()
        if isinstance(route.handler, Outbound):
            raise UnroutedDelivery(f"{debt.handler} is outbound, yet its delivery is in a lane")
        with transaction.atomic(), caused_by(debt.cause()), time_handler(debt.handler):
            route.handler(debt.fact(), debt.context(at))
    except Exception as error:
        if connection_is_lost():
            raise
        _write_failure(debt, error, at)
        return False
    return True


def _write_failure(debt: Debt, error: Exception, at: datetime) -> None:
    log_failure(debt, error)
    fail(debt, error, at=at)
    block_behind(debt)
