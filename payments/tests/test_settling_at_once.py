"""Many at once, on real connections, against the local Chapa."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from core.tests.threads import at_once
from payments.chapa.wire import Outcome
from payments.models import Payment
from payments.services.checkout import open_checkout
from payments.services.leasing import PaymentBusy
from payments.services.settling import Answer, settle_payment
from payments.settlement import Mismatched, Paid, Verdict
from payments.tests.cast import (
    RunningSandbox,
    answer_about,
    at_chapa,
    events_of,
    ledger_of,
    write,
)
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db(transaction=True)


def write_one(answers: list[Answer], number: int) -> Verdict:
    return write(answers[number])


def paid_payment(chapa: RunningSandbox) -> Payment:
    payment = PaymentFactory.create(checkout_url="")
    open_checkout(payment, at=NOW)
    chapa.faults.set({"webhook": "off", "callback": "off"})
    chapa.chapa.pay(at_chapa(chapa, payment))
    return payment


def test_fifty_settle_one_paid_payment_and_it_is_captured_once(chapa: RunningSandbox) -> None:
    payment = paid_payment(chapa)

    def settle(_: int) -> str:
        try:
            return type(settle_payment(payment_id=payment.id, at=NOW)).__name__
        except PaymentBusy:
            return "busy"

    verdicts = Counter(at_once(50, settle))

    assert verdicts["Paid"] >= 1
    assert set(verdicts) <= {"Paid", "busy"}
    assert len(ledger_of(payment)) == 1
    assert events_of(payment) == ["payment.succeeded"]


def test_fifty_answers_written_at_once_are_captured_once() -> None:
    payment = PaymentFactory.create()
    answers = [
        answer_about(payment, Outcome.PAID, asked_at=NOW + timedelta(seconds=n)) for n in range(50)
    ]

    verdicts = at_once(50, lambda n: write(answers[n]))

    assert verdicts == [Paid()] * 50
    assert len(ledger_of(payment)) == 1
    assert events_of(payment) == ["payment.succeeded"]


def test_yes_and_no_at_once_end_in_yes() -> None:
    for _ in range(2):
        payment = PaymentFactory.create()
        outcomes = [Outcome.PAID, Outcome.FAILED, Outcome.PENDING, Outcome.CANCELLED] * 2
        answers = [answer_about(payment, outcome) for outcome in outcomes]

        at_once(len(answers), partial(write_one, answers))

        payment.refresh_from_db()
        assert payment.status == "succeeded"
        assert events_of(payment)[-1] == "payment.succeeded"
        assert len(ledger_of(payment)) == 1


def test_right_and_wrong_money_for_one_booking_at_once_are_both_kept() -> None:
    older = PaymentFactory.create(status="failed")
    newer = PaymentFactory.create(reference=older.reference)
    answers = [
        answer_about(older, Outcome.PAID, amount=Decimal(37)),
        answer_about(newer, Outcome.PAID),
    ]

    verdicts = at_once(2, lambda n: write(answers[n]))

    assert [type(verdict) for verdict in verdicts] == [Mismatched, Paid]
    older.refresh_from_db()
    newer.refresh_from_db()
    assert (older.status, newer.status) == ("in_review", "succeeded")
