"""When nobody asks Chapa: after silences in a row, and after it refused our key."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from payments.models import GatewayCall, Payment
from payments.services.asking import verify_payment
from payments.services.breaker import (
    AWAY_FOR,
    KEY_REFUSED_FOR,
    Breaker,
    GatewayUnavailable,
    away_for,
    key_refused_for,
    resting_for,
    starting_refused_for,
)
from payments.services.checkout import open_checkout
from payments.services.reconciling import check_due_payments
from payments.services.settling import settle_payment
from payments.tests.cast import RunningSandbox
from payments.tests.factories import NOW, PaymentFactory

MOMENT = timedelta(microseconds=1)
WaitsFor = Callable[[datetime], timedelta | None]


def test_only_silences_in_a_row_open_the_breaker() -> None:
    breaker = Breaker()
    for answered in (False, False, True, False, False):
        breaker.note(answered=answered)
        assert not breaker.is_open
    breaker.note(answered=False)

    assert breaker.is_open


def test_one_question_is_open_until_chapa_answers_and_after_each_silence() -> None:
    breaker = Breaker()
    seen = [breaker.room_for(8)]
    for answered in (True, False, True, False, False, False):
        breaker.note(answered=answered)
        seen.append(breaker.room_for(8))

    assert seen == [1, 8, 1, 8, 1, 1, 0]


def call(
    kind: str,
    outcome: str,
    *,
    ago: float = 0,
    mode: str = "test",
    payment: Payment | None = None,
    http_status: int | None = None,
    retry_after_s: int = 0,
) -> Payment:
    payment = payment or PaymentFactory.create(mode=mode)
    GatewayCall.objects.create(
        payment=payment,
        kind=kind,
        asked_at=NOW - timedelta(seconds=ago),
        took_ms=1,
        http_status=http_status,
        outcome=outcome,
        evidence={"retry_after_s": retry_after_s} if retry_after_s else {},
        actor="test",
    )
    return payment


@pytest.mark.django_db
@pytest.mark.parametrize("waits_for", [key_refused_for, starting_refused_for])
def test_a_refused_verify_stops_everybody_for_a_while(waits_for: WaitsFor) -> None:
    call("verify", "config_error")

    assert waits_for(NOW) == KEY_REFUSED_FOR
    assert waits_for(NOW + KEY_REFUSED_FOR - MOMENT) == MOMENT
    assert waits_for(NOW + KEY_REFUSED_FOR) is None


@pytest.mark.django_db
@pytest.mark.parametrize("outcome", ["pending", "transient"])
def test_a_newer_verify_that_is_not_refused_lets_everyone_ask(outcome: str) -> None:
    call("verify", "config_error", ago=2)
    call("verify", outcome, ago=1)

    assert key_refused_for(NOW) is None
    assert starting_refused_for(NOW) is None


@pytest.mark.django_db
def test_two_payments_refused_in_a_row_stop_starts_and_nothing_else() -> None:
    call("initialize", "config_error", ago=10)
    assert starting_refused_for(NOW) is None

    call("initialize", "config_error", ago=5)

    assert starting_refused_for(NOW) == KEY_REFUSED_FOR - timedelta(seconds=10)
    assert key_refused_for(NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "outcome"), [("verify", "not_found"), ("initialize", "opened"), ("verify", "paid")]
)
@pytest.mark.parametrize("ago", [7, 3])
def test_any_other_answer_since_the_first_refusal_lets_everyone_start(
    kind: str, outcome: str, ago: float
) -> None:
    call("initialize", "config_error", ago=10)
    call("initialize", "config_error", ago=5)
    call(kind, outcome, ago=ago)

    assert starting_refused_for(NOW) is None


@pytest.mark.django_db
def test_one_payment_refused_again_and_again_stops_nobody() -> None:
    refused = call("initialize", "config_error", ago=2)
    call("initialize", "config_error", ago=1, payment=refused)

    assert starting_refused_for(NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "mode"), [("cancel", "test"), ("verify", "live"), ("initialize", "live")]
)
def test_a_refusal_that_is_not_about_our_key_stops_nobody(kind: str, mode: str) -> None:
    for ago in (2, 1):
        call(kind, "config_error", ago=ago, mode=mode)

    assert key_refused_for(NOW) is None
    assert starting_refused_for(NOW) is None


@pytest.mark.django_db
def test_chapa_is_away_once_it_left_questions_about_three_payments_open() -> None:
    for ago in (9, 5):
        call("verify", "transient", ago=ago)
    assert away_for(NOW) is None

    call("initialize", "unknown", ago=1)

    rest = AWAY_FOR - timedelta(seconds=9)
    assert away_for(NOW) == resting_for(NOW) == rest
    assert away_for(NOW + rest) is None
    assert starting_refused_for(NOW) is None


@pytest.mark.django_db
def test_one_payment_that_is_never_answered_stops_nobody() -> None:
    poison = call("verify", "transient", ago=9)
    for ago in (7, 5, 3, 1):
        call("verify", "transient", ago=ago, payment=poison)
    assert away_for(NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "outcome", "http_status"),
    [
        ("verify", "pending", 200),
        ("verify", "unrecognised", 200),
        ("initialize", "unknown", 400),
    ],
)
def test_any_answer_says_that_chapa_is_there(kind: str, outcome: str, http_status: int) -> None:
    for ago in (9, 7, 5):
        call("verify", "transient", ago=ago)
    call(kind, outcome, ago=1, http_status=http_status)

    assert away_for(NOW) is None


@pytest.mark.django_db
def test_for_as_long_as_chapa_wishes_nobody_asks() -> None:
    call("verify", "transient", http_status=429, retry_after_s=120)

    assert away_for(NOW) == timedelta(seconds=120)
    assert away_for(NOW + timedelta(seconds=120) - MOMENT) == MOMENT
    assert away_for(NOW + timedelta(seconds=120)) is None


@pytest.mark.django_db
def test_a_wish_ends_with_the_next_answer() -> None:
    call("verify", "transient", ago=2, http_status=429, retry_after_s=120)
    call("verify", "pending", ago=1, http_status=200)

    assert away_for(NOW) is None


@pytest.mark.parametrize("trouble", ["verify", "initialize"])
def test_what_one_payment_heard_all_keep_to(chapa: RunningSandbox, trouble: str) -> None:
    payments = [PaymentFactory.create(checkout_url="") for _ in range(5)]
    for payment in payments[1:]:
        open_checkout(payment, at=NOW)
    chapa.faults.set({"verify": "429 later" if trouble == "verify" else "ok"})
    later = NOW + timedelta(seconds=61)
    if trouble == "initialize":
        chapa.faults.set({"initialize": "429 later"})
        open_checkout(payments[0], at=later)

    for waited_s in (0, 31, 62, 119):
        at = later + timedelta(seconds=waited_s)
        check_due_payments(lambda at=at: at)  # type: ignore[misc]

    asked = sum(chapa.chapa.store.calls(payment.tx_ref)["verify"] for payment in payments)
    assert asked == (1 if trouble == "verify" else 0)
    chapa.faults.clear()
    check_due_payments(lambda: later + timedelta(seconds=121))
    assert not Payment.objects.filter(asked_at=None, checkout_url__gt="").exists()


def test_while_chapa_is_away_three_ask_at_a_time(chapa: RunningSandbox) -> None:
    payments = [PaymentFactory.create(next_check_at=NOW) for _ in range(5)]
    chapa.faults.set({"verify": "500"})

    def sweep(seconds: int) -> dict[str, int]:
        return dict(check_due_payments(lambda: NOW + timedelta(seconds=seconds)))

    assert [sweep(seconds) for seconds in (0, 10, 20)] == [{"NoAnswer": 3}, {}, {}]
    with pytest.raises(GatewayUnavailable):
        verify_payment(
            payment_id=payments[4].id, owner=payments[4].payer, at=NOW + timedelta(seconds=29)
        )
    assert chapa.store.calls(payments[4].tx_ref)["verify"] == 0
    assert sweep(30) == {"NoAnswer": 3}
    chapa.faults.clear()
    assert sweep(60)["Waiting"] >= 2


def test_a_sweep_asks_once_each_time_the_wait_is_over(chapa: RunningSandbox) -> None:
    payments = [PaymentFactory.create(checkout_url="", next_check_at=NOW) for _ in range(3)]
    for payment in payments:
        open_checkout(payment, at=NOW - KEY_REFUSED_FOR)
    chapa.faults.set({"verify": "401"})

    def sweep(seconds: int) -> dict[str, int]:
        return dict(check_due_payments(lambda: NOW + timedelta(seconds=seconds)))

    assert [sweep(seconds) for seconds in (0, 1, 29, 30, 31)] == [
        {"NoAnswer": 1},
        {},
        {},
        {"NoAnswer": 1},
        {},
    ]
    chapa.faults.clear()
    assert sweep(60) == {"Waiting": 3}


def test_the_first_answer_after_the_key_was_put_right_lets_everyone_ask(
    chapa: RunningSandbox,
) -> None:
    payment = PaymentFactory.create()
    chapa.faults.set({"verify": "401"})
    settle_payment(payment_id=payment.id, at=NOW)
    assert key_refused_for(NOW) is not None
    chapa.faults.clear()

    settle_payment(payment_id=payment.id, at=NOW + KEY_REFUSED_FOR - MOMENT)

    assert key_refused_for(NOW + KEY_REFUSED_FOR - MOMENT) is None
