from decimal import Decimal
from typing import Any

import pytest

from core.money import Money
from payments.chapa.wire import Outcome, Verification
from payments.settlement import (
    Declined,
    Mismatched,
    NoAnswer,
    NotOurs,
    Owed,
    Paid,
    SentBack,
    Verdict,
    Waiting,
    judge,
)

OWED = Owed(money=Money(Decimal("3700.00"), "ETB"), tx_ref="guzo-1", mode="test")


def seen(outcome: Outcome, **changed: Any) -> Verification:
    values: dict[str, Any] = {
        "amount": Decimal("3700"),
        "currency": "ETB",
        "tx_ref": "guzo-1",
        "mode": "test",
    }
    return Verification(outcome=outcome, http_status=200, evidence={}, **(values | changed))


def birr(amount: str) -> Money:
    return Money(Decimal(amount), "ETB")


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome.PAID, Paid()),
        (Outcome.PENDING, Waiting()),
        (Outcome.NOT_FOUND, Waiting()),
        (Outcome.FAILED, Declined("failed")),
        (Outcome.CANCELLED, Declined("cancelled")),
        (Outcome.REFUNDED, SentBack(birr("3700.00"), reversed=False)),
        (Outcome.REVERSED, SentBack(birr("3700.00"), reversed=True)),
        (Outcome.TRANSIENT, NoAnswer()),
        (Outcome.UNRECOGNISED, NoAnswer(is_there=True)),
        (Outcome.CONFIG_ERROR, NoAnswer(misconfigured=True)),
    ],
)
def test_every_outcome_that_fits_has_its_meaning(outcome: Outcome, verdict: Verdict) -> None:
    assert judge(owed=OWED, seen=seen(outcome)) == verdict


def test_odd_words_about_another_payment_or_none_are_silence() -> None:
    assert judge(owed=OWED, seen=seen(Outcome.UNRECOGNISED, tx_ref="")) == NoAnswer()


def test_no_outcome_is_forgotten_in_the_table_above() -> None:
    (mark,) = test_every_outcome_that_fits_has_its_meaning.pytestmark  # type: ignore[attr-defined]

    assert {outcome for outcome, _ in mark.args[1]} == set(Outcome)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"amount": Decimal("3699.99")}, Mismatched(birr("3699.99"), "another amount")),
        ({"amount": Decimal("3700.01")}, Mismatched(birr("3700.01"), "another amount")),
        ({"amount": Decimal("37e2")}, Paid()),
        ({"amount": Decimal("3700.000")}, Paid()),
        ({"amount": Decimal("3700.001")}, Mismatched(birr("3700"), "more than two decimals")),
        ({"amount": Decimal("3699.999")}, Mismatched(birr("3699.99"), "more than two decimals")),
        ({"amount": Decimal("0.001")}, Mismatched(birr("0.01"), "more than two decimals")),
        (
            {"amount": Decimal("9999999999.999")},
            Mismatched(birr("9999999999.99"), "more than two decimals"),
        ),
        (
            {"currency": "USD"},
            Mismatched(Money(Decimal("3700.00"), "USD"), "another currency"),
        ),
        ({"currency": ""}, NoAnswer(is_there=True)),
        ({"amount": None}, NoAnswer(is_there=True)),
        ({"amount": Decimal(0)}, NoAnswer(is_there=True)),
        ({"amount": Decimal(-3700)}, NoAnswer(is_there=True)),
        ({"tx_ref": "guzo-2"}, NotOurs("another tx_ref")),
        ({"tx_ref": "GUZO-1"}, NotOurs("another tx_ref")),
        ({"tx_ref": ""}, NotOurs("another tx_ref")),
        ({"mode": "live"}, NotOurs("another mode")),
        ({"mode": ""}, NotOurs("another mode")),
        ({"tx_ref": "guzo-2", "amount": Decimal(1)}, NotOurs("another tx_ref")),
    ],
)
def test_paid_counts_only_if_all_four_fit(changed: dict[str, Any], verdict: Verdict) -> None:
    assert judge(owed=OWED, seen=seen(Outcome.PAID, **changed)) == verdict


@pytest.mark.parametrize("outcome", [Outcome.REFUNDED, Outcome.REVERSED])
@pytest.mark.parametrize(
    ("changed", "arrived"),
    [
        ({"amount": Decimal(10)}, birr("10.00")),
        ({"currency": "USD"}, Money(Decimal("3700.00"), "USD")),
    ],
)
def test_what_went_back_went_back_whatever_was_owed(
    outcome: Outcome, changed: dict[str, Any], arrived: Money
) -> None:
    verdict = judge(owed=OWED, seen=seen(outcome, **changed))

    assert verdict == SentBack(arrived, reversed=outcome is Outcome.REVERSED)


@pytest.mark.parametrize(
    "outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.REFUNDED, Outcome.REVERSED]
)
def test_no_word_about_another_payment_counts(outcome: Outcome) -> None:
    assert isinstance(judge(owed=OWED, seen=seen(outcome, tx_ref="guzo-2")), NotOurs)
    assert isinstance(judge(owed=OWED, seen=seen(outcome, mode="live")), NotOurs)
