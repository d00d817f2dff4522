"""What payments hold about their payer: to be shown to them, and to be forgotten."""

from typing import Any

from core.models import User
from payments import states
from payments.models import IncomingWebhook, Payment, Refund

_ENDED = (Refund.State.SUCCEEDED, Refund.State.FAILED)
_SHOWN = (
    *("id", "reference", "tx_ref", "title", "status", "failure_reason", "amount", "currency"),
    *("mode", "gateway_reference", "captured_amount", "refunded_amount"),
    *("created_at", "expires_at", "opened_at", "settled_at"),
)


def export_payments(payer: User) -> list[dict[str, Any]]:
    """Return a person's payments with what Chapa said, without links and keys that open one."""
    return [
        {
            **{name: getattr(payment, name) for name in _SHOWN},
            "ledger": list(
                payment.ledger.order_by("id").values("kind", "amount", "currency", "recorded_at")
            ),
            "refunds": list(
                payment.refunds.order_by("requested_at").values(
                    "id", "amount", "currency", "state", "reason", "requested_at"
                )
            ),
            "gateway_calls": list(
                payment.gateway_calls.order_by("id").values(
                    "kind", "asked_at", "outcome", "http_status", "evidence"
                )
            ),
            "webhooks": [
                {"received_at": received_at, "body": _text(body)}
                for received_at, body in IncomingWebhook.objects.filter(tx_ref=payment.tx_ref)
                .order_by("received_at")
                .values_list("received_at", "body")
            ],
        }
        for payment in Payment.objects.filter(payer=payer).order_by("created_at")
    ]


def payments_in_the_way(payer: User) -> list[str]:
    """Return what must end before a payer may be forgotten, each with what to do about it."""
    open_payments = Payment.objects.filter(payer=payer, status__in=states.OPEN)
    refunds = Refund.objects.filter(payment__payer=payer).exclude(state__in=_ENDED)
    return [
        *(
            f"Payment {payment.id} is {payment.get_status_display()}: settle it first."
            for payment in open_payments
        ),
        *(
            f"Refund {refund.id} is {refund.state}: send it, and see it arrive, first."
            for refund in refunds
        ),
    ]


def erase_payer(payer: User) -> dict[str, int]:
    """Empty what Chapa said about a person and forget their links; the ledger stays."""
    payments = Payment.objects.filter(payer=payer)
    with_body = IncomingWebhook.objects.filter(
        tx_ref__in=payments.values("tx_ref"), body__isnull=False
    )
    links = payments.exclude(checkout_url="", return_key_digest="")
    return {
        "webhook bodies": with_body.update(body=None),
        "payment links": links.update(checkout_url="", return_key_digest=""),
    }


def _text(body: memoryview | bytes | None) -> str | None:
    return None if body is None else bytes(body).decode(errors="replace")
