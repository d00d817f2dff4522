from datetime import date, timedelta
from decimal import Decimal

import pytest

from bookings.cancellation import TERMS, refundable
from bookings.models import Cancellation
from core.money import Money

CHECK_IN = date(2027, 3, 20)


@pytest.mark.parametrize(
    ("terms", "days_before", "back"),
    [
        ("flexible", 30, "1000.01"),
        ("flexible", 1, "1000.01"),
        ("flexible", 0, "0.00"),
        ("flexible", -1, "0.00"),
        ("moderate", 5, "1000.01"),
        ("moderate", 4, "500.00"),
        ("moderate", 1, "500.00"),
        ("moderate", 0, "0.00"),
        ("strict", 14, "500.00"),
        ("strict", 13, "0.00"),
        ("strict", 0, "0.00"),
    ],
)
def test_the_terms_say_what_goes_back(terms: str, days_before: int, back: str) -> None:
    money = refundable(
        terms=terms,
        paid=Money(Decimal("1000.01"), "ETB"),
        check_in=CHECK_IN,
        today=CHECK_IN - timedelta(days=days_before),
    )

    assert money == Money(Decimal(back), "ETB")


def test_every_kind_of_terms_is_defined() -> None:
    assert set(TERMS) == set(Cancellation.values)
