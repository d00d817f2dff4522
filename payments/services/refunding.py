"""Ask how far Chapa is with orders to send money back that it has or may have, to the end."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction

from core.failpoints import failpoint
from payments import gateway, schedule
from payments.chapa.wire import (
    RefundProgress,
    RefundVerification,
)
from payments.models import GatewayCall, Refund
from payments.services.breaker import Breaker
from payments.services.refund_rows import (
    complete_refund,
    contradict_person,
    fail_refund,
    give_up_looking,
    has_room,
    lock_refund,
    move_refund,
    name_refund,
    put_in_doubt,
)

log = structlog.get_logger(__name__)

State = Refund.State
# Whoever claims a look and dies leaves it to the next one after this.
_CLAIMED_FOR = timedelta(minutes=5)
_CLAIM = """
update payments_refund set next_check_at = %(later)s
where id in (select id from payments_refund where next_check_at <= %(at)s
             order by next_check_at limit %(limit)s for update skip locked)
returning id
"""


def settle_refund(*, refund_id: UUID, at: datetime) -> RefundProgress:
    """
    Ask Chapa how far an order is and write down what follows.

    Safe to repeat, and several times at once: an order ends once.
    """
    refund = Refund.objects.select_related("payment").get(id=refund_id)
    seen, call = gateway.verify_refund(refund, at)
    failpoint("refund.looked")
    with transaction.atomic():
        write_progress(lock_refund(refund_id), seen, call, at)
    return seen.progress


def check_due_refunds(clock: Callable[[], datetime], *, limit: int = 100) -> Counter[str]:
    """
    Ask about every order whose time has come; return how often each answer came.

    Safe to run several times at once: a claim moves the next look on before the question.
    """
    seen: Counter[str] = Counter()
    started = clock()
    breaker = Breaker.at(started)
    if breaker.is_open:
        return seen
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"at": started, "later": started + _CLAIMED_FOR, "limit": limit})
        due = [refund_id for (refund_id,) in cursor.fetchall()]
    for refund_id in due:
        if breaker.is_open:
            break
        progress = settle_refund(refund_id=refund_id, at=clock())
        breaker.note(answered=progress is not RefundProgress.TRANSIENT)
        seen[progress.value] += 1
    if seen:
        log.info("refunds.checked", **seen)
    return seen


def write_progress(
    refund: Refund, seen: RefundVerification, call: GatewayCall, at: datetime
) -> None:
    """Write what Chapa said of a locked order. Repeating changes nothing: an order ends once."""
    has_it = seen.progress in (RefundProgress.PENDING, RefundProgress.REFUNDED)
    if has_it and refund.state == State.FAILED:
        contradict_person(refund, at)
    if refund.state not in Refund.IN_FLIGHT:
        return
    name_refund(refund, seen.refund_reference)
    refund.next_check_at = _next_look(refund, seen, at)
    match seen.progress:
        case RefundProgress.REFUNDED if _is_another(refund, seen):
            # Whose money went is not known: never counted as this order's.
            put_in_doubt(refund, "another_amount")
        case RefundProgress.REFUNDED if not has_room(refund):
            # What went before, or a person said did, leaves less than that: it went twice.
            put_in_doubt(refund, "more_than_came")
        case RefundProgress.REFUNDED:
            complete_refund(refund, call, at)
        case RefundProgress.REVERSED:
            fail_refund(refund, "refund_reversed", at)
        case _ if refund.next_check_at is None:
            give_up_looking(refund, at)
        case RefundProgress.PENDING if refund.state == State.UNKNOWN:
            refund.failure_reason = ""
            move_refund(refund, State.SUBMITTED)
        case _:
            refund.save(update_fields=["gateway_reference", "next_check_at"])


def _next_look(refund: Refund, seen: RefundVerification, at: datetime) -> datetime | None:
    """A look that Chapa did not answer was none: another one comes soon."""
    since = refund.submitted_at or refund.requested_at
    planned = schedule.next_refund_check(submitted_at=since, asked_at=at)
    if seen.progress not in (RefundProgress.TRANSIENT, RefundProgress.CONFIG_ERROR):
        return planned
    soon = schedule.after_silence(made_at=since, asked_at=at)
    return max(min(planned or soon, soon), at + seen.retry_after)


def _is_another(refund: Refund, seen: RefundVerification) -> bool:
    amount_differs = seen.amount is not None and seen.amount != refund.amount
    return amount_differs or seen.currency not in ("", refund.currency)
