from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money


@pytest.mark.parametrize("amount", ["0", "0.01", "1850", "1850.0", "999999.99", "-3.50"])
def test_an_amount_is_exact_to_the_cent(amount: str) -> None:
    assert Money(Decimal(amount), "ETB").amount == Decimal(amount)


@pytest.mark.parametrize("amount", ["0.001", "1850.005", "1e-3", "NaN", "Infinity", "1e40"])
def test_what_is_no_amount_of_cents_is_no_money(amount: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        Money(Decimal(amount), "ETB")


def test_money_is_written_with_two_decimals_as_text() -> None:
    assert Money(Decimal(1850), "ETB").to_json() == {"amount": "1850.00", "currency": "ETB"}


def test_a_person_reads_it_with_separators() -> None:
    assert str(Money(Decimal("1234567.5"), "ETB")) == "1,234,567.50 ETB"


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2), st.sampled_from(["ETB", "USD"]))
def test_it_survives_being_written_and_read(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency)

    assert Money.from_json(money.to_json()) == money


def test_the_same_amount_in_another_currency_is_other_money() -> None:
    assert Money(Decimal(1), "ETB") != Money(Decimal(1), "USD")
    assert Money(Decimal("1.5"), "ETB") == Money(Decimal("1.50"), "ETB")
