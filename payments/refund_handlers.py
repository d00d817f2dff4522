"""What payments do about orders to send money back."""

from datetime import timedelta

from events.base import Context, Outbound, Repeat, RetryAfter
from events.retry import patience
from payments import schedule
from payments.events import RefundRequested
from payments.handlers import ChapaSilent
from payments.models import Refund
from payments.services.breaker import wait_for_chapa
from payments.services.leasing import PaymentBusy
from payments.services.refund_sending import (
    Submission,
    recall_submission,
    submit_refund,
    write_submission,
)
from payments.services.settling import settle_payment
from payments.settlement import NoAnswer

_BUSY = timedelta(seconds=1)
_SOONEST = timedelta(seconds=30)
# As long as an order that Chapa took is looked at; then what could not be sent is a person's.
_LONGEST_WAIT = schedule.REFUND_LOOKS[-1]


def _ask(event: RefundRequested, context: Context) -> Submission | None:
    try:
        return _ask_when_there(event, context)
    except RetryAfter as wait:
        if context.age < _LONGEST_WAIT:
            raise
        raise ChapaSilent(str(wait)) from wait


def _ask_when_there(event: RefundRequested, context: Context) -> Submission | None:
    wait_for_chapa(context)
    pause = max(patience(context.age), _SOONEST)
    if Refund.objects.filter(id=event.refund_id, state=Refund.State.REQUESTED).exists():
        _find_chapa_there(event, context, pause)
    answer = submit_refund(refund_id=event.refund_id, at=context.at)
    answer = answer or recall_submission(refund_id=event.refund_id)
    if answer is not None and answer.never_left:
        raise RetryAfter(max(answer.said.retry_after, pause), "not taken yet")
    return answer


def _find_chapa_there(event: RefundRequested, context: Context, pause: timedelta) -> None:
    """
    Ask about the payment first, which may be asked again: an order is asked once, and what an
    outage leaves open of it only a person ends.

    :raises RetryAfter: if Chapa does not answer; what it says of the payment does not matter.
    """
    try:
        verdict = settle_payment(payment_id=event.payment_id, at=context.at)
    except PaymentBusy as busy:
        raise RetryAfter(_BUSY, "someone else is asking") from busy
    if isinstance(verdict, NoAnswer) and not verdict.is_there:
        raise RetryAfter(pause, "Chapa does not answer")


def _write(event: RefundRequested, answer: Submission | None, context: Context) -> None:
    if answer is not None:
        write_submission(answer, at=context.at)


#: For refund.requested. Asking twice is harmless: an order is marked before it is asked of Chapa.
send_refund = Outbound(name="send_refund", ask=_ask, write=_write, repeat=Repeat.FREELY)
