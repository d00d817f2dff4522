"""The cards that pay in test mode. Pure. Source: docs/local-chapa.md, "Test cards"."""

import re
from dataclasses import dataclass
from typing import Self

#: As Chapa names the method in its list.
CARD = "card"


@dataclass(frozen=True)
class Card:
    """As written on the page: the number in digits only, the expiry as `12/34`."""

    number: str
    expiry: str
    cvv: str

    @classmethod
    def typed(cls, number: str, expiry: str, cvv: str) -> Self:
        """Return what a person typed, however it was spaced."""
        month_and_year = _digits(expiry)
        return cls(_digits(number), f"{month_and_year[:2]}/{month_and_year[2:]}", cvv.strip())

    @property
    def spaced(self) -> str:
        return " ".join(re.findall(".{1,4}", self.number))


#: Any other card ends in a failed payment.
TEST_CARDS = {
    "Visa": Card("4200000000000000", "12/34", "123"),
    "Mastercard": Card("5400000000000000", "12/34", "123"),
    "Amex": Card("3700000000000000", "12/34", "1234"),
    "UnionPay": Card("6200000000000000", "12/34", "123"),
    "Diners Club": Card("3800000000000000", "12/34", "123"),
}


def _digits(text: str) -> str:
    return re.sub(r"[\s/-]", "", text)
