"""What Chapa lists: transactions, the events of one, balances. Pure; no parser raises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from payments.chapa.wire.reading import (
    Envelope,
    Evidence,
    Rows,
    evidence_of,
    read_currency,
    read_envelope,
    read_moment,
    read_number,
    read_reference,
    read_rows,
    read_short_text,
    read_text,
    refuses_our_key,
)

# The list of banks comes without a status (observed); the other lists may.
_GOOD_STATUSES = ("success", "")


class Fetched(StrEnum):
    """Whether there is a list to read."""

    ANSWERED = "answered"
    CONFIG_ERROR = "config_error"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ListedTransaction:
    """
    One line of Chapa's list, in major units; what could not be read is empty.

    `reference` is Chapa's own: ours is not in the list. `status` is as Chapa wrote it, lower case.
    """

    reference: str
    status: str
    type: str
    amount: Decimal | None
    charge: Decimal | None
    currency: str
    method: str
    created_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TransactionPage:
    """
    The answer to `list_transactions`; every line of the page is there, or none.

    `has_next` is never true of an empty page, so that a reader comes to an end. Where the page is
    not `is_numbered`, nothing says that it is the one that was asked for.
    """

    fetched: Fetched
    transactions: tuple[ListedTransaction, ...] = ()
    page: int
    has_next: bool = False
    is_numbered: bool = False
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None, *, page: int) -> Self:
        return cls(fetched=Fetched.UNKNOWN, page=page, http_status=http_status, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class TransactionEvent:
    """One thing that happened on the checkout page; `item` is Chapa's number of it."""

    item: str
    message: str
    is_error: bool
    created_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TransactionEvents:
    """The answer to `transaction_events`, in Chapa's order; UNKNOWN also where it knows none."""

    fetched: Fetched
    events: tuple[TransactionEvent, ...] = ()
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(fetched=Fetched.UNKNOWN, http_status=http_status, evidence=evidence)


@dataclass(frozen=True, kw_only=True)
class Balances:
    """
    The answer to `balances`, by currency, in major units; what could not be read is left out.

    Refunds and payouts are paid from `available`.
    """

    fetched: Fetched
    available: dict[str, Decimal] = field(default_factory=dict)
    ledger: dict[str, Decimal] = field(default_factory=dict)
    retry_after: timedelta = timedelta(0)
    http_status: int | None
    evidence: Evidence

    @classmethod
    def unanswered(cls, evidence: Evidence, http_status: int | None) -> Self:
        return cls(fetched=Fetched.UNKNOWN, http_status=http_status, evidence=evidence)


def parse_transaction_page(http_status: int, body: bytes, *, page: int) -> TransactionPage:
    """
    Read the answer to `GET transactions?page=`.

    A page other than the one that was asked for is UNKNOWN.
    """
    envelope = read_envelope(body)
    data: Mapping[str, object] = (envelope.data if envelope else None) or {}
    pagination = data.get("pagination")
    pages = pagination if isinstance(pagination, dict) else {}
    shown = read_number(pages.get("current_page"))
    rows = read_rows(data.get("transactions")) if shown in (None, page) else None
    fetched = _fetched(http_status, envelope, rows)
    found = rows if rows and fetched is Fetched.ANSWERED else ()
    return TransactionPage(
        fetched=fetched,
        transactions=tuple(_listed(row) for row in found),
        page=page,
        has_next=bool(found) and _leads_on(pages),
        is_numbered=shown is not None,
        http_status=http_status,
        evidence=_evidence(envelope, body, rows),
    )


def parse_transaction_events(http_status: int, body: bytes) -> TransactionEvents:
    """Read the answer to `GET transaction/events/{Chapa's reference}`."""
    envelope = read_envelope(body)
    rows = envelope.rows if envelope else None
    fetched = _fetched(http_status, envelope, rows)
    found = rows if rows and fetched is Fetched.ANSWERED else ()
    return TransactionEvents(
        fetched=fetched,
        events=tuple(_event(row) for row in found),
        http_status=http_status,
        evidence=_evidence(envelope, body, rows),
    )


def parse_balances(http_status: int, body: bytes) -> Balances:
    """Read the answer to `GET balances`."""
    envelope = read_envelope(body)
    rows = envelope.rows if envelope else None
    fetched = _fetched(http_status, envelope, rows)
    found = rows if rows and fetched is Fetched.ANSWERED else ()
    return Balances(
        fetched=fetched,
        available=_by_currency(found, "available_balance"),
        ledger=_by_currency(found, "ledger_balance"),
        http_status=http_status,
        evidence=_evidence(envelope, body, rows),
    )


def _fetched(http_status: int, envelope: Envelope | None, rows: Rows | None) -> Fetched:
    if refuses_our_key(http_status, envelope):
        return Fetched.CONFIG_ERROR
    if http_status != 200 or envelope is None or envelope.status not in _GOOD_STATUSES:
        return Fetched.UNKNOWN
    return Fetched.UNKNOWN if rows is None else Fetched.ANSWERED


def _leads_on(pages: Mapping[str, object]) -> bool:
    """Where nothing is said of a next page, asking for it is the way to know."""
    return "next_page_url" not in pages or bool(read_short_text(pages["next_page_url"]))


def _listed(row: Mapping[str, object]) -> ListedTransaction:
    return ListedTransaction(
        reference=read_reference(row.get("ref_id")),
        status=read_text(row.get("status")).lower(),
        type=read_text(row.get("type")),
        amount=read_number(row.get("amount")),
        charge=read_number(row.get("charge")),
        currency=read_currency(row.get("currency")),
        method=read_text(row.get("payment_method")) or read_text(row.get("method")),
        created_at=read_moment(row.get("created_at")),
    )


def _event(row: Mapping[str, object]) -> TransactionEvent:
    number = read_number(row.get("item"))
    return TransactionEvent(
        item=read_text(row.get("item")) if number is None else f"{number:f}",
        message=read_short_text(row.get("message")),
        is_error=read_text(row.get("type")).lower() == "error",
        created_at=read_moment(row.get("created_at")),
    )


def _by_currency(rows: Rows, name: str) -> dict[str, Decimal]:
    found = {read_currency(row.get("currency")): read_number(row.get(name)) for row in rows}
    return {code: amount for code, amount in found.items() if code and amount is not None}


def _evidence(envelope: Envelope | None, body: bytes, rows: Rows | None) -> Evidence:
    evidence = evidence_of(envelope, body)
    return evidence if rows is None else evidence | {"rows": len(rows)}
