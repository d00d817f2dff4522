"""Open a payment and its checkout page at Chapa."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from core.errors import Conflict
from core.ids import digest, new_id, new_secret, new_tx_ref
from core.models import User
from core.money import Money
from events.outbox import record
from payments import gateway, schedule, states
from payments.chapa.wire import LARGEST_AMOUNT, CheckoutRequest, Initialization, Opening
from payments.events import PaymentFailed, PaymentInitiated
from payments.models import Payment
from payments.services.breaker import GatewayUnavailable, away_for, starting_refused_for
from payments.services.closing import close_older_checkouts
from payments.services.leasing import LEASE
from payments.services.recording import cancel_pending

log = structlog.get_logger(__name__)

__all__ = [
    "AmountNotCollectable",
    "OpenedPayment",
    "Opening",
    "find_payment_by_return_key",
    "lock_payments",
    "open_checkout",
    "open_payment",
    "waiting_slot",
]


_MONEY_CAME = (states.SUCCEEDED, states.PARTIALLY_REFUNDED, states.IN_REVIEW)


class AmountNotCollectable(Conflict):
    """Chapa does not collect this amount at once."""

    code = "amount_not_collectable"


@dataclass(frozen=True)
class OpenedPayment:
    """`is_new`: the caller holds the lease and is to open its checkout after the commit."""

    payment: Payment
    is_new: bool


@contextmanager
def waiting_slot(at: datetime) -> Iterator[bool]:
    """
    Tell whether this thread may wait for Chapa: at most half of a process's threads do at once,
    and none while it is away.

    The others answer at once and leave the asking to handler and sweep, so that webhooks still
    get in.
    """
    may_wait = away_for(at) is None and gateway.waiting_slots.acquire(blocking=False)
    try:
        yield may_wait
    finally:
        if may_wait:
            gateway.waiting_slots.release()


def open_payment(
    *,
    reference: UUID,
    earlier: Sequence[Payment],
    payer: User,
    owed: Money,
    title: str,
    expires_at: datetime,
    at: datetime,
    wait_for_rescue: bool = False,
) -> OpenedPayment:
    """
    Return the open payment of a reference, or make one, leased, with its event. One whose page was
    closed before money came is given up for it.

    Call inside the transaction that holds the lock of what is paid for, with what `lock_payments`
    returned there. `wait_for_rescue`: nobody will open the checkout in this request; the handler
    does it at once.

    :raises GatewayUnavailable: while Chapa refuses our key; nothing is made.
    :raises AmountNotCollectable: above `LARGEST_AMOUNT`; nothing is made.
    """
    if owed.amount > LARGEST_AMOUNT:
        raise AmountNotCollectable(f"At most {LARGEST_AMOUNT:,} {owed.currency}.")
    existing = next((each for each in earlier if each.status in states.OPEN), None)
    if existing is not None and not existing.is_closed_early:
        return OpenedPayment(existing, is_new=False)
    if (wait := starting_refused_for(at)) is not None:
        raise GatewayUnavailable("Nothing was started. Try again later.", retry_after=wait)
    if existing is not None:
        cancel_pending(existing, reason="link_closed", at=at)
    payment_id = new_id()
    payment = Payment.objects.create(
        id=payment_id,
        reference=reference,
        payer=payer,
        tx_ref=new_tx_ref(payment_id),
        amount=owed.amount,
        currency=owed.currency,
        mode=settings.CHAPA_MODE,
        title=title,
        created_at=at,
        expires_at=expires_at,
        asking_until=None if wait_for_rescue else at + LEASE,
        next_check_at=schedule.next_check(
            payment_id=payment_id, made_at=at, asked_at=at, hinted_at=None
        ),
    )
    record(
        PaymentInitiated(payment_id=payment.id, reference=reference, amount=owed),
        at=at,
        first_try_at=at if wait_for_rescue else None,
    )
    return OpenedPayment(payment, is_new=True)


def open_checkout(payment: Payment, *, at: datetime) -> Opening:
    """
    Ask Chapa for the checkout page of a leased payment and write down what came of it.

    Older links of the same reference that could still be paid are closed first. If money turns out
    to have arrived on one, nothing is opened, and that is `UNKNOWN`. Gives back the lease.
    """
    others = Payment.objects.filter(reference=payment.reference).exclude(id=payment.id)
    if others.exists():
        close_older_checkouts(payment, at)
        if others.filter(status__in=_MONEY_CAME).exists():
            Payment.objects.filter(id=payment.id).update(asking_until=None)
            return Opening.UNKNOWN
    return_key = new_secret()
    answer = gateway.initialize(payment, _request(payment, return_key), at)
    with transaction.atomic():
        _write_opening(payment.id, answer, return_key, at)
    return answer.opening


def find_payment_by_return_key(key: str) -> Payment | None:
    return Payment.objects.filter(return_key_digest=digest(key)).first()


def lock_payments(reference: UUID) -> list[Payment]:
    """Return a reference's payments, locked, oldest first. Lock what is paid for before."""
    return list(
        Payment.objects.select_for_update().filter(reference=reference).order_by("created_at", "id")
    )


def _request(payment: Payment, return_key: str) -> CheckoutRequest:
    payer = payment.payer
    return CheckoutRequest(
        tx_ref=payment.tx_ref,
        amount=payment.amount,
        currency=payment.currency,
        first_name=payer.first_name,
        last_name=payer.last_name,
        email=payer.email,
        phone_number=payer.phone_number or None,
        callback_url=f"{settings.PUBLIC_URL}/callbacks/chapa",
        return_url=f"{settings.PUBLIC_URL}/return/{return_key}",
        title="Guzo",
        description=payment.title,
        meta={},
    )


def _write_opening(payment_id: UUID, answer: Initialization, return_key: str, at: datetime) -> None:
    """Fill in what the page needs, and never touch a status that a webhook may have moved on."""
    payment = Payment.objects.select_for_update().get(id=payment_id)
    payment.asking_until = None
    match answer.opening:
        case Opening.OPENED if not payment.checkout_url:
            payment.checkout_url = answer.checkout_url or ""
            payment.opened_at = at
            payment.return_key_digest = digest(return_key)
        case Opening.REFUSED if payment.status == states.PENDING:
            payment.status = states.FAILED
            payment.failure_reason = "gateway_refused"
            record(
                PaymentFailed(
                    payment_id=payment.id, reference=payment.reference, reason="gateway_refused"
                ),
                at=at,
            )
        case Opening.CONFIG_ERROR:
            log.error("chapa.misconfigured", payment_id=str(payment.id))
        case Opening.UNKNOWN if "checkout_host" in answer.evidence:
            # Chapa has moved its pages, or somebody answers in its place: nobody can pay.
            host = answer.evidence["checkout_host"]
            log.error("chapa.page_elsewhere", payment_id=str(payment.id), host=host)
    payment.save(
        update_fields=[
            "asking_until",
            "checkout_url",
            "failure_reason",
            "opened_at",
            "return_key_digest",
            "status",
        ]
    )
