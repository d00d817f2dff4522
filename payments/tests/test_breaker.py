"""When nobody asks Chapa: after silences in a row, and after it refused our key."""

from datetime import timedelta

import pytest

from payments.models import GatewayCall
from payments.services.breaker import KEY_REFUSED_FOR, Breaker, key_refused_for
from payments.services.checkout import open_checkout
from payments.services.reconciling import check_due_payments
from payments.services.settling import settle_payment
from payments.tests.cast import RunningSandbox
from payments.tests.factories import NOW, PaymentFactory

MOMENT = timedelta(microseconds=1)


def test_only_silences_in_a_row_open_the_breaker() -> None:
    breaker = Breaker()
    for answered in (False, False, True, False, False):
        breaker.note(answered=answered)
        assert not breaker.is_open
    breaker.note(answered=False)

    assert breaker.is_open


def call(kind: str, outcome: str, *, ago: timedelta = timedelta(0), mode: str = "test") -> None:
    GatewayCall.objects.create(
        payment=PaymentFactory.create(mode=mode),
        kind=kind,
        asked_at=NOW - ago,
        took_ms=1,
        outcome=outcome,
        evidence={},
        actor="test",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["initialize", "verify"])
def test_a_refused_key_is_not_tried_for_a_while(kind: str) -> None:
    call(kind, "config_error")

    assert key_refused_for(NOW) == KEY_REFUSED_FOR
    assert key_refused_for(NOW + KEY_REFUSED_FOR - MOMENT) == MOMENT
    assert key_refused_for(NOW + KEY_REFUSED_FOR) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "outcome"), [("verify", "pending"), ("initialize", "opened"), ("verify", "transient")]
)
def test_any_newer_answer_that_is_no_refusal_lets_everyone_ask(kind: str, outcome: str) -> None:
    call("initialize", "config_error", ago=timedelta(seconds=2))
    call(kind, outcome, ago=timedelta(seconds=1))

    assert key_refused_for(NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "mode"), [("cancel", "test"), ("verify", "live"), ("initialize", "live")]
)
def test_a_refusal_that_is_not_about_our_key_stops_nobody(kind: str, mode: str) -> None:
    call(kind, "config_error", mode=mode)

    assert key_refused_for(NOW) is None


@pytest.mark.parametrize("fault", ["401", "403"])
def test_a_sweep_asks_once_each_time_the_wait_is_over(chapa: RunningSandbox, fault: str) -> None:
    payments = [PaymentFactory.create(checkout_url="", next_check_at=NOW) for _ in range(3)]
    for payment in payments:
        open_checkout(payment_id=payment.id, at=NOW - KEY_REFUSED_FOR)
    chapa.faults.set({"verify": fault})

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
    payment = PaymentFactory.create(checkout_url="")
    chapa.faults.set({"initialize": "401"})
    open_checkout(payment_id=payment.id, at=NOW)
    assert key_refused_for(NOW) is not None

    settle_payment(payment_id=payment.id, at=NOW + KEY_REFUSED_FOR)

    assert key_refused_for(NOW + KEY_REFUSED_FOR) is None
