"""What payments do about orders to send money back."""

from datetime import timedelta

from events.base import Context, Outbound, Repeat, RetryAfter
from events.retry import patience
from payments.events import RefundRequested
from payments.handlers import wait_for_key
from payments.services.refunding import Submission, submit_refund, write_submission

_SOONEST = timedelta(seconds=30)


def _ask(event: RefundRequested, context: Context) -> Submission | None:
    wait_for_key(context)
    answer = submit_refund(refund_id=event.refund_id, at=context.at)
    if answer is not None and answer.never_left:
        age = context.at - context.occurred_at
        raise RetryAfter(max(answer.said.retry_after, patience(age), _SOONEST), "not taken yet")
    return answer


def _write(event: RefundRequested, answer: Submission | None, context: Context) -> None:
    if answer is not None:
        write_submission(answer, at=context.at)


#: For refund.requested. Asking twice is harmless: an order is marked before it is asked of Chapa.
send_refund = Outbound(name="send_refund", ask=_ask, write=_write, repeat=Repeat.FREELY)
