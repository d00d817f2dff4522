"""The rows of orders to send money back, written under the payment's lock, then the order's."""

from datetime import datetime
from uuid import UUID

import structlog

from events.base import PermanentFailure
from events.outbox import record
from payments import states
from payments.events import PaymentRefunded, RefundDelayed, RefundFailed, RefundSucceeded
from payments.models import GatewayCall, LedgerEntry, Payment, Refund
from payments.services.recording import Decision, enter, move

log = structlog.get_logger(__name__)

NO_END = "no_end"


class TakenAfterAll(PermanentFailure):
    """Chapa took an order that a person had ended: its money may have gone twice."""


def lock_refund(refund_id: UUID) -> Refund:
    """Lock the payment first, then the order."""
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(id=refund_id)
    payment = Payment.objects.select_for_update().get(id=payment_id)
    refund = Refund.objects.select_for_update().get(id=refund_id)
    refund.payment = payment
    return refund


def fail_refund(refund: Refund, reason: str, at: datetime) -> None:
    """End a locked order that was not carried out; its money can be ordered back again."""
    refund.failure_reason = reason
    refund.settled_at = at
    refund.next_check_at = None
    move_refund(refund, Refund.State.FAILED)
    log.error("refund.failed", refund_id=str(refund.id), reason=reason)
    record(
        RefundFailed(
            payment_id=refund.payment_id,
            reference=refund.payment.reference,
            refund_id=refund.id,
            amount=refund.money,
            reason=reason,
        ),
        at=at,
    )


def reopen_refund(refund: Refund, at: datetime) -> None:
    """Take back that a locked order was not carried out: Chapa has it, and is asked what became."""
    refund.failure_reason = ""
    refund.settled_at, refund.next_check_at = None, at
    move_refund(refund, Refund.State.UNKNOWN)


def move_refund(refund: Refund, target: str) -> None:
    """Change the state of a locked order as the table allows, and write its other fields."""
    if target not in states.REFUND_TRANSITIONS[refund.state]:
        raise RuntimeError(f"refund {refund.id} cannot become {target} from {refund.state}")
    refund.state = target
    refund.save(
        update_fields=[
            "state",
            "failure_reason",
            "gateway_reference",
            "settled_at",
            "next_check_at",
            "resolutions",
        ]
    )


def name_refund(refund: Refund, name: str) -> None:
    """Take Chapa's name of a locked order, unless it is that of a payment or of another order."""
    if refund.gateway_reference or not name:
        return
    others = Refund.objects.filter(gateway_reference=name).exclude(id=refund.id)
    if Payment.objects.filter(gateway_reference=name).exists() or others.exists():
        log.error("refund.name_of_another", refund_id=str(refund.id))
        return
    refund.gateway_reference = name


def has_room(refund: Refund) -> bool:
    """Return whether as much is left of what came as the order is for."""
    payment = refund.payment
    return payment.refunded_amount + refund.amount <= payment.captured_amount


def complete_refund(refund: Refund, proof: GatewayCall | Decision, at: datetime) -> None:
    """Write down that the money of a locked order went back, and what the payment is then."""
    payment = refund.payment
    enter(payment, LedgerEntry.Kind.REFUND, refund.money, proof, at, refund)
    payment.refunded_amount += refund.amount
    refund.settled_at, refund.next_check_at = at, None
    refund.failure_reason = ""
    move_refund(refund, Refund.State.SUCCEEDED)
    about = {"payment_id": payment.id, "reference": payment.reference, "amount": refund.money}
    record(RefundSucceeded(refund_id=refund.id, **about), at=at)  # type: ignore[arg-type]
    if payment.refunded_amount == payment.captured_amount:
        move(payment, states.REFUNDED)
        record(PaymentRefunded(**about), at=at)  # type: ignore[arg-type]
    elif payment.status == states.SUCCEEDED:
        move(payment, states.PARTIALLY_REFUNDED)
    else:
        payment.save(update_fields=["refunded_amount"])


def put_in_doubt(refund: Refund, why: str) -> None:
    """Leave a locked order that Chapa has to a person, who is told by its state."""
    log.error("refund.in_doubt", refund_id=str(refund.id), reason=why)
    refund.failure_reason = why
    if refund.state == Refund.State.UNKNOWN:
        refund.save(update_fields=["failure_reason", "gateway_reference", "next_check_at"])
    else:
        move_refund(refund, Refund.State.UNKNOWN)


def give_up_looking(refund: Refund, at: datetime) -> None:
    """After the last look at a locked order nobody comes back to it but a person."""
    told = refund.failure_reason == NO_END
    put_in_doubt(refund, NO_END)
    if not told:
        about = {"payment_id": refund.payment_id, "reference": refund.payment.reference}
        record(RefundDelayed(refund_id=refund.id, amount=refund.money, **about), at=at)


def contradict_person(refund: Refund, at: datetime) -> None:
    """
    Chapa has a locked order: what a person said of it meanwhile is in doubt.

    :raises TakenAfterAll: if that was that it went another way, or the system ordered it again.
    """
    if refund.state not in (Refund.State.FAILED, Refund.State.SUCCEEDED) or not refund.resolutions:
        return
    sent = refund.resolutions[-1]["sent"]
    log.error("refund.taken_after_all", refund_id=str(refund.id), said_to_be_sent=sent)
    if sent and refund.state == Refund.State.SUCCEEDED:
        raise TakenAfterAll("A person said that it went another way, and Chapa took it too.")
    if refund.state == Refund.State.FAILED:
        if _is_ordered_again_by_system(refund):
            raise TakenAfterAll("A person said that it was not sent, and Chapa took it.")
        reopen_refund(refund, at)


def _is_ordered_again_by_system(refund: Refund) -> bool:
    """The database knows one such order at a time."""
    system = Refund.Source.SYSTEM
    others = refund.payment.refunds.filter(source=system).exclude(state=Refund.State.FAILED)
    return refund.source == system and others.exists()
