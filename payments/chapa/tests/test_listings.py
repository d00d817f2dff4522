import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payments.chapa.tests.cast import captured
from payments.chapa.wire import (
    Fetched,
    ListedTransaction,
    TransactionPage,
    parse_balances,
    parse_transaction_events,
    parse_transaction_page,
)


def page_with(page: int = 1, **data: object) -> TransactionPage:
    """Read the documented page with some of its data replaced."""
    answer = json.loads(captured("transactions_page"))
    answer["data"] |= data
    return parse_transaction_page(200, json.dumps(answer).encode(), page=page)


def test_a_page_of_transactions_is_read_line_by_line() -> None:
    page = parse_transaction_page(200, captured("transactions_page"), page=1)

    assert (page.fetched, page.page, page.has_next) == (Fetched.ANSWERED, 1, True)
    assert [each.reference for each in page.transactions] == [
        "VcEu3Hf55JU",
        "R6XqfcNVQjW",
        "VcLgFpZscvV",
    ]
    assert page.transactions[0] == ListedTransaction(
        reference="VcEu3Hf55JU",
        status="pending",
        type="Payment Link",
        amount=Decimal("12.000"),
        charge=Decimal("0.000"),
        currency="ETB",
        method="card",
        created_at=datetime(2024, 7, 27, 2, 22, 46, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("pagination", "is_numbered"),
    [({"current_page": 1}, True), ({"current_page": "1"}, True), ({"per_page": 10}, False)],
)
def test_a_page_may_say_which_one_it_is(pagination: object, is_numbered: bool) -> None:
    assert page_with(pagination=pagination).is_numbered is is_numbered


def test_the_last_page_has_no_next() -> None:
    page = parse_transaction_page(200, captured("transactions_last_page"), page=2)

    assert (len(page.transactions), page.has_next) == (1, False)


def test_an_empty_page_has_no_next_whatever_it_says() -> None:
    page = parse_transaction_page(200, captured("transactions_empty_page"), page=3)

    assert (page.fetched, page.transactions, page.has_next) == (Fetched.ANSWERED, (), False)


@pytest.mark.parametrize("pagination", [None, {}, [], "2", {"current_page": "1"}])
def test_where_nothing_is_said_of_a_next_page_it_is_worth_asking(pagination: object) -> None:
    page = page_with(pagination=pagination)

    assert (page.fetched, page.has_next) == (Fetched.ANSWERED, True)


@pytest.mark.parametrize("nothing", [None, "", "null", " ", 7])
def test_a_next_page_without_an_address_is_none(nothing: object) -> None:
    pagination = {"current_page": 1, "next_page_url": nothing}

    assert not page_with(pagination=pagination).has_next


def test_another_page_than_was_asked_for_is_no_answer() -> None:
    page = parse_transaction_page(200, captured("transactions_page"), page=2)

    assert (page.fetched, page.transactions) == (Fetched.UNKNOWN, ())


@pytest.mark.parametrize("rows", [None, {}, "x", [None], [{"ref_id": "a"}, 7], [[]]])
def test_a_page_with_something_else_among_its_lines_is_no_answer(rows: object) -> None:
    page = page_with(transactions=rows)

    assert (page.fetched, page.transactions, page.has_next) == (Fetched.UNKNOWN, (), False)


def test_what_cannot_be_read_of_a_line_is_empty() -> None:
    row = {"ref_id": 7, "amount": "1,000", "charge": None, "created_at": "yesterday"}
    (line,) = page_with(transactions=[row]).transactions

    assert line == ListedTransaction(
        reference="",
        status="",
        type="",
        amount=None,
        charge=None,
        currency="",
        method="",
        created_at=None,
    )


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-07-27T02:22:46.000000Z", datetime(2024, 7, 27, 2, 22, 46, tzinfo=UTC)),
        ("2024-07-27T05:22:46+03:00", datetime(2024, 7, 27, 2, 22, 46, tzinfo=UTC)),
        ("2024-07-27 02:22:46", datetime(2024, 7, 27, 2, 22, 46, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("2024-13-01T00:00:00Z", None),
        (1722047000, None),
        (None, None),
    ],
)
def test_a_moment_is_read_with_its_zone_and_as_utc_without(
    written: object, moment: datetime | None
) -> None:
    (line,) = page_with(transactions=[{"created_at": written}]).transactions

    assert line.created_at == moment


def test_the_evidence_of_a_page_counts_its_lines_and_keeps_no_customer() -> None:
    evidence = parse_transaction_page(200, captured("transactions_page"), page=1).evidence

    assert evidence == {
        "status": "success",
        "message": "Transactions retrieved successfully",
        "data": {},
        "rows": 3,
    }


def test_events_are_read_in_their_order() -> None:
    answer = parse_transaction_events(200, captured("events"))

    assert answer.fetched is Fetched.ANSWERED
    assert [event.item for event in answer.events] == ["23445", "23567", "24678"]
    assert answer.events[0].message == "Attempted to make payment with telebirr USSD"
    assert answer.events[1].created_at == datetime(2024, 7, 23, 7, 31, 55, tzinfo=UTC)
    assert not answer.events[0].is_error
    assert answer.evidence["rows"] == 3


def test_an_event_tells_an_error_and_names_nobody() -> None:
    row = {"item": "7", "message": "Sent to 251911223344", "type": "Error", "created_at": None}
    body = json.dumps({"message": "m", "status": "success", "data": [row]}).encode()

    (event,) = parse_transaction_events(200, body).events

    assert event.is_error
    assert (event.item, event.message) == ("7", "Sent to [removed]")


def test_balances_are_read_by_currency_however_they_are_written() -> None:
    answer = parse_balances(200, captured("balances"))

    assert answer.fetched is Fetched.ANSWERED
    assert answer.available == {"ETB": Decimal("2500.75"), "USD": Decimal("0.00")}
    assert answer.ledger == {"ETB": Decimal(3000), "USD": Decimal("0.00")}


def test_a_list_without_a_status_is_one_all_the_same() -> None:
    answer = parse_balances(200, captured("balances_without_status"))

    assert answer.available == {"ETB": Decimal("2500.75")}


def test_a_balance_that_cannot_be_read_is_left_out() -> None:
    rows = [
        {"currency": "ETB", "available_balance": "much", "ledger_balance": 7},
        {"currency": "birr", "available_balance": 7, "ledger_balance": 7},
    ]
    body = json.dumps({"message": "m", "status": "success", "data": rows}).encode()

    answer = parse_balances(200, body)

    assert (answer.available, answer.ledger) == ({}, {"ETB": Decimal(7)})


@pytest.mark.parametrize(
    ("http_status", "name", "fetched"),
    [
        (401, "key_unknown", Fetched.CONFIG_ERROR),
        (403, "key_not_activated", Fetched.CONFIG_ERROR),
        (401, "page.html", Fetched.UNKNOWN),
        (429, "too_many_requests", Fetched.UNKNOWN),
        (404, "events_not_found", Fetched.UNKNOWN),
        (200, "events_not_found", Fetched.UNKNOWN),
        (200, "page.html", Fetched.UNKNOWN),
        (200, "empty", Fetched.UNKNOWN),
        (500, "transactions_page", Fetched.UNKNOWN),
        (500, "balances", Fetched.UNKNOWN),
        (200, "verify_paid", Fetched.UNKNOWN),
    ],
)
def test_an_answer_that_is_no_list_lists_nothing(
    http_status: int, name: str, fetched: Fetched
) -> None:
    body = captured(name)
    page = parse_transaction_page(http_status, body, page=1)
    events = parse_transaction_events(http_status, body)
    balances = parse_balances(http_status, body)

    assert (page.fetched, page.transactions, page.has_next) == (fetched, (), False)
    assert (events.fetched, events.events) == (fetched, ())
    assert (balances.fetched, balances.available, balances.ledger) == (fetched, {}, {})
