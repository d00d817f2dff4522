"""One table: a body of Chapa's, what it says, what it means, what becomes of payment and ledger."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from core.money import Money
from payments.chapa.tests.cast import captured
from payments.chapa.tests.servers import answering, http_answer
from payments.models import Payment
from payments.services.settling import settle_payment
from payments.settlement import (
    Declined,
    Mismatched,
    NoAnswer,
    NotOurs,
    Paid,
    SentBack,
    Verdict,
    Waiting,
)
from payments.tests.cast import ledger_of
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db

Ledger = list[tuple[str, str, str]]


def birr(amount: str) -> Money:
    return Money(Decimal(amount), "ETB")


def came(amount: str, currency: str = "ETB") -> Ledger:
    return [("capture", amount, currency)]


NOTHING: Ledger = []
CAME = came("100.00")
REFUND: Ledger = [*CAME, ("refund", "100.00", "ETB")]
REVERSAL: Ledger = [*CAME, ("reversal", "100.00", "ETB")]
SILENCE, KEY_REFUSED = NoAnswer(), NoAnswer(misconfigured=True)
ODD = NoAnswer(is_there=True)
REFUNDED, REVERSED = SentBack(birr("100"), reversed=False), SentBack(birr("100"), reversed=True)
FINE = "more than two decimals"
AMOUNT = "another amount"
DOLLARS = Mismatched(Money(Decimal(100), "USD"), "another currency")


def other(amount: str, reason: str, currency: str = "ETB") -> Verdict:
    return Mismatched(Money(Decimal(amount), currency), reason)


# HTTP status, body, its outcome, the verdict, the pending payment's state after it, its ledger
TABLE: list[tuple[int, str, str, Verdict, str, Ledger]] = [
    (200, "verify_paid", "paid", Paid(), "succeeded", CAME),
    (200, "verify_paid_in_texts", "paid", Paid(), "succeeded", CAME),
    (200, "verify_paid_three_decimals", "paid", Paid(), "succeeded", CAME),
    (200, "verify_paid_a_third_decimal", "paid", other("100", FINE), "in_review", CAME),
    (200, "verify_paid_less", "paid", other("99.99", AMOUNT), "in_review", came("99.99")),
    (200, "verify_paid_more", "paid", other("100.01", AMOUNT), "in_review", came("100.01")),
    (200, "verify_paid_gross", "paid", other("103.5", AMOUNT), "in_review", came("103.50")),
    (200, "verify_paid_in_dollars", "paid", DOLLARS, "in_review", came("100.00", "USD")),
    (200, "verify_paid_for_another", "paid", NotOurs("another tx_ref"), "pending", NOTHING),
    (200, "verify_paid_live", "paid", NotOurs("another mode"), "pending", NOTHING),
    (200, "verify_paid_zero", "unrecognised", ODD, "pending", NOTHING),
    (200, "verify_paid_negative", "unrecognised", ODD, "pending", NOTHING),
    (200, "verify_paid_not_a_number_text", "unrecognised", ODD, "pending", NOTHING),
    (200, "verify_paid_beyond_reason", "unrecognised", ODD, "pending", NOTHING),
    (200, "verify_paid_in_a_failed_envelope", "unrecognised", ODD, "pending", NOTHING),
    (200, "verify_list", "unrecognised", SILENCE, "pending", NOTHING),
    (200, "verify_paid_not_a_number", "transient", SILENCE, "pending", NOTHING),
    (200, "verify_paid_twice", "transient", SILENCE, "pending", NOTHING),
    (200, "verify_paid_half", "transient", SILENCE, "pending", NOTHING),
    (200, "page.html", "transient", SILENCE, "pending", NOTHING),
    (404, "page.html", "transient", SILENCE, "pending", NOTHING),
    (200, "empty", "transient", SILENCE, "pending", NOTHING),
    (200, "verify_pending", "pending", Waiting(), "pending", NOTHING),
    (404, "verify_not_paid_yet", "pending", Waiting(), "pending", NOTHING),
    (404, "verify_not_paid_yet_null_text", "pending", Waiting(), "pending", NOTHING),
    (200, "verify_not_paid_yet_null_text", "pending", Waiting(), "pending", NOTHING),
    (400, "verify_not_found", "not_found", Waiting(), "pending", NOTHING),
    (404, "verify_not_found_documented", "not_found", Waiting(), "pending", NOTHING),
    (200, "verify_failed", "failed", Declined("failed"), "failed", NOTHING),
    (200, "verify_cancelled", "cancelled", Declined("cancelled"), "failed", NOTHING),
    (200, "verify_failed_cancelled", "cancelled", Declined("cancelled"), "failed", NOTHING),
    # A refund or reversal that nobody here asked for.
    (200, "verify_refunded", "refunded", REFUNDED, "refunded", REFUND),
    (200, "verify_reversed", "reversed", REVERSED, "reversed", REVERSAL),
    (401, "key_missing", "config_error", KEY_REFUSED, "pending", NOTHING),
    (401, "key_unknown", "config_error", KEY_REFUSED, "pending", NOTHING),
    (401, "key_not_activated", "config_error", KEY_REFUSED, "pending", NOTHING),
    (401, "key_live_for_test", "config_error", KEY_REFUSED, "pending", NOTHING),
    (401, "key_test_for_live", "config_error", KEY_REFUSED, "pending", NOTHING),
    (403, "key_unknown", "config_error", KEY_REFUSED, "pending", NOTHING),
    (403, "verify_paid", "config_error", KEY_REFUSED, "pending", NOTHING),
    (403, "page.html", "transient", SILENCE, "pending", NOTHING),
    (401, "empty", "transient", SILENCE, "pending", NOTHING),
    (429, "too_many_requests", "transient", SILENCE, "pending", NOTHING),
    (429, "verify_not_found", "transient", SILENCE, "pending", NOTHING),
    (408, "verify_paid", "transient", SILENCE, "pending", NOTHING),
    (500, "verify_paid", "transient", SILENCE, "pending", NOTHING),
    (504, "verify_not_found_documented", "transient", SILENCE, "pending", NOTHING),
    (302, "verify_paid", "unrecognised", ODD, "pending", NOTHING),
    (404, "verify_paid", "unrecognised", ODD, "pending", NOTHING),
    (404, "cancel_not_found", "unrecognised", SILENCE, "pending", NOTHING),
    (400, "initialize_refused_amount", "unrecognised", SILENCE, "pending", NOTHING),
]

# The same for a payment that had succeeded.
AFTERWARDS: list[tuple[int, str, str, Ledger]] = [
    (200, "verify_paid", "succeeded", CAME),
    (200, "verify_paid_less", "succeeded", CAME),
    (200, "verify_pending", "succeeded", CAME),
    (200, "verify_failed", "succeeded", CAME),
    (200, "verify_failed_cancelled", "succeeded", CAME),
    (404, "verify_not_paid_yet", "succeeded", CAME),
    (400, "verify_not_found", "succeeded", CAME),
    (200, "page.html", "succeeded", CAME),
    (401, "key_unknown", "succeeded", CAME),
    (200, "verify_refunded", "refunded", REFUND),
    (200, "verify_reversed", "reversed", REVERSAL),
    (200, "verify_refunded_in_part", "succeeded", CAME),
]


@pytest.fixture
def payment() -> Payment:
    """The pending payment that the bodies are about."""
    return PaymentFactory.create(amount=100, tx_ref="chewatatest-6669", gateway_reference=None)


def settled(
    payment: Payment, settings: Settings, http_status: int, body: str, minutes: int = 0
) -> Verdict:
    """Let a real server answer so, and settle."""
    with answering([http_answer(captured(body), status=f"{http_status} Said")]) as server:
        settings.CHAPA_BASE_URL = server.base_url
        verdict = settle_payment(payment_id=payment.id, at=NOW + timedelta(minutes=minutes))
    payment.refresh_from_db()
    return verdict


def ledger_in_words(payment: Payment) -> Ledger:
    return [(kind, str(amount), currency) for kind, amount, currency in ledger_of(payment)]


@pytest.mark.parametrize(("http_status", "body", "outcome", "verdict", "status", "ledger"), TABLE)
def test_an_answer_to_verify_moves_what_it_should_and_nothing_else(
    payment: Payment,
    settings: Settings,
    http_status: int,
    body: str,
    outcome: str,
    verdict: Verdict,
    status: str,
    ledger: Ledger,
) -> None:
    assert settled(payment, settings, http_status, body) == verdict

    call = payment.gateway_calls.get()
    assert (call.http_status, call.outcome) == (http_status, outcome)
    assert (payment.status, ledger_in_words(payment)) == (status, ledger)
    assert payment.asking_until is None
    if status in ("pending", "failed"):
        # Nothing that was said stands in the way of the truth.
        assert payment.next_check_at is not None
        assert settled(payment, settings, 200, "verify_paid", minutes=1) == Paid()
        assert (payment.status, ledger_in_words(payment)) == ("succeeded", CAME)


@pytest.mark.parametrize(("http_status", "body", "status", "ledger"), AFTERWARDS)
def test_of_a_payment_that_succeeded_only_the_way_back_is_news(
    payment: Payment, settings: Settings, http_status: int, body: str, status: str, ledger: Ledger
) -> None:
    settled(payment, settings, 200, "verify_paid")

    settled(payment, settings, http_status, body, minutes=1)

    assert (payment.status, ledger_in_words(payment)) == (status, ledger)
