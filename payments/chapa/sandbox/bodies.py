"""The JSON that Chapa sends, shape for shape. Pure. Sources: docs/chapa.md."""

import json
from datetime import datetime
from decimal import Decimal
from zlib import crc32

from payments.chapa.sandbox.balances import Balance
from payments.chapa.sandbox.refunds import Refund
from payments.chapa.sandbox.transactions import Status, Transaction

_EVENTS = {
    Status.SUCCESS: ("charge.success", "success"),
    Status.FAILED: ("charge.failed/cancelled", "failed/cancelled"),
    Status.CANCELLED: ("charge.failed/cancelled", "failed/cancelled"),
    Status.REFUNDED: ("charge.refunded", "refunded"),
    Status.REVERSED: ("charge.reversed", "reversed"),
}


def verification(transaction: Transaction) -> dict[str, object]:
    """Return `data` of verify: amounts are numbers, `reference` is absent before an attempt."""
    data: dict[str, object] = {
        "first_name": transaction.first_name,
        "last_name": transaction.last_name,
        "email": transaction.email,
        "phone_number": transaction.phone_number,
        "currency": transaction.currency,
        "amount": _number(transaction.amount),
        "charge": None if transaction.charge is None else _number(transaction.charge),
        "mode": transaction.mode.value,
        "method": transaction.method,
        "type": "API" if transaction.attempts else "Unknown",
        "status": transaction.status.value,
        "reference": transaction.reference,
        "tx_ref": transaction.tx_ref,
        "customization": _customization(transaction),
        "meta": transaction.meta,
        "created_at": timestamp(transaction.created_at),
        "updated_at": timestamp(transaction.updated_at),
    }
    if transaction.reference is None:
        del data["reference"]
    return data


def cancellation(transaction: Transaction) -> dict[str, object]:
    """Return `data` of cancel."""
    return {
        "tx_ref": transaction.tx_ref,
        "amount": _number(transaction.amount),
        "currency": transaction.currency,
        "created_at": timestamp(transaction.created_at),
        "updated_at": timestamp(transaction.updated_at),
    }


def refund_details(refund: Refund) -> dict[str, object]:
    """Return `data` of both calls about a refund."""
    return {
        "amount": _number(refund.amount),
        "currency": refund.currency,
        "ref_id": refund.ref_id,
        "payment_reference": refund.payment_reference,
        "status": refund.state.value,
    }


def listed_transaction(transaction: Transaction) -> dict[str, object]:
    """Return one of `data.transactions`: three decimals, and no sign of the merchant's `tx_ref`."""
    return {
        "status": transaction.status.value,
        "ref_id": transaction.reference,
        "type": "API" if transaction.attempts else "Unknown",
        "created_at": timestamp(transaction.created_at),
        "currency": transaction.currency,
        "amount": f"{transaction.amount:.3f}",
        "charge": f"{transaction.charge or 0:.3f}",
        "trans_id": None,
        "payment_method": transaction.method,
        "customer": {
            "id": crc32(transaction.token.encode()),
            "email": transaction.email,
            "first_name": transaction.first_name,
            "last_name": transaction.last_name,
            "mobile": transaction.phone_number,
        },
    }


def account_balance(balance: Balance) -> dict[str, object]:
    """Return one of `data` of balances."""
    return {
        "currency": balance.currency,
        "available_balance": _number(balance.available),
        "ledger_balance": _number(balance.ledger),
    }


def transaction_events(transaction: Transaction) -> list[dict[str, object]]:
    """Return `data` of events, oldest first."""
    return [
        {
            "item": number,
            "message": happening.message,
            "type": "error" if happening.is_error else "log",
            "created_at": timestamp(happening.at),
            "updated_at": timestamp(happening.at),
        }
        for number, happening in enumerate(transaction.happenings, start=1)
    ]


def event_name(transaction: Transaction) -> str:
    """Return the webhook event of what became of a transaction; it must not be pending."""
    return _EVENTS[transaction.status][0]


def webhook(transaction: Transaction) -> bytes:
    """
    Return the compact body of the webhook: amounts are texts. It must not be pending.

    Letters outside ASCII are escaped, as PHP does, so that only a signature checked over the
    bytes as they came is ever right.
    """
    event, status = _EVENTS[transaction.status]
    body = {
        "event": event,
        "first_name": transaction.first_name,
        "last_name": transaction.last_name,
        "email": transaction.email,
        "mobile": transaction.phone_number,
        "currency": transaction.currency,
        "amount": f"{transaction.amount:.2f}",
        "charge": f"{transaction.charge or 0:.2f}",
        "status": status,
        "failure_reason": transaction.failure_reason,
        "mode": transaction.mode.value,
        "reference": transaction.reference,
        "created_at": timestamp(transaction.created_at),
        "updated_at": timestamp(transaction.updated_at),
        "type": "API",
        "tx_ref": transaction.tx_ref,
        "payment_method": transaction.method,
        "customization": _customization(transaction),
        "meta": transaction.meta,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def timestamp(moment: datetime) -> str:
    """Return a time as Chapa writes it: UTC, and microseconds that are always zero."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def _number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _customization(transaction: Transaction) -> dict[str, str | None]:
    return {
        "title": transaction.title,
        "description": transaction.description,
        "logo": transaction.logo,
    }
