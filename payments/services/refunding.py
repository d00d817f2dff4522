"""
Carry out an order to send money back: ask Chapa once, then ask how far it is, to the end.

An order is marked `unknown` in a commit of its own before the call, and asked of Chapa only from
`requested`. So whatever dies, no order is asked twice; what Chapa did with it is found out by
looking, never by asking again.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction

from core.failpoints import failpoint
from payments import gateway, schedule
from payments.chapa.wire import (
    CURRENCIES,
    RefundProgress,
    RefundSubmission,
    RefundSubmitted,
    RefundVerification,
)
from payments.models import GatewayCall, Refund
from payments.services.breaker import Breaker
from payments.services.recording import MORE_THAN_IS_LEFT
from payments.services.refund_rows import (
    complete_refund,
    contradict_person,
    fail_refund,
    lock_refund,
    move_refund,
    name_refund,
    put_in_doubt,
)

log = structlog.get_logger(__name__)

State = Refund.State
# Whoever claims a look and dies leaves it to the next one after this.
_CLAIMED_FOR = timedelta(minutes=5)
# What a call that never left this machine ends with; after anything else Chapa may have heard it.
_NEVER_LEFT = ("ConnectionRefusedError", "gaierror", "NameResolutionError")

_CLAIM = """
update payments_refund set next_check_at = %(later)s
where id in (select id from payments_refund where next_check_at <= %(at)s
             order by next_check_at limit %(limit)s for update skip locked)
returning id
"""


@dataclass(frozen=True)
class Submission:
    """What Chapa said to an order, and the call that proves it."""

    refund_id: UUID
    asked_at: datetime
    said: RefundSubmission

    @property
    def never_left(self) -> bool:
        """Whether Chapa certainly did not take it, so that it may be asked again."""
        refused_unread = self.said.http_status == 429 or (
            self.said.submitted is RefundSubmitted.CONFIG_ERROR
        )
        return refused_unread or self.said.evidence.get("cause") in _NEVER_LEFT


def submit_refund(*, refund_id: UUID, at: datetime) -> Submission | None:
    """
    Ask Chapa to carry out an order, if nobody did before; None if somebody did.

    Afterwards the order is `unknown` until `write_submission`; `requested` again if Chapa
    certainly did not take it.
    """
    refund = Refund.objects.select_related("payment").get(id=refund_id)
    if refund.state != State.REQUESTED:
        return None
    if problem := _why_not_sendable(refund):
        _give_up(refund, problem, at)
        return None
    marked = Refund.objects.filter(id=refund_id, state=State.REQUESTED).update(
        state=State.UNKNOWN,
        submitted_at=at,
        next_check_at=schedule.next_refund_check(submitted_at=at, asked_at=at),
    )
    if not marked:
        return None
    failpoint("refund.marked")
    said, _ = gateway.refund(refund, at)
    failpoint("refund.asked")
    answer = Submission(refund_id, at, said)
    if answer.never_left:
        Refund.objects.filter(id=refund_id, state=State.UNKNOWN).update(
            state=State.REQUESTED, submitted_at=None, next_check_at=None
        )
    return answer


def write_submission(answer: Submission, *, at: datetime) -> None:
    """
    Write what Chapa said to an order. Call inside a transaction; repeating changes nothing.

    :raises TakenAfterAll: if a person said meanwhile that it went another way.
    """
    refund = lock_refund(answer.refund_id)
    taken = answer.said.submitted in (RefundSubmitted.ACCEPTED, RefundSubmitted.USED_BEFORE)
    if taken:
        contradict_person(refund, at)
    if refund.state != State.UNKNOWN:
        return
    match answer.said.submitted:
        case _ if taken:
            name_refund(refund, answer.said.refund_reference)
            move_refund(refund, State.SUBMITTED)
        case RefundSubmitted.REFUSED_IN_TEST_MODE:
            fail_refund(refund, "refund_refused_in_test_mode", at)
        case RefundSubmitted.REFUSED if not answer.said.exceeds:
            fail_refund(refund, "refund_refused", at)
        case RefundSubmitted.REFUSED:
            # More than is left, says Chapa: so some of it went, this very order perhaps.
            put_in_doubt(refund, MORE_THAN_IS_LEFT)
        case _:
            log.error("refund.unknown", refund_id=str(refund.id))


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
        case RefundProgress.REFUNDED if not _has_room(refund):
            # What went before, or a person said did, leaves less than that: it went twice.
            put_in_doubt(refund, "more_than_came")
        case RefundProgress.REFUNDED:
            complete_refund(refund, call, at)
        case RefundProgress.REVERSED:
            fail_refund(refund, "refund_reversed", at)
        case _ if refund.next_check_at is None:
            # The last look. Nobody comes back to it but a person.
            put_in_doubt(refund, "no_end")
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


def _has_room(refund: Refund) -> bool:
    payment = refund.payment
    return payment.refunded_amount + refund.amount <= payment.captured_amount


def _why_not_sendable(refund: Refund) -> str:
    """Before the mark: what cannot be asked for was certainly not taken."""
    if not refund.payment.gateway_reference:
        return "no_gateway_reference"
    return "" if refund.currency in CURRENCIES else "currency_not_refundable"


def _give_up(refund: Refund, reason: str, at: datetime) -> None:
    with transaction.atomic():
        locked = lock_refund(refund.id)
        if locked.state == State.REQUESTED:
            fail_refund(locked, reason, at)
