"""Bugs that others have had, put into Guzo for one history."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from django.db import transaction
from django.db.models import Model, QuerySet

from bookings.money_mails import mail_failed_refund
from core.ids import new_id
from core.money import Money
from events.base import Context, Outbound
from payments.chapa.wire import Outcome, RefundProgress, RefundVerification, Verification
from payments.events import WebhookReceived
from payments.handlers import settle_notified_payment
from payments.models import GatewayCall, IncomingWebhook, Payment, Refund
from payments.services import hints, keeping, refund_sending, refunding
from payments.services.leasing import take_lease
from payments.services.settling import Answer
from payments.settlement import Paid, SentBack

Plant = Callable[[pytest.MonkeyPatch], None]


def skip_the_amount_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever arrived is what was owed."""

    def judge_money(owed: Money, seen: Verification) -> Paid | SentBack:
        if seen.outcome is not Outcome.PAID:
            return SentBack(owed, reversed=seen.outcome is Outcome.REVERSED)
        return Paid()

    monkeypatch.setattr("payments.settlement._judge_money", judge_money)


def trust_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says success, so it is paid: Chapa is not asked."""

    def believe(event: WebhookReceived, context: Context) -> Answer | None:
        payment = Payment.objects.filter(tx_ref=event.tx_ref).first()
        if payment is None or event.claims != "success":
            return None
        seen = Verification(
            outcome=Outcome.PAID,
            amount=Decimal(payment.amount),
            currency=payment.currency,
            tx_ref=payment.tx_ref,
            mode=payment.mode,
            reference=f"AP{payment.id.hex[:10]}",
            http_status=200,
            evidence={},
        )
        call = GatewayCall.objects.create(
            payment=payment,
            kind=GatewayCall.Kind.VERIFY,
            asked_at=context.at,
            took_ms=0,
            http_status=200,
            outcome=seen.outcome.value,
            evidence={},
            actor="webhook",
        )
        leased_until = take_lease(payment.id, context.at)
        return Answer(payment.id, context.at, seen, call, leased_until)

    _change_ask(monkeypatch, settle_notified_payment, believe)


def drop_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payments and refunds are read before they are written, and not locked."""
    drop_locks(monkeypatch, Payment, Refund)


def drop_locks(monkeypatch: pytest.MonkeyPatch, *models: type[Model], within: str = "") -> None:
    """Let rows of these be read without their lock, everywhere or within one function."""
    lock = QuerySet.select_for_update

    def lock_others(rows: QuerySet[Any], *args: Any, **how: Any) -> QuerySet[Any]:
        dropped = rows.model in models and (not within or within in _callers())
        return rows.all() if dropped else lock(rows, *args, **how)

    monkeypatch.setattr(QuerySet, "select_for_update", lock_others)


def _callers() -> list[str]:
    """Who locks, whether by a manager or by one function more."""
    return [frame.name for frame in traceback.extract_stack(limit=6)]


def dedupe_on_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen before is dropped, and it counts as seen before anything came of it."""
    keep_claim = keeping.keep_claim

    def keep_if_new(call: keeping.Call, claim: Any) -> Any:
        if IncomingWebhook.objects.filter(digest=call.digest, verdict="signed").exists():
            return None
        seen = keeping._row_of(call, IncomingWebhook.Verdict.SIGNED, call.body)
        seen.tx_ref = claim.tx_ref
        seen.save(force_insert=True)
        kept = keep_claim(call, claim)
        IncomingWebhook.objects.filter(id=seen.id).delete()
        return kept

    monkeypatch.setattr(hints, "keep_claim", keep_if_new)


def resubmit_unknown_refunds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chapa did not answer, so it is asked again, under a reference that it has not seen."""
    settle_refund = refunding.settle_refund

    def order_again(*, refund_id: Any, at: Any) -> RefundProgress:
        unknown = Refund.objects.filter(id=refund_id, state="unknown")
        if unknown.exclude(submitted_at=None).update(state="requested"):
            answer = refund_sending.submit_refund(refund_id=refund_id, at=at)
            if answer is not None:
                with transaction.atomic():
                    refund_sending.write_submission(answer, at=at)
            return RefundProgress.PENDING
        return settle_refund(refund_id=refund_id, at=at)

    monkeypatch.setattr(Refund, "reference", property(lambda _: f"guzo-refund-{new_id().hex}"))
    monkeypatch.setattr(refunding, "settle_refund", order_again)


def take_what_came_back_for_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refund ended, so the money went: whether it came back to Chapa is not looked at."""
    write_progress = refunding.write_progress

    def count_every_end(refund: Refund, seen: RefundVerification, *rest: Any) -> None:
        if seen.progress is RefundProgress.REVERSED:
            seen = replace(seen, progress=RefundProgress.REFUNDED)
        write_progress(refund, seen, *rest)

    monkeypatch.setattr(refunding, "write_progress", count_every_end)


def misread_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went back on both sides counts as gone at Chapa only."""
    monkeypatch.setattr("payments.statement._same_status", lambda here, line: not line.is_gone)


def forget_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that a refund failed."""
    _change_ask(monkeypatch, mail_failed_refund, lambda event, context: None)


def tell_of_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes back is told, though nobody waits for it or though it was told before."""
    monkeypatch.setattr("bookings.money_mails._is_awaited", lambda refund: True)


def forget_what_terms_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives up a paid stay gets nothing, whatever its terms say."""
    ordering = "bookings.services.giving_back.refunds.request_customer_refund"
    monkeypatch.setattr(ordering, lambda payment, money, *, reason, at: None)


def _change_ask(
    monkeypatch: pytest.MonkeyPatch, handler: Outbound, ask: Callable[..., Any]
) -> None:
    """A handler is frozen; its dictionary is not."""
    monkeypatch.setitem(vars(handler), "ask", ask)


BUGS: Final[dict[str, Plant]] = {
    plant.__name__: plant
    for plant in (
        skip_the_amount_check,
        trust_the_webhook,
        drop_the_lock,
        dedupe_on_seen,
        resubmit_unknown_refunds,
        take_what_came_back_for_sent,
        misread_the_list,
        forget_a_letter,
        tell_of_every_order,
        forget_what_terms_give_back,
    )
}
