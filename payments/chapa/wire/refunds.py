"""
Read what Chapa answers about money going back. Pure, and no function here raises on any bytes.

A refund's answers were never seen by anybody whose word can be checked (docs/chapa.md, "Refunds").
So only sentences that are known to refuse do refuse: anything else may have been carried out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from payments.chapa.wire.reading import (
    Envelope,
    Evidence,
    evidence_of,
    read_currency,
    read_envelope,
    read_number,
    read_reference,
    read_text,
    refuses_our_key,
    says_nothing,
    says_used_before,
)

_SHOWN_REASON_LENGTH = 200

_MAY_REFUSE = (200, 400, 401, 403, 404, 422)
_EXCEEDS = "amount cannot exceed"
_DEFINITE_REFUSALS = (_EXCEEDS, "insufficient balance")
# "Not found" alone may be a router's word about the path.
_SUBJECTS = ("transaction", "payment", "refund")

_ACCEPTED = (200, 201, 202)
_UNDER_WAY = ("initiated", "processing", "pending")
_AT_THE_END = ("refunded", "reversed")


class RefundSubmitted(StrEnum):
    """What became of the wish to give money back."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    REFUSED_IN_TEST_MODE = "refused_in_test_mode"
    # An earlier call with this reference landed.
    USED_BEFORE = "used_before"
    CONFIG_ERROR = "config_error"
    # It may or may not have been taken.
    UNKNOWN = "unknown"


class RefundProgress(StrEnum):
    """How far Chapa is with a refund that it took."""

    PENDING = "pending"
    REFUNDED = "refunded"
    # The money stayed with the merchant, or came back to it.
    REVERSED = "reversed"
    NOT_FOUND = "not_found"
    CONFIG_ERROR = "config_error"
    TRANSIENT = "transient"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True, kw_only=True)
class RefundSubmission:
    """
    The answer to `refund`.

    `refund_reference` is Chapa's name of the refund, empty where it gave none; `reason` is
    what it said instead of taking it, for a person to read. `exceeds`: it was REFUSED because less
    than that is left. An earlier call whose answer was lost may have taken it, for which is checked
    first, the amount or the reference, is not known.
    """

    submitted: RefundSubmitted
    refund_reference: str = ""
    reason: str = ""
    exceeds: bool = False
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(submitted=RefundSubmitted.UNKNOWN, http_status=http_status, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class RefundVerification:
    """
    The answer to `verify_refund`, in major units.

    `amount`, `currency` and `refund_reference` are empty where Chapa left them out; what is there
    must still be compared with what was asked for.
    """

    progress: RefundProgress
    amount: Decimal | None = None
    currency: str = ""
    refund_reference: str = ""
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(progress=RefundProgress.TRANSIENT, http_status=http_status, evidence=evidence)


def parse_refund_submission(http_status: int, body: bytes) -> RefundSubmission:
    """Read the answer to `POST refund/{Chapa's reference}`."""
    envelope = read_envelope(body)
    submitted = _submitted(http_status, envelope)
    said = envelope.message if envelope and submitted is not RefundSubmitted.ACCEPTED else ""
    refused = submitted is RefundSubmitted.REFUSED
    return RefundSubmission(
        submitted=submitted,
        refund_reference=_refund_reference(envelope),
        reason=said[:_SHOWN_REASON_LENGTH],
        exceeds=refused and _EXCEEDS in said.lower(),
        http_status=http_status,
        evidence=evidence_of(envelope, body),
    )


def recall_refund_submission(
    submitted: RefundSubmitted, http_status: int | None, evidence: Evidence
) -> RefundSubmission:
    """Return an answer again from what was kept of it."""
    data, said = evidence.get("data"), str(evidence.get("message", "")).lower()
    return RefundSubmission(
        submitted=submitted,
        refund_reference=_name_in(data if isinstance(data, dict) else {}),
        exceeds=submitted is RefundSubmitted.REFUSED and _EXCEEDS in said,
        http_status=http_status,
        evidence=evidence,
    )


def parse_refund_verification(http_status: int, body: bytes) -> RefundVerification:
    """Read the answer to `GET refund/{Chapa's reference of the refund}/verify`."""
    envelope = read_envelope(body)
    data: Mapping[str, object] = (envelope.data if envelope else None) or {}
    return RefundVerification(
        progress=_progress(http_status, envelope),
        amount=read_number(data.get("amount")),
        currency=read_currency(data.get("currency")),
        refund_reference=_refund_reference(envelope),
        http_status=http_status,
        evidence=evidence_of(envelope, body),
    )


def _submitted(http_status: int, envelope: Envelope | None) -> RefundSubmitted:
    if envelope is None:
        return RefundSubmitted.UNKNOWN
    if http_status in _ACCEPTED and envelope.status == "success":
        return _taken(envelope.data)
    # Before the key: under which status each sentence comes is known to nobody.
    if refused := _refusal(http_status, envelope):
        return refused
    if refuses_our_key(http_status, envelope):
        return RefundSubmitted.CONFIG_ERROR
    return RefundSubmitted.UNKNOWN


def _taken(data: Mapping[str, object] | None) -> RefundSubmitted:
    """A success about nothing says no more than silence."""
    if data is None:
        return RefundSubmitted.UNKNOWN
    known = read_text(data.get("status")).lower() in ("", *_UNDER_WAY, *_AT_THE_END)
    return RefundSubmitted.ACCEPTED if known else RefundSubmitted.UNKNOWN


def _refusal(http_status: int, envelope: Envelope) -> RefundSubmitted | None:
    if http_status not in _MAY_REFUSE or envelope.status != "failed" or envelope.data is not None:
        return None
    message = envelope.message.lower()
    if says_used_before(message):
        return RefundSubmitted.USED_BEFORE
    if "only" in message and "live mode" in message:
        return RefundSubmitted.REFUSED_IN_TEST_MODE
    if any(words in message for words in _DEFINITE_REFUSALS) or _names_nothing(message):
        return RefundSubmitted.REFUSED
    return RefundSubmitted.REFUSED if envelope.has_field_messages else None


def _progress(http_status: int, envelope: Envelope | None) -> RefundProgress:
    if refuses_our_key(http_status, envelope):
        return RefundProgress.CONFIG_ERROR
    if says_nothing(http_status) or envelope is None:
        return RefundProgress.TRANSIENT
    if http_status == 200 and envelope.data is not None:
        return _settled_progress(envelope, envelope.data)
    unknown = http_status in (200, 400, 404) and envelope.data is None
    if unknown and _names_nothing(envelope.message.lower()):
        return RefundProgress.NOT_FOUND
    return RefundProgress.UNRECOGNISED


def _settled_progress(envelope: Envelope, data: Mapping[str, object]) -> RefundProgress:
    state = read_text(data.get("status")).lower()
    if envelope.status != "success":
        return RefundProgress.UNRECOGNISED
    if state in _UNDER_WAY:
        return RefundProgress.PENDING
    if state == "reversed":
        return RefundProgress.REVERSED
    if state != "refunded":
        return RefundProgress.UNRECOGNISED
    # An amount may be missing; one that is there must be one.
    amount = read_number(data.get("amount"))
    readable = data.get("amount") is None or (amount is not None and amount > 0)
    return RefundProgress.REFUNDED if readable else RefundProgress.UNRECOGNISED


def _names_nothing(message: str) -> bool:
    if "invalid" in message and "reference" in message:
        return True
    return "not found" in message and any(subject in message for subject in _SUBJECTS)


def _refund_reference(envelope: Envelope | None) -> str:
    return _name_in((envelope.data if envelope else None) or {})


def _name_in(data: Mapping[str, object]) -> str:
    """Not `reference`: whose reference that would be is not documented."""
    return read_reference(data.get("ref_id")) or read_reference(data.get("refund_reference"))
