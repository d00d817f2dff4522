"""
Ask Chapa to carry out an order to send money back, once.

An order is marked `unknown` in a commit of its own before the call, and asked of Chapa only from
`requested`. So whatever dies, no order is asked twice; what Chapa did with it is found out by
looking, never by asking again.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from core.failpoints import failpoint
from payments import gateway, schedule
from payments.chapa.wire import (
    CURRENCIES,
    RefundSubmission,
    RefundSubmitted,
    recall_refund_submission,
)
from payments.models import GatewayCall, Refund
from payments.services.recording import MORE_THAN_IS_LEFT
from payments.services.refund_rows import (
    contradict_person,
    fail_refund,
    lock_refund,
    move_refund,
    name_refund,
    put_in_doubt,
)

log = structlog.get_logger(__name__)

State = Refund.State
# What a call that never left this machine ends with; after anything else Chapa may have heard it.
_NEVER_LEFT = ("ConnectionRefusedError", "gaierror", "NameResolutionError")


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
    return _taken_back_if_unsent(Submission(refund_id, at, said))


def recall_submission(*, refund_id: UUID) -> Submission | None:
    """
    Return what Chapa said to an order whose worker died before that was written down, if it said
    so; the order is `requested` again if Chapa certainly did not take it.
    """
    refund = Refund.objects.get(id=refund_id)
    if refund.state != State.UNKNOWN or refund.submitted_at is None:
        return None
    asked = refund.gateway_calls.filter(
        payment=refund.payment_id, kind=GatewayCall.Kind.REFUND, asked_at=refund.submitted_at
    )
    call = asked.first()
    if call is None:
        return None
    said = recall_refund_submission(RefundSubmitted(call.outcome), call.http_status, call.evidence)
    return _taken_back_if_unsent(Submission(refund_id, call.asked_at, said))


def _taken_back_if_unsent(answer: Submission) -> Submission:
    if answer.never_left:
        Refund.objects.filter(
            id=answer.refund_id, state=State.UNKNOWN, submitted_at=answer.asked_at
        ).update(state=State.REQUESTED, submitted_at=None, next_check_at=None)
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
