"""
Settle a payment: ask Chapa, then write the answer. The only code that records money.

Webhook, callback, sweep, request and operator all end here.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from core.errors import NotFound
from core.failpoints import failpoint
from core.money import Money
from events.outbox import record
from payments import gateway, schedule, states
from payments.chapa.wire import Verification
from payments.events import (
    PaymentFailed,
    PaymentMismatched,
    PaymentRefunded,
    PaymentReversed,
    PaymentSucceeded,
)
from payments.models import GatewayCall, LedgerEntry, Payment
from payments.services.contradicting import note_contradiction
from payments.services.leasing import ALWAYS, release_lease, take_lease
from payments.services.recording import (
    cancel_pending,
    capture,
    captured,
    close_refunds,
    enter,
    hint_refunds,
    is_of_another,
    keep_reference,
    move,
    note_external_refund,
)
from payments.settlement import (
    Declined,
    Mismatched,
    NoAnswer,
    NotOurs,
    Owed,
    Paid,
    SentBack,
    Verdict,
    Waiting,
    judge,
)

log = structlog.get_logger(__name__)


class PaymentUnknown(NotFound):
    """There is no such payment."""

    code = "payment_unknown"


@dataclass(frozen=True)
class Answer:
    """What Chapa said about one payment, the call that proves it, the lease it was asked with."""

    payment_id: UUID
    asked_at: datetime
    seen: Verification
    call: GatewayCall
    leased_until: datetime


def settle_payment(*, payment_id: UUID, at: datetime, only_if: Q = ALWAYS) -> Verdict:
    """
    Ask Chapa about a payment and write down what follows; return what the answer meant.

    Safe to repeat: what is written once stays as it is.

    :raises PaymentUnknown: if there is no such payment.
    :raises PaymentBusy: if someone is asking already, or `only_if` is no longer true.
    """
    answer = ask_chapa(payment_id=payment_id, at=at, only_if=only_if)
    with transaction.atomic():
        return write_answer(answer, at=at)


def ask_chapa(*, payment_id: UUID, at: datetime, only_if: Q = ALWAYS) -> Answer:
    """
    Ask Chapa what became of a payment. The call is kept as evidence.

    The lease is kept until the answer is written, so that nobody asks again in between.

    :raises PaymentUnknown: if there is no such payment.
    :raises PaymentBusy: if someone is asking already, or `only_if` is no longer true.
    """
    payment = Payment.objects.filter(id=payment_id).first()
    if payment is None:
        raise PaymentUnknown
    leased_until = take_lease(payment_id, at, only_if=only_if)
    try:
        return ask_leased(payment, leased_until, at)
    except BaseException:
        release_lease(payment_id, leased_until)
        raise


def ask_leased(payment: Payment, leased_until: datetime, at: datetime) -> Answer:
    """Ask as `ask_chapa` does, with a lease that the caller has and gives back if this raises."""
    seen, call = gateway.verify(payment, at)
    failpoint("payment.asked")
    return Answer(payment.id, at, seen, call, leased_until)


def write_answer(answer: Answer, *, at: datetime) -> Verdict:
    """
    Write what an answer means, under the payment's lock. Call inside a transaction.

    An answer asked for earlier than the newest recorded one is evidence only, unless it says paid.
    One that contradicts what is captured changes no money, and is logged for a person.
    """
    payment = Payment.objects.select_for_update().get(id=answer.payment_id)
    release_lease(payment.id, answer.leased_until)
    verdict = judge(
        owed=Owed(money=payment.owed, tx_ref=payment.tx_ref, mode=payment.mode), seen=answer.seen
    )
    outdated = payment.asked_at is not None and answer.asked_at < payment.asked_at
    if outdated and not isinstance(verdict, Paid | Mismatched):
        if payment.next_check_at is not None and payment.next_check_at <= at:
            # The newest answer may be from a clock that is ahead: it would be due at every sweep.
            _plan_next_check(payment, answer, verdict)
        return verdict
    if payment.status in states.CAPTURED and not outdated:
        note_contradiction(payment, verdict, answer.call)
    match verdict:
        case Paid():
            _succeed(payment, answer, at)
        case Mismatched():
            _hold_for_review(payment, answer, verdict, at)
        case SentBack():
            _send_back(payment, answer, verdict, at)
        case Declined(reason):
            _decline(payment, reason, at)
        case NotOurs(reason):
            log.error("settlement.not_ours", payment_id=str(payment.id), reason=reason)
        case NoAnswer(misconfigured=True):
            log.error("chapa.misconfigured", payment_id=str(payment.id))
        case NoAnswer() | Waiting():
            pass
    if isinstance(verdict, Paid | Mismatched | SentBack):
        keep_reference(payment, answer.seen.reference)
    _plan_next_check(payment, answer, verdict)
    if payment.status in states.CAPTURED:
        hint_refunds(payment, at)
    return verdict


def _succeed(payment: Payment, answer: Answer, at: datetime) -> None:
    if payment.status in states.CAPTURED:
        return
    if is_of_another(answer.seen.reference):
        reused = Mismatched(payment.owed, "gateway reference of another payment")
        _hold_for_review(payment, answer, reused, at)
        return
    capture(payment, payment.owed, answer.call, at)
    payment.failure_reason = ""
    move(payment, states.SUCCEEDED)
    record(
        PaymentSucceeded(payment_id=payment.id, reference=payment.reference, amount=payment.owed),
        at=at,
    )


def _hold_for_review(payment: Payment, answer: Answer, mismatch: Mismatched, at: datetime) -> None:
    if payment.status in states.CAPTURED:
        return
    # Nobody is asked to pay once more while a person looks at what arrived.
    for newer in (
        Payment.objects.select_for_update()
        .filter(reference=payment.reference, status=states.PENDING)
        .exclude(id=payment.id)
    ):
        cancel_pending(newer, reason="superseded", at=at)
    capture(payment, mismatch.arrived, answer.call, at)
    payment.failure_reason = mismatch.reason
    move(payment, states.IN_REVIEW)
    record(
        PaymentMismatched(
            payment_id=payment.id,
            reference=payment.reference,
            owed=payment.owed,
            arrived=mismatch.arrived,
            reason=mismatch.reason,
        ),
        at=at,
    )


def _send_back(payment: Payment, answer: Answer, back: SentBack, at: datetime) -> None:
    if payment.status in (states.REFUNDED, states.REVERSED):
        return
    if payment.status not in states.CAPTURED:
        capture(payment, back.arrived, answer.call, at)
        move(payment, states.SUCCEEDED)
    elif back.arrived != captured(payment):
        return
    left = Money(payment.captured_amount - payment.refunded_amount, back.arrived.currency)
    if not back.reversed and not note_external_refund(payment, left, at):
        return
    kind = LedgerEntry.Kind.REVERSAL if back.reversed else LedgerEntry.Kind.REFUND
    enter(payment, kind, left, answer.call, at)
    payment.refunded_amount = payment.captured_amount
    if back.reversed and payment.status == states.IN_REVIEW:
        move(payment, states.SUCCEEDED)
    move(payment, states.REVERSED if back.reversed else states.REFUNDED)
    close_refunds(payment, sent=not back.reversed, at=at)
    log.warning("payment.sent_back", payment_id=str(payment.id), kind=kind.value)
    fact = PaymentReversed if back.reversed else PaymentRefunded
    record(fact(payment_id=payment.id, reference=payment.reference, amount=left), at=at)


def _decline(payment: Payment, reason: str, at: datetime) -> None:
    if payment.status != states.PENDING:
        return
    payment.failure_reason = f"chapa_{reason}"
    move(payment, states.FAILED)
    record(PaymentFailed(payment_id=payment.id, reference=payment.reference, reason=reason), at=at)


def _plan_next_check(payment: Payment, answer: Answer, verdict: Verdict) -> None:
    if isinstance(verdict, NoAnswer):
        planned = schedule.after_silence(made_at=payment.created_at, asked_at=answer.asked_at)
        wished = answer.asked_at + answer.seen.retry_after
        Payment.objects.filter(id=payment.id).update(next_check_at=max(planned, wished))
        return
    next_check_at = schedule.next_check(
        payment_id=payment.id,
        made_at=payment.created_at,
        asked_at=answer.asked_at,
        hinted_at=None if payment.status in states.CAPTURED else payment.hinted_at,
    )
    Payment.objects.filter(id=payment.id).update(
        asked_at=max(answer.asked_at, payment.asked_at or answer.asked_at),
        next_check_at=next_check_at,
    )
