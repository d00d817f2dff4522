"""
The only way from here to Chapa: never inside a transaction, and every call leaves its evidence.
"""

import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Protocol, TypeVar

from django.conf import settings

from core.causality import current_cause
from core.transactions import refuse_network_in_transaction
from payments.chapa.client import ChapaClient
from payments.chapa.wire import (
    Cancellation,
    CheckoutRequest,
    Evidence,
    Initialization,
    RefundSubmission,
    RefundVerification,
    TransactionPage,
    Verification,
)
from payments.models import GatewayCall, Payment, Refund

# Half of a process's threads at most may wait for Chapa; the rest go on taking webhooks.
waiting_slots = BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


class Answer(Protocol):
    @property
    def retry_after(self) -> timedelta: ...
    @property
    def http_status(self) -> int | None: ...
    @property
    def evidence(self) -> Evidence: ...


A = TypeVar("A", bound=Answer)


def initialize(payment: Payment, request: CheckoutRequest, at: datetime) -> Initialization:
    """Ask Chapa for a checkout page."""
    answer, _ = _call(
        payment,
        GatewayCall.Kind.INITIALIZE,
        lambda: _client().initialize(request),
        lambda answer: answer.opening.value,
        at,
    )
    return answer


def verify(payment: Payment, at: datetime) -> tuple[Verification, GatewayCall]:
    """Ask Chapa what became of a payment; the call is what a ledger entry is tied to."""
    return _call(
        payment,
        GatewayCall.Kind.VERIFY,
        lambda: _client().verify(payment.tx_ref),
        lambda answer: answer.outcome.value,
        at,
    )


def cancel(payment: Payment, at: datetime) -> Cancellation:
    """Ask Chapa to close a checkout link. Its answer is never final: verify decides."""
    answer, _ = _call(
        payment,
        GatewayCall.Kind.CANCEL,
        lambda: _client().cancel(payment.tx_ref),
        lambda answer: answer.closing.value,
        at,
    )
    return answer


def refund(order: Refund, at: datetime) -> tuple[RefundSubmission, GatewayCall]:
    """Ask Chapa to send money back. Only an order that was marked `unknown` before may be asked."""
    payment = order.payment
    return _call(
        payment,
        GatewayCall.Kind.REFUND,
        lambda: _client().refund(
            payment.gateway_reference or "",
            money_amount=order.amount,
            currency=order.currency,
            reference=order.reference,
            reason=order.reason.replace("_", " "),
        ),
        lambda answer: answer.submitted.value,
        at,
        order,
    )


def verify_refund(order: Refund, at: datetime) -> tuple[RefundVerification, GatewayCall]:
    """Ask Chapa how far a refund is; by our reference of it, while Chapa's is not known."""
    reference = order.gateway_reference or order.reference
    return _call(
        order.payment,
        GatewayCall.Kind.REFUND_CHECK,
        lambda: _client().verify_refund(reference),
        lambda answer: answer.progress.value,
        at,
        order,
    )


def list_transactions(page: int) -> tuple[TransactionPage, int]:
    """
    Ask Chapa for one page of its transactions, newest first; return how many ms that took too.

    It is about no payment, so whoever asks keeps the page itself as evidence.
    """
    return _timed(lambda: _client().list_transactions(page=page))


def _call(
    payment: Payment,
    kind: GatewayCall.Kind,
    ask: Callable[[], A],
    outcome: Callable[[A], str],
    at: datetime,
    order: Refund | None = None,
) -> tuple[A, GatewayCall]:
    answer, took_ms = _timed(ask)
    wish_s = math.ceil(answer.retry_after.total_seconds())
    call = GatewayCall.objects.create(
        payment=payment,
        refund=order,
        kind=kind,
        asked_at=at,
        took_ms=took_ms,
        http_status=answer.http_status,
        outcome=outcome(answer),
        evidence=answer.evidence | ({"retry_after_s": wish_s} if wish_s else {}),
        actor=current_cause().actor,
    )
    return answer, call


def _timed(ask: Callable[[], A]) -> tuple[A, int]:
    """Ask outside of any transaction; return how many ms that took too."""
    refuse_network_in_transaction()
    started = time.monotonic()
    answer = ask()
    return answer, int((time.monotonic() - started) * 1000)


def _client() -> ChapaClient:
    return _client_for(
        settings.CHAPA_BASE_URL,
        settings.CHAPA_SECRET_KEY,
        tuple(settings.CHAPA_CHECKOUT_HOSTS),
        settings.CHAPA_TIMEOUTS_S,
    )


@lru_cache(maxsize=4)
def _client_for(
    base_url: str,
    secret_key: str,
    checkout_hosts: tuple[str, ...],
    timeouts_s: tuple[float, float],
) -> ChapaClient:
    connect_timeout_s, read_timeout_s = timeouts_s
    return ChapaClient(
        base_url=base_url,
        secret_key=secret_key,
        checkout_hosts=checkout_hosts,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
    )
