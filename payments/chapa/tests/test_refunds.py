import json
from decimal import Decimal

import pytest

from payments.chapa.tests.cast import captured
from payments.chapa.wire import (
    RefundProgress,
    RefundSubmitted,
    RefundVerification,
    parse_refund_submission,
    parse_refund_verification,
    refund_form,
)

HTML = captured("page.html")


def submitted_as(message: object, *, http_status: int = 400) -> RefundSubmitted:
    body = json.dumps({"message": message, "status": "failed", "data": None}).encode()
    return parse_refund_submission(http_status, body).submitted


def refunded(**data: object) -> RefundVerification:
    """Read the answer about a finished refund with some of its data replaced."""
    answer = json.loads(captured("refund_verify_refunded"))
    answer["data"] |= data
    return parse_refund_verification(200, json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("http_status", "name", "submitted"),
    [
        (200, "refund_accepted", RefundSubmitted.ACCEPTED),
        (201, "refund_accepted", RefundSubmitted.ACCEPTED),
        (200, "refund_accepted_without_reference", RefundSubmitted.ACCEPTED),
        (200, "refund_accepted_without_data", RefundSubmitted.UNKNOWN),
        (400, "refund_refused_in_test_mode", RefundSubmitted.REFUSED_IN_TEST_MODE),
        (401, "refund_refused_in_test_mode", RefundSubmitted.REFUSED_IN_TEST_MODE),
        (403, "refund_refused_in_test_mode", RefundSubmitted.REFUSED_IN_TEST_MODE),
        (200, "refund_refused_in_test_mode", RefundSubmitted.REFUSED_IN_TEST_MODE),
        (400, "refund_refused_amount", RefundSubmitted.REFUSED),
        (400, "refund_refused_balance", RefundSubmitted.REFUSED),
        (400, "refund_refused_not_found", RefundSubmitted.REFUSED),
        (404, "refund_refused_not_found", RefundSubmitted.REFUSED),
        (400, "verify_not_found", RefundSubmitted.REFUSED),
        (404, "verify_not_found_documented", RefundSubmitted.REFUSED),
        (400, "refund_refused_fields", RefundSubmitted.REFUSED),
        (422, "refund_refused_fields", RefundSubmitted.REFUSED),
        (400, "refund_used_before", RefundSubmitted.USED_BEFORE),
        (400, "refund_used_before_fields", RefundSubmitted.USED_BEFORE),
        (401, "key_unknown", RefundSubmitted.CONFIG_ERROR),
        (401, "key_missing", RefundSubmitted.CONFIG_ERROR),
        (403, "key_not_activated", RefundSubmitted.CONFIG_ERROR),
        (401, "key_test_for_live", RefundSubmitted.CONFIG_ERROR),
        (400, "refund_trouble", RefundSubmitted.UNKNOWN),
        (500, "refund_trouble", RefundSubmitted.UNKNOWN),
        (500, "refund_refused_amount", RefundSubmitted.UNKNOWN),
        (502, "refund_accepted", RefundSubmitted.UNKNOWN),
        (302, "refund_accepted", RefundSubmitted.UNKNOWN),
        (408, "refund_refused_amount", RefundSubmitted.UNKNOWN),
        (429, "too_many_requests", RefundSubmitted.UNKNOWN),
        (400, "too_many_requests", RefundSubmitted.UNKNOWN),
        (200, "empty", RefundSubmitted.UNKNOWN),
        (200, "page.html", RefundSubmitted.UNKNOWN),
        (400, "page.html", RefundSubmitted.UNKNOWN),
        (403, "page.html", RefundSubmitted.UNKNOWN),
    ],
)
def test_an_answer_to_a_refund_is_understood(
    http_status: int, name: str, submitted: RefundSubmitted
) -> None:
    answer = parse_refund_submission(http_status, captured(name))

    assert answer.submitted is submitted
    assert answer.http_status == http_status


@pytest.mark.parametrize(
    ("message", "submitted"),
    [
        ("REFUNDS CAN ONLY BE PROCESSED IN LIVE MODE\t", RefundSubmitted.REFUSED_IN_TEST_MODE),
        ("Refunds are only possible in live  mode.", RefundSubmitted.REFUSED_IN_TEST_MODE),
        ("Refund amount cannot  exceed the full amount\t", RefundSubmitted.REFUSED),
        ("Insufficient balance.", RefundSubmitted.REFUSED),
        ("The reference has already been taken.", RefundSubmitted.USED_BEFORE),
        ("Refund reference has been used before", RefundSubmitted.USED_BEFORE),
        ("Page not found", RefundSubmitted.UNKNOWN),
        ("This payment was already refunded", RefundSubmitted.UNKNOWN),
        ("Refund failed", RefundSubmitted.UNKNOWN),
        ("", RefundSubmitted.UNKNOWN),
        (None, RefundSubmitted.UNKNOWN),
        ({}, RefundSubmitted.UNKNOWN),
        (["Insufficient balance"], RefundSubmitted.REFUSED),
    ],
)
def test_only_sentences_that_are_known_refuse_and_they_are_compared_loosely(
    message: object, submitted: RefundSubmitted
) -> None:
    assert submitted_as(message) is submitted


def test_a_refusal_beside_data_is_none() -> None:
    refused, taken = (
        json.loads(captured(name)) for name in ("refund_refused_amount", "refund_accepted")
    )
    body = json.dumps(refused | {"data": taken["data"]}).encode()

    assert parse_refund_submission(400, body).submitted is RefundSubmitted.UNKNOWN


@pytest.mark.parametrize("state", ["failed", "declined", "success"])
def test_a_refund_taken_in_a_state_of_no_known_name_is_not_said_to_be_taken(state: str) -> None:
    answer = json.loads(captured("refund_accepted"))
    answer["data"]["status"] = state

    submission = parse_refund_submission(200, json.dumps(answer).encode())
    assert submission.submitted is RefundSubmitted.UNKNOWN
    assert submission.refund_reference == "RFq7Zt1pLx0a"


def test_a_submission_carries_chapas_reference_and_a_reason_only_if_it_was_not_taken() -> None:
    taken = parse_refund_submission(200, captured("refund_accepted"))
    refused = parse_refund_submission(400, captured("refund_refused_in_test_mode"))

    assert (taken.refund_reference, taken.reason) == ("RFq7Zt1pLx0a", "")
    assert refused.refund_reference == ""
    assert refused.reason == "Refunds can only be processed in live mode"


@pytest.mark.parametrize(
    ("http_status", "name", "exceeds"),
    [
        (400, "refund_refused_amount", True),
        (500, "refund_refused_amount", False),
        (400, "refund_refused_balance", False),
        (400, "refund_used_before", False),
        (200, "refund_accepted", False),
    ],
)
def test_a_refusal_that_an_earlier_refund_may_explain_says_so(
    http_status: int, name: str, exceeds: bool
) -> None:
    assert parse_refund_submission(http_status, captured(name)).exceeds is exceeds


def test_a_reason_is_short_and_names_nobody() -> None:
    said = "Ask hanna@gmail.com or 0911223344, https://chapa.link/x " + "and wait " * 100
    body = json.dumps({"message": said, "status": "failed", "data": None}).encode()

    reason = parse_refund_submission(400, body).reason

    assert len(reason) <= 200
    assert reason.startswith("Ask [removed] or [removed], [removed] and wait")


@pytest.mark.parametrize("name", ["ref_id", "refund_reference"])
@pytest.mark.parametrize(
    ("given", "reference"),
    [("RF1", "RF1"), (None, ""), ("a/b", ""), ("a b", ""), ("x" * 65, ""), (7, ""), ("null", "")],
)
def test_a_refunds_reference_goes_into_a_path_or_is_none(
    name: str, given: object, reference: str
) -> None:
    body = json.dumps({"message": "m", "status": "success", "data": {name: given}}).encode()

    assert parse_refund_submission(200, body).refund_reference == reference


@pytest.mark.parametrize(
    ("http_status", "name", "progress"),
    [
        (200, "refund_verify_initiated", RefundProgress.PENDING),
        (200, "refund_verify_processing", RefundProgress.PENDING),
        (200, "refund_verify_refunded", RefundProgress.REFUNDED),
        (200, "refund_verify_reversed", RefundProgress.REVERSED),
        (404, "refund_verify_not_found", RefundProgress.NOT_FOUND),
        (400, "refund_verify_not_found", RefundProgress.NOT_FOUND),
        (400, "verify_not_found", RefundProgress.NOT_FOUND),
        (404, "events_not_found", RefundProgress.NOT_FOUND),
        (401, "key_unknown", RefundProgress.CONFIG_ERROR),
        (401, "page.html", RefundProgress.TRANSIENT),
        (429, "too_many_requests", RefundProgress.TRANSIENT),
        (500, "refund_verify_refunded", RefundProgress.TRANSIENT),
        (200, "empty", RefundProgress.TRANSIENT),
        (404, "page.html", RefundProgress.TRANSIENT),
        (302, "refund_verify_refunded", RefundProgress.UNRECOGNISED),
        (400, "refund_refused_in_test_mode", RefundProgress.UNRECOGNISED),
        (404, "too_many_requests", RefundProgress.UNRECOGNISED),
    ],
)
def test_an_answer_about_a_refund_is_understood(
    http_status: int, name: str, progress: RefundProgress
) -> None:
    assert parse_refund_verification(http_status, captured(name)).progress is progress


def test_a_finished_refund_says_what_must_still_be_compared() -> None:
    seen = parse_refund_verification(200, captured("refund_verify_refunded"))

    assert (seen.amount, seen.currency) == (Decimal("400.00"), "ETB")
    assert seen.refund_reference == "RFq7Zt1pLx0a"


@pytest.mark.parametrize(
    "data",
    [
        {"status": "success"},
        {"status": "failed"},
        {"status": None},
        {"status": ["refunded"]},
        {"amount": "four hundred"},
        {"amount": 0},
        {"amount": -400},
        {"amount": True},
        {"amount": "1e30"},
    ],
)
def test_a_refund_without_a_known_state_or_a_readable_amount_is_not_recognised(
    data: dict[str, object],
) -> None:
    assert refunded(**data).progress is RefundProgress.UNRECOGNISED


def test_a_refund_whose_amount_is_left_out_is_done_all_the_same() -> None:
    seen = refunded(amount=None)

    assert (seen.progress, seen.amount) == (RefundProgress.REFUNDED, None)


def test_a_refund_in_an_envelope_that_failed_is_not_recognised() -> None:
    answer = json.loads(captured("refund_verify_refunded")) | {"status": "failed"}

    seen = parse_refund_verification(200, json.dumps(answer).encode())
    assert seen.progress is RefundProgress.UNRECOGNISED


def test_evidence_of_a_refund_keeps_no_reason_and_no_meta() -> None:
    kept = parse_refund_submission(200, captured("refund_accepted")).evidence["data"]

    assert kept == {
        "status": "initiated",
        "currency": "ETB",
        "ref_id": "RFq7Zt1pLx0a",
        "payment_reference": "AP634JFwEbxd",
        "merchant_reference": "gzr-1",
        "created_at": "2026-08-25T10:00:00.000000Z",
        "updated_at": "2026-08-25T10:00:00.000000Z",
        "amount": "400.00",
    }


def test_a_refund_is_asked_for_as_chapa_documents_it() -> None:
    form = refund_form(
        money_amount=Decimal("1E+3"),
        currency="ETB",
        reference="gzr-1",
        reason="Booking #GZ-4K7Q: cancelled & paid back, ጉዞ",
    )

    assert form == {
        "amount": "1000.00",
        "reason": "Booking GZ-4K7Q cancelled paid back",
        "reference": "gzr-1",
    }


def test_an_empty_reason_is_left_out() -> None:
    form = refund_form(money_amount=Decimal(1), currency="ETB", reference="gzr-1", reason="ጉዞ")

    assert "reason" not in form


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"money_amount": Decimal(0)}, "positive"),
        ({"money_amount": Decimal("1.005")}, "two decimals"),
        ({"currency": "EUR"}, "ETB and USD"),
        ({"reference": "a/b"}, "tx_ref"),
        ({"reference": "x" * 51}, "tx_ref"),
    ],
)
def test_a_refund_that_chapa_could_not_understand_is_refused_by_name(
    changes: dict[str, object], words: str
) -> None:
    form = {
        "money_amount": Decimal(1),
        "currency": "ETB",
        "reference": "gzr-1",
        "reason": "",
    } | changes

    with pytest.raises(ValueError, match=words):
        refund_form(**form)  # type: ignore[arg-type]
