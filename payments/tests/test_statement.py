"""How list and ledger are compared: values in, values out."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.ids import new_id
from core.money import Money
from payments.listed import Order, There
from payments.statement import Difference, Here, Kind, Window, compare

NOON = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = Window.of_days(
    date(2026, 5, 1), date(2026, 5, 4), asked_at=datetime(2026, 5, 5, 12, tzinfo=UTC), mode="test"
)
HERE = Here(
    payment_id=new_id(),
    reference="APxYz",
    status="succeeded",
    mode="test",
    captured=Money(Decimal("3700.00"), "ETB"),
    captured_at=NOON,
)
THERE = There(
    reference="APxYz",
    status="success",
    type="API",
    amount=Decimal("3700.000"),
    currency="ETB",
    created_at=NOON - HOUR,
)
NOT_PAID = {"status": "pending", "captured": None, "captured_at": None}


def kinds(found: list[Difference]) -> list[str]:
    return [str(each.kind) for each in found]


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        ({}, {}, []),
        ({}, {"amount": Decimal(3700)}, []),
        ({}, {"amount": Decimal("3700.001")}, ["amount"]),
        ({}, {"amount": Decimal("3699.99")}, ["amount"]),
        ({}, {"amount": None}, ["amount"]),
        ({}, {"currency": "USD"}, ["currency"]),
        ({}, {"currency": ""}, ["currency"]),
        ({"mode": "live"}, {}, ["mode"]),
        ({"mode": "live"}, {"amount": Decimal(1)}, ["amount", "mode"]),
        # Money is here, and not there.
        ({}, {"status": "pending"}, ["status"]),
        ({}, {"status": "failed/cancelled"}, ["status"]),
        ({}, {"status": ""}, ["status"]),
        # Money is there, and not here.
        (NOT_PAID, {}, ["status"]),
        (NOT_PAID | {"status": "expired"}, {}, ["status"]),
        (NOT_PAID, {"status": "pending"}, []),
        (NOT_PAID, {"status": "failed"}, []),
        (NOT_PAID, {"status": "reversed"}, []),
        # It went back.
        ({}, {"status": "reversed"}, ["status"]),
        ({"status": "reversed", "sent_back": Decimal(3700)}, {"status": "reversed"}, []),
        ({"sent_back": Decimal(700)}, {"status": "refunded"}, ["status"]),
        ({"sent_back": Decimal(700), "sent_back_by_chapa": Decimal(700)}, {}, []),
        ({"sent_back": Decimal(3700), "sent_back_by_chapa": Decimal(3700)}, {}, ["status"]),
        # Chapa's list may know before we looked.
        ({"on_its_way": Decimal(3700)}, {"status": "refunded"}, []),
        ({"sent_back": Decimal(700), "on_its_way": Decimal(3000)}, {"status": "refunded"}, []),
        ({"on_its_way": Decimal(700)}, {"status": "refunded"}, ["status"]),
        ({"on_its_way": Decimal(3700)}, {}, []),
        # A person sent it by another way, of which Chapa knows nothing.
        ({"status": "refunded", "sent_back": Decimal(3700)}, {}, []),
        # Another day.
        ({}, {"created_at": NOON - DAY}, []),
        ({}, {"created_at": NOON - DAY - timedelta(seconds=1)}, ["late"]),
        ({"captured_at": NOON + 5 * HOUR}, {"created_at": NOON - 3 * DAY}, ["late"]),
        ({}, {"created_at": None}, []),
        ({}, {"type": "Payout"}, ["missing_there"]),
    ],
)
def test_two_sides_of_one_payment(
    here: dict[str, Any], there: dict[str, Any], expected: list[str]
) -> None:
    found = compare([replace(HERE, **here)], [replace(THERE, **there)], WINDOW)

    assert kinds(found) == expected
    assert all(each.payment_id == HERE.payment_id for each in found)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, ["missing_here"]),
        ({"created_at": None}, ["missing_here"]),
        ({"type": "Donation"}, ["missing_here"]),
        ({"type": "payout"}, []),
        ({"status": "pending"}, []),
        ({"status": "failed"}, []),
        ({"status": "refunded"}, []),
        ({"reference": ""}, []),
        ({"created_at": WINDOW.begins}, ["missing_here"]),
        ({"created_at": WINDOW.begins - timedelta(seconds=1)}, []),
        ({"created_at": WINDOW.ends - timedelta(seconds=1)}, ["missing_here"]),
        ({"created_at": WINDOW.ends}, []),
    ],
)
def test_what_chapa_alone_lists(there: dict[str, Any], expected: list[str]) -> None:
    assert kinds(compare([], [replace(THERE, **there)], WINDOW)) == expected


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        ({}, ["missing_there"]),
        ({"status": "refunded", "sent_back": Decimal(3700)}, ["missing_there"]),
        ({"mode": "live"}, []),
        (NOT_PAID, []),
        ({"captured_at": WINDOW.begins}, ["missing_there"]),
        ({"captured_at": WINDOW.begins - timedelta(seconds=1)}, []),
        ({"captured_at": WINDOW.ends}, []),
    ],
)
def test_what_chapa_does_not_list(here: dict[str, Any], expected: list[str]) -> None:
    assert kinds(compare([replace(HERE, **here)], [], WINDOW)) == expected


def test_late_money_is_found_by_its_older_line() -> None:
    here = replace(HERE, captured_at=WINDOW.begins + HOUR)
    line = replace(THERE, created_at=WINDOW.begins - HOUR)

    assert compare([here], [line], WINDOW) == []


def test_what_is_outside_the_days_on_both_sides_is_left_alone() -> None:
    here = replace(HERE, captured_at=WINDOW.begins - HOUR)
    line = replace(THERE, created_at=WINDOW.begins - HOUR, amount=Decimal(1))

    assert compare([here], [line], WINDOW) == []


def test_a_line_that_was_read_before_its_money_came_says_nothing() -> None:
    here = replace(HERE, captured_at=WINDOW.asked_at)
    line = replace(THERE, created_at=WINDOW.ends - HOUR, status="pending")

    assert compare([here], [line], WINDOW) == []


def test_a_line_that_the_shifting_list_shows_twice_is_one_and_the_later_stands() -> None:
    early = replace(THERE, status="pending")

    assert compare([HERE], [early, THERE, THERE], WINDOW) == []


def test_a_failed_attempt_beside_a_paid_one_is_no_duplicate() -> None:
    failed = replace(THERE, status="failed", created_at=NOON - 2 * HOUR)

    assert compare([HERE], [THERE, failed], WINDOW) == []


def test_one_reference_with_two_contents_is_a_duplicate_and_nothing_else() -> None:
    other = replace(THERE, amount=Decimal("1850.5"))

    (found,) = compare([HERE], [THERE, other], WINDOW)

    assert found.kind is Kind.DUPLICATE
    assert found.there == "1850.50 ETB 2026-05-04 11:00; 3700.00 ETB 2026-05-04 11:00"


def test_a_difference_says_what_each_side_says_exactly() -> None:
    line = replace(THERE, amount=Decimal("3700.005"))

    (found,) = compare([HERE], [line], WINDOW)

    assert (found.here, found.there) == ("3700.00 ETB", "3700.005 ETB")
    assert found.happened_at == NOON


def test_the_order_of_what_is_compared_changes_nothing() -> None:
    ours = [replace(HERE, reference=f"AP{number}") for number in range(5)]
    theirs = [replace(THERE, reference=f"AP{number}") for number in range(3, 9)]

    assert compare(ours, theirs, WINDOW) == compare(ours[::-1], theirs[::-1], WINDOW)
    assert kinds(compare(ours, theirs, WINDOW)) == ["missing_here"] * 4 + ["missing_there"] * 3


def test_a_day_begins_in_addis_ababa_and_ends_before_what_may_be_under_way() -> None:
    asked_at = datetime(2026, 5, 4, 12, tzinfo=UTC)

    window = Window.of_days(date(2026, 5, 4), date(2026, 5, 4), asked_at=asked_at, mode="test")

    assert window.begins == datetime(2026, 5, 3, 21, tzinfo=UTC)
    assert window.ends == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert WINDOW.ends == datetime(2026, 5, 4, 21, tzinfo=UTC)


@pytest.mark.parametrize("line", [THERE, replace(THERE, amount=None, created_at=None)])
def test_a_line_is_kept_exactly(line: There) -> None:
    assert There.from_json(line.to_json()) == line


def lines(*days_ago: int) -> list[There]:
    return [
        replace(THERE, reference=f"AP{days}", created_at=NOON - days * DAY) for days in days_ago
    ]


@pytest.mark.parametrize(
    ("pages", "is_past"),
    [
        ([lines(0, 1, 2), lines(5, 6)], True),
        ([lines(5, 6)], True),
        ([lines(0, 1, 2), lines(4, 5)], False),
        ([lines(0, 1, 2), lines(3, 5)], False),
        ([lines(5, 0)], False),
        ([lines(6, 5)], False),
        # Oldest first, or in no order: newer ones may come.
        ([lines(6, 7), lines(5, 6)], False),
        ([lines(2, 1), lines(5, 6)], False),
        ([lines(1, 7), lines(5, 6)], False),
        # The list shifted: 5 was read before.
        ([lines(0, 5), lines(5, 6)], True),
        ([lines(0, 1, 5), lines(1, 5)], False),
        ([lines(0), lines(5)], True),
        # One time is no order.
        ([lines(9)], False),
        ([lines(9, 9)], False),
        ([[]], False),
        ([lines(5, 6), []], False),
        ([lines(5, 6), [replace(THERE, created_at=None)]], False),
    ],
)
def test_a_list_is_left_early_only_where_it_came_newest_first(
    pages: list[list[There]], is_past: bool
) -> None:
    order = Order()
    for page in pages:
        order.read(page)

    assert order.is_past(NOON - 4 * DAY) is is_past


def test_a_page_has_news_if_a_line_of_it_was_not_read_before() -> None:
    order, news = Order(), []
    for page in (lines(0, 1), lines(0, 1), lines(1, 2), [], [replace(THERE, amount=Decimal(1))]):
        order.read(page)
        news.append(order.has_news)

    assert news == [True, False, True, False, True]
