from datetime import date
from decimal import Decimal

import pytest

from bookings.pricing import quote
from core.money import Money


@pytest.mark.parametrize(
    ("nightly", "check_in", "check_out", "price"),
    [
        ("1850.00", date(2027, 3, 1), date(2027, 3, 2), "1850.00"),
        ("1850.00", date(2027, 3, 1), date(2027, 3, 3), "3700.00"),
        ("99.99", date(2027, 2, 27), date(2027, 3, 2), "299.97"),
        ("0.01", date(2028, 2, 28), date(2028, 3, 1), "0.02"),
        ("1850.50", date(2026, 12, 31), date(2027, 3, 1), "111030.00"),
    ],
)
def test_a_stay_costs_its_nights(nightly: str, check_in: date, check_out: date, price: str) -> None:
    total = quote(nightly=Money(Decimal(nightly), "ETB"), check_in=check_in, check_out=check_out)

    assert total == Money(Decimal(price), "ETB")
