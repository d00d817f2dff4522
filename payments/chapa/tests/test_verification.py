import json
from decimal import Decimal

import pytest

from payments.chapa.tests.cast import captured
from payments.chapa.wire import Outcome, Verification, parse_verification


def verified(**data: object) -> Verification:
    """Read the documented paid answer with some of its data replaced."""
    answer = json.loads(captured("verify_paid"))
    answer["data"] |= data
    return parse_verification(200, json.dumps(answer).encode())


def test_a_paid_answer_says_what_must_still_be_compared() -> None:
    answer = parse_verification(200, captured("verify_paid"))

    assert (answer.amount, answer.currency) == (Decimal(100), "ETB")
    assert (answer.tx_ref, answer.mode) == ("chewatatest-6669", "test")
    assert (answer.reference, answer.method) == ("6jnheVKQEmy", "test")
    assert answer.charge == Decimal("3.5")


def test_the_success_of_the_call_is_not_the_success_of_the_payment() -> None:
    pending = json.loads(captured("verify_pending"))

    assert pending["status"] == "success"
    assert parse_verification(200, captured("verify_pending")).outcome is Outcome.PENDING


@pytest.mark.parametrize(
    "data",
    [
        {"status": "paid"},
        {"status": None},
        {"status": True},
        {"status": ["success"]},
        {"status": "null"},
        {"amount": None},
        {"amount": "null"},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"amount": "1_000"},
        {"amount": "1,000"},
        {"amount": "\u0661\u0660\u0660"},
        {"amount": "1e30"},
        {"amount": "10000000000"},
        {"amount": True},
        {"amount": [100]},
        {"amount": 0},
        {"amount": -100},
    ],
)
def test_a_payment_without_a_readable_status_and_amount_is_not_recognised(
    data: dict[str, object],
) -> None:
    assert verified(**data).outcome is Outcome.UNRECOGNISED


def test_a_payment_in_an_envelope_that_failed_is_not_recognised() -> None:
    answer = json.loads(captured("verify_paid")) | {"status": "failed"}

    body = json.dumps(answer).encode()
    assert parse_verification(200, body).outcome is Outcome.UNRECOGNISED


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("100", Decimal(100)),
        ("100.0", Decimal(100)),
        ('"100.00"', Decimal(100)),
        ('"12.000"', Decimal(12)),
        ("1250.55", Decimal("1250.55")),
        ("0.1", Decimal("0.1")),
        ("1e2", Decimal(100)),
        ("100.0000000000000001", Decimal("100.0000000000000001")),
    ],
)
def test_an_amount_is_read_exactly_however_it_is_written(written: str, amount: Decimal) -> None:
    body = captured("verify_paid").replace(b'"amount": 100', b'"amount": ' + written.encode())

    assert parse_verification(200, body).amount == amount


@pytest.mark.parametrize("nothing", [None, "", "null", "NULL", " ", 7, {}, []])
def test_null_in_every_spelling_is_nothing(nothing: object) -> None:
    answer = verified(reference=nothing, method=nothing, currency=nothing, mode=nothing)

    assert (answer.reference, answer.method, answer.currency, answer.mode) == ("", "", "", "")


@pytest.mark.parametrize("reference", ["../balances", "a b", "a/b", "a%2fb", "ጉዞ", "x" * 65])
def test_a_reference_that_could_bend_a_path_is_nothing(reference: str) -> None:
    assert verified(reference=reference).reference == ""


@pytest.mark.parametrize("currency", ["birr", "Birr ", "ETBX", "etb"])
def test_a_currency_is_three_capitals_or_nothing(currency: str) -> None:
    assert verified(currency=currency).currency == ""


def test_the_method_is_read_under_either_name() -> None:
    assert verified(method=None, payment_method="telebirr").method == "telebirr"


@pytest.mark.parametrize("tx_ref", ["gz-1\u0000", "gz-1\ud800", "gz\u200b-1", "x" * 65])
def test_a_text_that_cannot_be_stored_or_seen_is_nothing(tx_ref: str) -> None:
    assert verified(tx_ref=tx_ref).tx_ref == ""


def test_evidence_keeps_what_happened_and_no_person() -> None:
    answer = parse_verification(200, captured("verify_paid"))

    assert answer.evidence == {
        "status": "success",
        "message": "Payment details",
        "data": {
            "status": "success",
            "amount": "100",
            "charge": "3.5",
            "currency": "ETB",
            "mode": "test",
            "type": "API",
            "method": "test",
            "reference": "6jnheVKQEmy",
            "tx_ref": "chewatatest-6669",
            "created_at": "2023-02-02T07:05:23.000000Z",
            "updated_at": "2023-02-02T07:05:23.000000Z",
        },
    }


def test_evidence_shows_an_amount_that_could_not_be_read() -> None:
    kept = verified(amount="a hundred").evidence["data"]

    assert isinstance(kept, dict)
    assert kept["amount"] == "a hundred"
