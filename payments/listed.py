"""What Chapa's list of transactions says, and in which order. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Self

from payments.chapa.wire import ListedTransaction

PAID, _GONE = "success", frozenset({"refunded", "reversed"})
# Money that goes out is in the same list.
_NO_CHARGES = frozenset({"payout"})


@dataclass(frozen=True, kw_only=True)
class There:
    """One line of Chapa's list, in major units; what could not be read is empty."""

    reference: str
    status: str
    type: str
    amount: Decimal | None
    currency: str
    created_at: datetime | None

    @classmethod
    def of(cls, listed: ListedTransaction) -> Self:
        return cls(
            reference=listed.reference,
            status=listed.status,
            type=listed.type,
            amount=listed.amount,
            currency=listed.currency,
            created_at=listed.created_at,
        )

    @classmethod
    def from_json(cls, data: Mapping[str, str | None]) -> Self:
        amount, created_at = data["amount"], data["created_at"]
        return cls(
            reference=data["reference"] or "",
            status=data["status"] or "",
            type=data["type"] or "",
            amount=None if amount is None else Decimal(amount),
            currency=data["currency"] or "",
            created_at=None if created_at is None else datetime.fromisoformat(created_at),
        )

    def to_json(self) -> dict[str, str | None]:
        return {
            "reference": self.reference,
            "status": self.status,
            "type": self.type,
            "amount": None if self.amount is None else f"{self.amount:f}",
            "currency": self.currency,
            "created_at": None if self.created_at is None else self.created_at.isoformat(),
        }

    @property
    def is_charge(self) -> bool:
        return self.type.lower() not in _NO_CHARGES

    @property
    def is_paid(self) -> bool:
        """Whether money arrived, even if it went back since."""
        return self.is_charge and (self.status == PAID or self.is_gone)

    @property
    def is_gone(self) -> bool:
        return self.status in _GONE

    @property
    def contents(self) -> tuple[Decimal | None, str, datetime | None]:
        """What never changes of a transaction, as its status does."""
        return (self.amount, self.currency, self.created_at)

    @property
    def money(self) -> str:
        return f"{plain(self.amount)} {self.currency}".strip()


@dataclass
class Order:
    """
    Whether a list came newest first so far: only then can it be left before its end.

    What came in while it was read pushes lines onto the next page, where they are read once more.
    `has_news`: whether the last page had a line that none before it had.
    """

    is_sorted: bool = True
    has_several: bool = False
    newest_of_page: datetime | None = None
    has_news: bool = False
    _oldest: datetime | None = None
    _seen: set[str] = field(default_factory=set)
    _lines: set[object] = field(default_factory=set)

    def read(self, page: Sequence[There]) -> None:
        lines = {(line.reference, line.contents) for line in page}
        self.has_news = not lines <= self._lines
        self._lines |= lines
        dated = [(line.reference, line.created_at) for line in page if line.created_at]
        times = [moment for _, moment in dated]
        self.is_sorted &= times == sorted(times, reverse=True)
        self.has_several |= len({*times, self._oldest} - {None}) > 1
        self.newest_of_page = max(times, default=None)
        new = [moment for reference, moment in dated if reference and reference not in self._seen]
        if new and self._oldest is not None:
            self.is_sorted &= max(new) <= self._oldest
        self._oldest = min((*new, *filter(None, [self._oldest])), default=None)
        self._seen |= {reference for reference, _ in dated}

    def is_past(self, moment: datetime) -> bool:
        """Return whether everything after the last page must be older than that."""
        newest = self.newest_of_page
        return self.is_sorted and self.has_several and newest is not None and newest < moment


def plain(amount: Decimal | None) -> str:
    """Return at least two decimals, and more only where they say something."""
    if amount is None:
        return "?"
    whole, _, cents = f"{amount:f}".partition(".")
    return f"{whole}.{cents.rstrip('0').ljust(2, '0')}"
