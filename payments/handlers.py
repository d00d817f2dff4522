"""What payments do about events."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from events.base import Context, Outbound, Repeat, RetryAfter
from events.retry import patience
from payments import states
from payments.chapa.wire import Opening, Outcome
from payments.claim import statuses_that_know
from payments.events import PaymentCancelled, PaymentExpired, PaymentInitiated, WebhookReceived
from payments.models import Payment
from payments.services.breaker import wait_for_chapa
from payments.services.checkout import open_checkout
from payments.services.closing import LEFT_OPEN, close_link
from payments.services.hints import end_search
from payments.services.leasing import ALWAYS, PaymentBusy
from payments.services.recording import cancel_pending
from payments.services.settling import Answer, ask_chapa, write_answer

_BUSY = timedelta(seconds=1)
# A traveller waits for what a webhook or a start made us ask.
_LONGEST_PAUSE = timedelta(minutes=1)
# So long Chapa may be away before what waits for it is dead and a person is asked. A webhook's
# payment is looked at by the sweep all the while; a link can be paid for an hour.
OUTAGE = timedelta(days=1)
# After a webhook that names no payment of ours: it may be another application's, or early.
_LOOKS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 6 * 60))
_SILENCE = (Outcome.TRANSIENT, Outcome.UNRECOGNISED, Outcome.CONFIG_ERROR)


class ChapaSilent(Exception):
    """No answer, so the delivery is tried again. `pending` is an answer."""


def _ask(payment: Payment, context: Context, only_if: Q = ALWAYS) -> Answer:
    wait_for_chapa(context)
    try:
        answer = ask_chapa(payment_id=payment.id, at=context.at, only_if=only_if)
    except PaymentBusy as busy:
        raise RetryAfter(_BUSY, "someone else is asking") from busy
    if answer.seen.outcome in _SILENCE:
        # In a commit of its own: what `write` does is undone when a delivery fails.
        with transaction.atomic():
            write_answer(answer, at=context.at)
        if answer.seen.retry_after:
            raise RetryAfter(answer.seen.retry_after, "Chapa wishes to be asked later")
        raise ChapaSilent(answer.seen.outcome.value)
    return answer


def _ask_notified(event: WebhookReceived, context: Context) -> Answer | None:
    payment = Payment.objects.filter(tx_ref=event.tx_ref).first()
    if payment is None:
        _look_again_later(event, context)
        return None
    if payment.status in statuses_that_know(event.claims):
        return None
    if payment.asked_at is not None and payment.asked_at >= context.occurred_at:
        return None
    not_asked_since = Q(asked_at__isnull=True) | Q(asked_at__lt=context.occurred_at)
    try:
        return _ask(payment, context, only_if=not_asked_since)
    except ChapaSilent as silence:
        if context.age < OUTAGE:
            raise RetryAfter(_pause(context), f"no answer: {silence}") from silence
        raise


def _pause(context: Context) -> timedelta:
    return min(patience(context.age), _LONGEST_PAUSE)


def _look_again_later(event: WebhookReceived, context: Context) -> None:
    for look in _LOOKS:
        if event.tx_ref and context.age < look:
            raise RetryAfter(look - context.age, "no payment has this tx_ref")


def _write_notified(event: WebhookReceived, answer: Answer | None, context: Context) -> None:
    if answer is not None:
        write_answer(answer, at=context.at)
    end_search(event.webhook_id, event.tx_ref)


#: For webhook.received: ask, unless someone asked after it came or there is nothing left to learn.
settle_notified_payment = Outbound(
    name="settle_notified_payment",
    ask=_ask_notified,
    write=_write_notified,
    repeat=Repeat.FREELY,
)


def _ask_rescue(event: PaymentInitiated, context: Context) -> Answer | None:
    payment = Payment.objects.get(id=event.payment_id)
    if payment.checkout_url or payment.status != states.PENDING:
        return None
    try:
        answer = _ask(payment, context)
    except ChapaSilent as silence:
        # As long as the payment is wanted, however long Chapa is away.
        raise RetryAfter(_pause(context), f"no answer: {silence}") from silence
    if answer.seen.outcome is Outcome.NOT_FOUND:
        # Chapa never heard of it, so the same reference can still be used. We have the lease.
        opening = open_checkout(payment, at=context.at)
        if opening in (Opening.UNKNOWN, Opening.CONFIG_ERROR):
            raise RetryAfter(_pause(context), f"not opened: {opening.value}")
    return answer


def _write_rescue(event: PaymentInitiated, answer: Answer | None, context: Context) -> None:
    if answer is None:
        return
    write_answer(answer, at=context.at)
    payment = Payment.objects.select_for_update().get(id=event.payment_id)
    if payment.status == states.PENDING and not payment.checkout_url:
        # It exists at Chapa (open, or used before), but nobody will ever see its URL again.
        cancel_pending(payment, reason="checkout_lost", at=context.at)


#: For payment.initiated, 30 s later: the rescue when the request died or Chapa gave no answer.
rescue_checkout = Outbound(
    name="rescue_checkout", ask=_ask_rescue, write=_write_rescue, repeat=Repeat.FREELY
)


def _ask_close(event: PaymentCancelled | PaymentExpired, context: Context) -> None:
    payment = Payment.objects.get(id=event.payment_id)
    if payment.link_closed_at is not None:
        return
    wait_for_chapa(context)
    if close_link(payment, context.at) in LEFT_OPEN:
        if context.age < OUTAGE:
            raise RetryAfter(patience(context.age), "the link may live")
        raise ChapaSilent("the link may live")


#: For payment.cancelled and payment.expired: nobody shall pay on a link that was given up.
close_cancelled_link = Outbound(
    name="close_cancelled_link",
    ask=_ask_close,
    write=lambda event, answer, context: None,
    repeat=Repeat.FREELY,
)
