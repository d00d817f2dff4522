"""What Chapa's answers mean, in words that the rest of the house can decide on. Pure."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from payments.chapa.wire.reading import Evidence


class Outcome(StrEnum):
    """What Chapa says became of one `tx_ref`."""

    PAID = "paid"
    PENDING = "pending"
    # Not final: the traveller may try again on the same link for up to an hour.
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    REVERSED = "reversed"
    NOT_FOUND = "not_found"
    CONFIG_ERROR = "config_error"
    TRANSIENT = "transient"
    UNRECOGNISED = "unrecognised"


class Opening(StrEnum):
    """What became of the wish to open a checkout."""

    OPENED = "opened"
    REFUSED = "refused"
    CONFIG_ERROR = "config_error"
    # An earlier call with this reference landed; its checkout URL cannot be had again.
    USED_BEFORE = "used_before"
    # The checkout may or may not exist.
    UNKNOWN = "unknown"


class Closing(StrEnum):
    """What became of the wish to close a checkout; none of these says that it was not paid."""

    CLOSED = "closed"
    ALREADY_CLOSED = "already_closed"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    CONFIG_ERROR = "config_error"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Initialization:
    """
    The answer to `initialize`; `checkout_url` is there exactly when it was opened.

    `evidence` can be kept as JSON: no personal data, no link that can be paid.
    """

    opening: Opening
    # Whoever has the link may use it, so it stays out of logs.
    checkout_url: str | None = field(default=None, repr=False)
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(opening=Opening.UNKNOWN, http_status=http_status, evidence=evidence)

    @classmethod
    def unsent(cls, problem: str) -> Self:
        """What Chapa would refuse for sure, and was never asked."""
        return cls(opening=Opening.REFUSED, http_status=None, evidence={"problem": problem})


@dataclass(frozen=True, kw_only=True)
class Verification:
    """
    The answer to `verify`, in major units.

    When the outcome is PAID, `amount` is a positive number; nothing is promised about whose
    payment it is: `amount`, `currency`, `tx_ref` and `mode` must still be compared with what was
    asked for. Texts that Chapa left out or wrote as null are empty. `retry_after`: for how long it
    wishes not to be asked.
    """

    outcome: Outcome
    amount: Decimal | None = None
    currency: str = ""
    tx_ref: str = ""
    mode: str = ""
    reference: str = ""
    charge: Decimal | None = None
    method: str = ""
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(outcome=Outcome.TRANSIENT, http_status=http_status, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """The answer to `cancel`, which expires the link only; a payment may still have won."""

    closing: Closing
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(closing=Closing.UNKNOWN, http_status=http_status, evidence=evidence)
