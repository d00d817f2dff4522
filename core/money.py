"""Amounts of money. Pure."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypedDict

CENTS = Decimal("0.01")


class MoneyJSON(TypedDict):
    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Money:
    """
    An exact amount in a currency's major unit (birr, not santim).

    :raises ValueError: if it is not a number of whole cents.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        try:
            exact = self.amount.quantize(CENTS)
        except InvalidOperation:  # infinite, or of more digits than money has
            exact = None
        if self.amount != exact:
            raise ValueError(f"{self.amount} is not an amount of two decimals")

    def to_json(self) -> MoneyJSON:
        return {"amount": f"{self.amount:.2f}", "currency": self.currency}

    @classmethod
    def from_json(cls, data: MoneyJSON) -> "Money":
        return cls(Decimal(data["amount"]), data["currency"])

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"
