"""What only a person may decide about money, each with a reason that is kept."""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from core.errors import Conflict, NotFound, read_reason
from events.outbox import record
from payments import schedule, states
from payments.events import PaymentAccepted, PaymentSucceeded
from payments.models import LedgerEntry, Payment, Refund
from payments.services.recording import Decision, captured, enter, move
from payments.services.refund_rows import complete_refund, fail_refund, has_room, lock_refund
from payments.services.settling import PaymentUnknown

log = structlog.get_logger(__name__)

NOT_SENT = "resolved_not_sent"
# Longer than the question before it and the call take together, whatever the network does.
_ASKED_FOR = timedelta(minutes=1)


class PaymentNotInReview(Conflict):
    """Nothing about this payment waits for a person."""

    code = "payment_not_in_review"


class RefundUnknown(NotFound):
    """There is no such refund."""

    code = "refund_unknown"


class RefundUnderWay(Conflict):
    """Chapa is at work on this refund."""

    code = "refund_under_way"


class RefundEnded(Conflict):
    """This refund has ended; nothing about it can be decided any more."""

    code = "refund_ended"


def accept_payment(*, payment_id: UUID, reason: str, person: str, at: datetime) -> Payment:
    """
    Take what arrived, another amount or currency, for what is owed.

    It is then late money like any other: bookings confirm, or order it back.

    :raises PaymentUnknown: if there is no such payment.
    :raises ReasonMissing: if no reason is given.
    :raises PaymentNotInReview: if it is not in review, or is ordered back already.
    """
    decision = Decision(person, read_reason(reason))
    with transaction.atomic():
        payment = Payment.objects.select_for_update().filter(id=payment_id).first()
        if payment is None:
            raise PaymentUnknown
        ordered = payment.refunds.exclude(state=Refund.State.FAILED).exists()
        if payment.status != states.IN_REVIEW or ordered:
            raise PaymentNotInReview("It is settled, or its money is on its way back.")
        arrived = captured(payment)
        enter(payment, LedgerEntry.Kind.ACCEPTANCE, arrived, decision, at)
        payment.failure_reason = ""
        move(payment, states.SUCCEEDED)
        about = {"payment_id": payment.id, "reference": payment.reference}
        record(PaymentAccepted(arrived=arrived, reason=reason, **about), at=at)
        record(PaymentSucceeded(amount=arrived, **about), at=at)
    log.warning("payment.accepted", payment_id=str(payment.id))
    return payment


def resolve_refund(
    *, refund_id: UUID, sent: bool, reason: str, person: str, at: datetime
) -> Refund:
    """
    Say what became of a refund that Chapa does not tell: it went another way, or not at all.

    Of one that failed already, the latter says that its money shall stay here.

    :raises RefundUnknown: if there is no such refund.
    :raises ReasonMissing: if no reason is given.
    :raises RefundUnderWay: while Chapa is asked to carry it out; or if it took it and is looked at
        still, so that nobody can say that it was not sent.
    :raises RefundEnded: if it succeeded, or a person said already that it was not sent; or if the
        money of a failed one was ordered back again, or is gone.
    """
    decision = Decision(person, read_reason(reason))
    with transaction.atomic():
        if not Refund.objects.filter(id=refund_id).exists():
            raise RefundUnknown
        refund = lock_refund(refund_id)
        _refuse_if_under_way(refund, sent, at)
        _refuse_if_ended(refund, sent)
        refund.resolutions.append(
            {"at": at.isoformat(), "person": person, "sent": sent, "reason": decision.reason}
        )
        if sent:
            complete_refund(refund, decision, at)
        elif refund.state == Refund.State.FAILED:
            refund.save(update_fields=["resolutions"])
        else:
            fail_refund(refund, NOT_SENT, at)
    log.warning("refund.resolved", refund_id=str(refund.id), sent=sent)
    return refund


def _refuse_if_under_way(refund: Refund, sent: bool, at: datetime) -> None:
    if refund.submitted_at is None or refund.state not in Refund.IN_FLIGHT:
        return
    if refund.state == Refund.State.UNKNOWN and at < refund.submitted_at + _ASKED_FOR:
        raise RefundUnderWay("It is being asked for. Look again in a minute.")
    looked_at = schedule.next_refund_check(submitted_at=refund.submitted_at, asked_at=at)
    if refund.state == Refund.State.SUBMITTED and looked_at and not sent:
        raise RefundUnderWay("Chapa took it, and will say how it ended.")


def _refuse_if_ended(refund: Refund, sent: bool) -> None:
    failed = refund.state == Refund.State.FAILED
    if refund.state == Refund.State.SUCCEEDED:
        raise RefundEnded("It has succeeded.")
    if failed and not sent and (refund.resolutions or refund.failure_reason == NOT_SENT):
        raise RefundEnded("A person said so before.")
    if failed and _is_ordered_again(refund):
        raise RefundEnded("Its money was ordered back again.")
    if sent and not has_room(refund):
        raise RefundEnded("So much is not here any more: it was reversed, or went back before.")


def _is_ordered_again(refund: Refund) -> bool:
    others = refund.payment.refunds.exclude(id=refund.id).exclude(state=Refund.State.FAILED)
    taken = sum(other.amount for other in others)
    return taken + refund.amount > refund.payment.captured_amount
