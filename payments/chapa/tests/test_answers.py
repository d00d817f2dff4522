import json

import pytest

from payments.chapa.tests.cast import captured
from payments.chapa.wire import (
    Closing,
    Opening,
    Outcome,
    parse_cancellation,
    parse_initialization,
    parse_verification,
)

HOSTS = ("checkout.chapa.co",)
HTML = b"<!DOCTYPE html><html><body>Bad gateway</body></html>"


def opened_at(checkout_url: object, *, allow_http: bool = False) -> Opening:
    answer = {"message": "Hosted Link", "status": "success", "data": {"checkout_url": checkout_url}}
    body = json.dumps(answer).encode()
    return parse_initialization(200, body, HOSTS, allow_http=allow_http).opening


@pytest.mark.parametrize(
    ("http_status", "name", "opening"),
    [
        (200, "initialize_opened", Opening.OPENED),
        (400, "initialize_refused_amount", Opening.REFUSED),
        (400, "initialize_refused_amount_missing", Opening.REFUSED),
        (400, "initialize_refused_amount_too_large", Opening.REFUSED),
        (400, "initialize_refused_amount_and_reference", Opening.REFUSED),
        (400, "initialize_refused_email", Opening.REFUSED),
        (400, "initialize_refused_currency", Opening.REFUSED),
        (400, "initialize_refused_content_type", Opening.REFUSED),
        (400, "initialize_refused_merchant", Opening.REFUSED),
        (400, "initialize_refused_subaccount", Opening.REFUSED),
        (400, "initialize_refused_share", Opening.REFUSED),
        (200, "initialize_refused_amount", Opening.REFUSED),
        (400, "initialize_used_before", Opening.USED_BEFORE),
        (200, "initialize_used_before", Opening.USED_BEFORE),
        (404, "initialize_api_disabled", Opening.CONFIG_ERROR),
        (401, "key_missing", Opening.CONFIG_ERROR),
        (401, "key_unknown", Opening.CONFIG_ERROR),
        (401, "key_not_activated", Opening.CONFIG_ERROR),
        (403, "key_unknown", Opening.CONFIG_ERROR),
        (429, "initialize_refused_amount", Opening.UNKNOWN),
        (500, "initialize_opened", Opening.UNKNOWN),
        (302, "initialize_opened", Opening.UNKNOWN),
        (400, "verify_not_found", Opening.UNKNOWN),
        (404, "verify_not_found_documented", Opening.UNKNOWN),
        (200, "verify_paid", Opening.UNKNOWN),
    ],
)
def test_an_answer_to_initialize_is_understood(
    http_status: int, name: str, opening: Opening
) -> None:
    answer = parse_initialization(http_status, captured(name), HOSTS)

    assert answer.opening is opening
    assert (answer.checkout_url is not None) == (opening is Opening.OPENED)
    assert answer.http_status == http_status


def test_a_reference_refused_as_taken_is_one_used_before() -> None:
    body = b'{"message":{"tx_ref":["validation.unique"]},"status":"failed","data":null}'

    assert parse_initialization(400, body, HOSTS).opening is Opening.USED_BEFORE


@pytest.mark.parametrize(
    ("checkout_url", "opening"),
    [
        ("https://checkout.chapa.co/checkout/payment/abc", Opening.OPENED),
        ("https://CHECKOUT.chapa.co/checkout/payment/abc", Opening.OPENED),
        ("http://checkout.chapa.co/checkout/payment/abc", Opening.UNKNOWN),
        ("https://checkout.chapa.co.evil.test/abc", Opening.UNKNOWN),
        ("https://checkout.chapa.co@evil.test/abc", Opening.UNKNOWN),
        ("https://evil.test/checkout.chapa.co", Opening.UNKNOWN),
        ("https://checkout.chapa.co:8443/abc", Opening.UNKNOWN),
        ("https://evil.test\\@checkout.chapa.co/abc", Opening.UNKNOWN),
        ("https://checkout.chapa.co\t/abc", Opening.UNKNOWN),
        (" https://checkout.chapa.co/abc", Opening.UNKNOWN),
        ("//checkout.chapa.co/abc", Opening.UNKNOWN),
        ("https:checkout.chapa.co/abc", Opening.UNKNOWN),
        ("https://[::1", Opening.UNKNOWN),
        ("javascript:alert(1)", Opening.UNKNOWN),
        ("https://checkout.chapa.co/" + "a" * 2000, Opening.UNKNOWN),
        ("", Opening.UNKNOWN),
        (None, Opening.UNKNOWN),
        (7, Opening.UNKNOWN),
        (["https://checkout.chapa.co/abc"], Opening.UNKNOWN),
    ],
)
def test_a_traveller_is_sent_to_the_pinned_host_only(
    checkout_url: object, opening: Opening
) -> None:
    assert opened_at(checkout_url) is opening


def test_plain_http_serves_the_local_chapa_only() -> None:
    assert opened_at("http://checkout.chapa.co/abc", allow_http=True) is Opening.OPENED
    assert opened_at("http://evil.test/abc", allow_http=True) is Opening.UNKNOWN


def test_an_empty_name_among_the_hosts_pins_nothing() -> None:
    body = b'{"status":"success","data":{"checkout_url":"https:///checkout/payment/abc"}}'

    assert parse_initialization(200, body, ["", *HOSTS]).opening is Opening.UNKNOWN


@pytest.mark.parametrize(
    ("http_status", "name", "closing"),
    [
        (200, "cancel_closed", Closing.CLOSED),
        (400, "cancel_already_closed", Closing.ALREADY_CLOSED),
        (404, "cancel_not_found", Closing.NOT_FOUND),
        (400, "verify_not_found", Closing.REFUSED),
        (401, "key_unknown", Closing.CONFIG_ERROR),
        (403, "key_unknown", Closing.CONFIG_ERROR),
        (429, "cancel_closed", Closing.UNKNOWN),
        (500, "cancel_closed", Closing.UNKNOWN),
        (404, "key_unknown", Closing.UNKNOWN),
    ],
)
def test_an_answer_to_cancel_is_understood(http_status: int, name: str, closing: Closing) -> None:
    assert parse_cancellation(http_status, captured(name)).closing is closing


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b"",
        b"\xff\xfe",
        b'{"status":"success","data":{"status":"success","amount":NaN}}',
        b'{"status":"success","data":{"status":"success","amount":-Infinity}}',
        b'{"status":"success","data":{"status":"success","amount":1e9999999999999999999}}',
        captured("verify_paid")[:-10],
        b"[" * 100_000,
        b'{"message":' * 100_000,
    ],
)
def test_what_is_not_json_is_no_answer(body: bytes) -> None:
    assert parse_verification(200, body).outcome is Outcome.TRANSIENT
    assert parse_verification(404, body).outcome is Outcome.TRANSIENT
    assert parse_initialization(200, body, HOSTS).opening is Opening.UNKNOWN
    assert parse_cancellation(200, body).closing is Closing.UNKNOWN


@pytest.mark.parametrize("body", [b"[]", b"null", b'"success"', b"7", b"{}", b'{"data":[]}'])
def test_json_of_another_shape_is_not_recognised(body: bytes) -> None:
    assert parse_verification(200, body).outcome is Outcome.UNRECOGNISED
    assert parse_initialization(200, body, HOSTS).opening is Opening.UNKNOWN
    assert parse_cancellation(200, body).closing is Closing.UNKNOWN


@pytest.mark.parametrize("http_status", [401, 403])
@pytest.mark.parametrize(
    "body", [HTML, b"", b"[]", b"{}", b'{"message":"Forbidden"}', b'{"status":"failed"}']
)
def test_only_chapas_own_words_refuse_our_key(http_status: int, body: bytes) -> None:
    assert parse_verification(http_status, body).outcome is Outcome.TRANSIENT
    assert parse_initialization(http_status, body, HOSTS).opening is Opening.UNKNOWN
    assert parse_cancellation(http_status, body).closing is Closing.UNKNOWN


def test_a_router_that_knows_no_such_path_does_not_speak_of_the_transaction() -> None:
    assert parse_verification(404, b'{"message":"Not Found"}').outcome is Outcome.UNRECOGNISED


def test_evidence_and_printed_form_of_an_opening_hold_no_link_that_can_be_paid() -> None:
    answer = parse_initialization(200, captured("initialize_opened"), HOSTS)

    assert answer.evidence == {
        "status": "success",
        "message": "Hosted Link",
        "data": {},
        "checkout_host": "checkout.chapa.co",
    }
    assert "checkout/payment" not in repr(answer)


def test_evidence_names_the_complaints_by_field() -> None:
    body = captured("initialize_refused_amount_and_reference")

    assert parse_initialization(400, body, HOSTS).evidence["message"] == (
        "amount: validation.numeric; tx_ref: The tx ref must not exceed 50 characters."
    )


def test_evidence_takes_persons_out_of_messages_and_cuts_them() -> None:
    message = "hanna@gmail.com +251 911 22 33 44 https://checkout.chapa.co/x " + "so " * 999
    body = json.dumps({"message": message, "status": "failed", "data": None}).encode()

    kept = parse_verification(400, body).evidence["message"]

    assert isinstance(kept, str)
    assert kept.startswith("[removed] [removed] [removed] so so")
    assert len(kept) <= 500
