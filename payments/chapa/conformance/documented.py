"""What docs/chapa.md says that a test account is answered, as data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Kinds: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Documented:
    """
    One answer: what it says, of which kind each member is by its dotted path, and the word that
    Guzo has for it. A member that may be missing has the kind `absent` among its kinds.
    """

    http_status: int
    status: str
    message: str
    kinds: Kinds
    reading: str


_TEXT, _MAYBE_TEXT = ("text",), ("text", "null", "absent")
_ENVELOPE: Kinds = {"message": _TEXT, "status": _TEXT}

OPENED = Documented(
    http_status=200,
    status="success",
    message="Hosted Link",
    kinds={**_ENVELOPE, "data.checkout_url": _TEXT},
    reading="opened",
)

UNPAID = Documented(
    http_status=200,
    status="success",
    message="Payment details fetched successfully",
    kinds={
        **_ENVELOPE,
        "data.status": _TEXT,
        "data.mode": _TEXT,
        "data.type": _TEXT,
        "data.currency": _TEXT,
        "data.tx_ref": _TEXT,
        "data.amount": ("number",),
        "data.charge": ("null",),
        "data.method": ("null",),
        # The observation left these out; they are documented of a paid one.
        "data.first_name": _MAYBE_TEXT,
        "data.last_name": _MAYBE_TEXT,
        "data.email": ("null", "absent"),
        "data.phone_number": ("null", "absent"),
        "data.customization": ("object", "null", "absent"),
        "data.meta": ("null", "object", "list", "absent"),
        "data.created_at": _MAYBE_TEXT,
        "data.updated_at": _MAYBE_TEXT,
    },
    reading="pending",
)

CLOSED = Documented(
    http_status=200,
    status="success",
    message="Checkout link expired successfully",
    kinds={
        **_ENVELOPE,
        "data.tx_ref": _TEXT,
        "data.amount": ("number",),
        "data.currency": _TEXT,
        "data.created_at": _TEXT,
        "data.updated_at": _TEXT,
    },
    reading="closed",
)


def _failed(http_status: int, message: str, reading: str) -> Documented:
    return Documented(
        http_status=http_status,
        status="failed",
        message=message,
        kinds={**_ENVELOPE, "data": ("null",)},
        reading=reading,
    )


def _complained(field: str, complaint: str) -> Documented:
    return Documented(
        http_status=400,
        status="failed",
        message=f"{field}: {complaint}",
        kinds={f"message.{field}": ("list",), "status": _TEXT, "data": ("null",)},
        reading="refused",
    )


USED_BEFORE = _failed(400, "Transaction reference has been used before", "used_before")
UNKNOWN_CURRENCY = _failed(400, "Invalid currency, XYZ is not supported", "refused")
UNKNOWN_PAYMENT = _failed(400, "Invalid transaction reference", "not_found")
ALREADY_CLOSED = _failed(400, "Payment link already expired", "already_closed")
UNKNOWN_LINK = _failed(404, "Payment link not found", "not_found")

NOTHING_TO_PAY = _complained("amount", "validation.min.numeric")
TOO_MUCH_TO_PAY = _complained("amount", "The amount must not exceed 1000000.")
REFERENCE_TOO_LONG = _complained("tx_ref", "The tx ref must not exceed 50 characters.")
