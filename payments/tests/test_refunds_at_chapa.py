"""Refunds over a real socket, from the order to the end, whatever Chapa says and whoever dies."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from threading import Thread

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from pytest_django.fixtures import Settings

from core.failpoints import Failpoint, listening
from core.tests.threads import at_once
from events.base import Group
from events.delivery import drain_group
from events.models import Delivery
from events.retry import MAX_ATTEMPTS
from payments.chapa.sandbox.refunds import RefundState
from payments.chapa.sandbox.transactions import Status
from payments.chapa.wire import Outcome
from payments.models import GatewayCall, Payment, Refund
from payments.services.checkout import open_checkout
from payments.services.refund_sending import submit_refund
from payments.services.refunding import check_due_refunds
from payments.services.refunds import request_operator_refund
from payments.services.settling import settle_payment
from payments.tests.cast import RunningSandbox, at_chapa, ledger_of, verification_of
from payments.tests.factories import NOW, PaymentFactory

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)


@pytest.fixture
def payment(chapa: RunningSandbox) -> Payment:
    chapa.faults.set({"webhook": "off", "callback": "off", "test_refunds": "on"})
    payment = PaymentFactory.create(checkout_url="")
    open_checkout(payment, at=NOW)
    chapa.chapa.pay(at_chapa(chapa, payment))
    settle_payment(payment_id=payment.id, at=NOW)
    payment.refresh_from_db()
    return payment


def order(payment: Payment, amount: int | None = None) -> Refund:
    return request_operator_refund(
        payment_id=payment.id,
        amount=None if amount is None else Decimal(amount),
        reason="goodwill",
        person="user:1",
        at=NOW,
    )


def deliver(after: timedelta = timedelta(0)) -> None:
    drain_group(Group.CHAPA, lambda: NOW + after)


def look(after: timedelta = DAY) -> None:
    check_due_refunds(lambda: NOW + after)


def look_and_leave() -> None:
    look()
    connection.close()


def asked(payment: Payment) -> int:
    return GatewayCall.objects.filter(payment=payment, kind="refund").count()


def end_all(chapa: RunningSandbox, end: RefundState = RefundState.REFUNDED) -> None:
    for refund in chapa.store.refunds():
        chapa.chapa.settle_refund(refund, end)


def sent_back(chapa: RunningSandbox) -> Decimal:
    return sum((each.amount for each in chapa.store.refunds()), Decimal(0))


def test_an_order_is_taken_watched_and_ended(chapa: RunningSandbox, payment: Payment) -> None:
    refund = order(payment, 700)
    deliver()
    refund.refresh_from_db()
    (there,) = chapa.store.refunds()
    assert (refund.state, refund.gateway_reference) == ("submitted", there.ref_id)
    assert (there.amount, there.reference) == (Decimal(700), refund.reference)
    look()
    refund.refresh_from_db()
    assert refund.state == "submitted"

    end_all(chapa)
    look(2 * DAY)

    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount) == ("partially_refunded", Decimal(700))
    assert ledger_of(payment)[1:] == [("refund", Decimal(700), "ETB")]
    assert asked(payment) == 1


def test_in_test_mode_a_person_gets_it(chapa: RunningSandbox, payment: Payment) -> None:
    chapa.faults.set({"test_refunds": "off"})
    refund = order(payment)
    deliver()

    refund.refresh_from_db()
    assert (refund.state, refund.failure_reason) == ("failed", "refund_refused_in_test_mode")


@pytest.mark.parametrize("fault", ["500", "html", "null", "lose"])
@pytest.mark.parametrize("effect", ["off", "on"])
def test_what_chapa_left_open_is_never_asked_for_again_and_ends_once(
    chapa: RunningSandbox, payment: Payment, fault: str, effect: str
) -> None:
    """`on`: Chapa took the order, and lost its answer. `lose` always does."""
    chapa.faults.set({"refund": fault, "effect": effect})
    refund = order(payment)
    for hours in (0, 1, 12):
        deliver(timedelta(hours=hours))
    chapa.faults.set({"refund": "ok", "effect": "off"})
    end_all(chapa)
    for days in (1, 5, 11):
        look(days * DAY)
    settle_payment(payment_id=payment.id, at=NOW + 12 * DAY)

    refund.refresh_from_db()
    payment.refresh_from_db()
    assert asked(payment) == 1
    took_it = bool(chapa.store.refunds())
    assert took_it == (effect == "on" or fault == "lose")
    expected = ("succeeded", "refunded") if took_it else ("unknown", "succeeded")
    assert (refund.state, payment.status) == expected
    assert payment.refunded_amount == sent_back(chapa)


def test_an_answer_without_its_name_is_found_by_what_became_of_the_payment(
    chapa: RunningSandbox, payment: Payment
) -> None:
    chapa.faults.set({"refund": "no_ref_id"})
    refund = order(payment)
    deliver()
    end_all(chapa)
    look()
    settle_payment(payment_id=payment.id, at=NOW + 2 * DAY)

    refund.refresh_from_db()
    assert refund.state == "succeeded"
    assert ledger_of(payment)[1:] == [("refund", Decimal(3700), "ETB")]


@pytest.mark.parametrize("trouble", ["nobody listens", "429", "401"])
def test_what_certainly_did_not_reach_chapa_is_asked_when_it_is_back(
    chapa: RunningSandbox, payment: Payment, settings: Settings, trouble: str
) -> None:
    if trouble == "nobody listens":
        settings.CHAPA_BASE_URL = "http://127.0.0.1:9/v1"
    else:
        chapa.faults.set({"refund": trouble})
    refund = order(payment)
    deliver()
    refund.refresh_from_db()
    assert refund.state == "requested"

    settings.CHAPA_BASE_URL = chapa.base_url
    chapa.faults.set({"refund": "ok"})
    deliver(timedelta(hours=1))

    refund.refresh_from_db()
    assert refund.state == "submitted"
    assert sent_back(chapa) == 3700


@pytest.mark.parametrize("trouble", ["500", "timeout", "html"])
def test_an_order_is_not_sent_into_an_outage(
    chapa: RunningSandbox, payment: Payment, settings: Settings, trouble: str
) -> None:
    patience = settings.CHAPA_TIMEOUTS_S
    settings.CHAPA_TIMEOUTS_S = (0.05, 0.05)
    chapa.faults.set(dict.fromkeys(("verify", "refund", "verify_refund"), trouble))
    refund = order(payment)
    for minutes in (0, 1, 10, 60):
        deliver(timedelta(minutes=minutes))
    refund.refresh_from_db()
    assert (refund.state, asked(payment)) == ("requested", 0)

    chapa.faults.clear()
    chapa.faults.set({"test_refunds": "on"})
    settings.CHAPA_TIMEOUTS_S = patience
    deliver(timedelta(minutes=75))

    refund.refresh_from_db()
    assert refund.state == "submitted"


@pytest.mark.parametrize("trouble", ["500", "401"])
def test_an_order_that_chapa_never_heard_of_is_a_persons_after_ten_days(
    chapa: RunningSandbox, payment: Payment, trouble: str
) -> None:
    chapa.faults.set({"verify": trouble})
    refund = order(payment)
    deliver()
    deliver(9 * DAY)
    assert Delivery.objects.get(handler="send_refund").attempts == 0

    for hours in range(MAX_ATTEMPTS):
        deliver(10 * DAY + timedelta(hours=hours))

    refund.refresh_from_db()
    assert (refund.state, asked(payment)) == ("requested", 0)
    assert Delivery.objects.get(handler="send_refund").state == "dead"


def test_an_order_is_sent_whatever_chapa_calls_the_payment(
    chapa: RunningSandbox, payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = order(payment, 700)
    odd = verification_of(payment, Outcome.UNRECOGNISED)
    monkeypatch.setattr("payments.chapa.client.ChapaClient.verify", lambda client, tx_ref: odd)

    deliver()

    refund.refresh_from_db()
    assert (refund.state, sent_back(chapa)) == ("submitted", Decimal(700))


def test_what_chapa_cannot_be_asked_for_is_a_persons_and_not_in_doubt(
    chapa: RunningSandbox, payment: Payment
) -> None:
    refund = order(payment)
    Refund.objects.update(currency="KES")

    deliver()

    refund.refresh_from_db()
    assert (refund.state, refund.failure_reason) == ("failed", "currency_not_refundable")
    assert asked(payment) == 0


def test_money_that_went_back_meanwhile_is_not_sent_again_and_a_person_decides(
    chapa: RunningSandbox, payment: Payment
) -> None:
    refund = order(payment)
    chapa.chapa.refund(at_chapa(chapa, payment))

    deliver()
    settle_payment(payment_id=payment.id, at=NOW + DAY)

    refund.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.state, refund.failure_reason) == ("unknown", "more_than_is_left")
    assert (payment.status, sent_back(chapa)) == ("succeeded", Decimal(0))


def test_the_rest_is_asked_for_though_the_payment_is_called_refunded_since_a_part_went(
    chapa: RunningSandbox, payment: Payment
) -> None:
    order(payment, 1850)
    deliver()
    end_all(chapa)
    look()
    rest = order(payment)
    call_it_refunded = partial(replace, status=Status.REFUNDED)
    chapa.store.change(at_chapa(chapa, payment), call_it_refunded)
    settle_payment(payment_id=payment.id, at=NOW + DAY)
    rest.refresh_from_db()
    assert (rest.state, rest.amount) == ("requested", Decimal(1850))

    deliver(2 * DAY)

    rest.refresh_from_db()
    payment.refresh_from_db()
    assert (rest.state, asked(payment)) == ("unknown", 2)
    assert (payment.status, payment.refunded_amount) == ("partially_refunded", sent_back(chapa))


def test_a_look_that_chapa_did_not_answer_is_none(chapa: RunningSandbox, payment: Payment) -> None:
    refund = order(payment)
    deliver()
    chapa.faults.set({"verify_refund": "500"})
    look(timedelta(hours=1))
    end_all(chapa)
    chapa.faults.set({"verify_refund": "ok"})

    look(timedelta(hours=1, minutes=6))

    refund.refresh_from_db()
    assert refund.state == "succeeded"


def test_many_workers_ask_once(chapa: RunningSandbox, payment: Payment) -> None:
    refund = order(payment)

    answers = at_once(8, lambda _: submit_refund(refund_id=refund.id, at=NOW))

    assert len([answer for answer in answers if answer]) == 1
    assert (asked(payment), len(chapa.store.refunds())) == (1, 1)


def test_many_looks_at_once_ask_once_and_end_it_once(
    chapa: RunningSandbox, payment: Payment
) -> None:
    order(payment)
    deliver()
    end_all(chapa)

    at_once(6, lambda _: look())

    assert GatewayCall.objects.filter(kind="refund_check").count() == 1
    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount) == ("refunded", Decimal(3700))


def test_an_order_that_another_look_is_claiming_is_passed_over(
    chapa: RunningSandbox, payment: Payment
) -> None:
    refund = order(payment)
    deliver()
    end_all(chapa)

    with transaction.atomic():
        Refund.objects.select_for_update().get(id=refund.id)
        late = Thread(target=look_and_leave)
        late.start()
        late.join(timeout=1)
        waited = late.is_alive()
    late.join()

    assert not waited
    assert not GatewayCall.objects.filter(kind="refund_check").exists()


class WorkerDies(BaseException):
    pass


@pytest.mark.parametrize("place", ["refund.marked", "refund.asked", "refund.looked"])
def test_a_worker_that_dies_sends_nothing_twice(
    chapa: RunningSandbox, payment: Payment, place: Failpoint
) -> None:
    def die(name: Failpoint) -> None:
        if name == place:
            raise WorkerDies

    def work() -> None:
        deliver()
        end_all(chapa)
        look()

    refund = order(payment)
    with listening(die), pytest.raises(WorkerDies):
        work()
    for hours in (1, 2):
        deliver(timedelta(hours=hours))
    for each in chapa.store.refunds():
        if each.moves_at is not None:
            chapa.chapa.settle_refund(each, RefundState.REFUNDED)
    for days in (1, 5, 11):
        look(days * DAY)
    settle_payment(payment_id=payment.id, at=NOW + 12 * DAY)

    payment.refresh_from_db()
    refund.refresh_from_db()
    assert len(chapa.store.refunds()) == (place != "refund.marked")
    assert refund.state == ("unknown" if place == "refund.marked" else "succeeded")
    assert payment.refunded_amount == sent_back(chapa)
    entries = payment.ledger.filter(kind="refund").aggregate(sum=Sum("amount"))["sum"] or 0
    assert entries == payment.refunded_amount


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        ("ok", "submitted", ""),
        ("insufficient", "failed", "refund_refused"),
        ("401", "requested", ""),
        ("500", "unknown", ""),
    ],
)
def test_what_chapa_said_to_a_worker_that_died_is_not_lost(
    chapa: RunningSandbox, payment: Payment, fault: str, state: str, reason: str
) -> None:
    def die(name: Failpoint) -> None:
        if name == "refund.asked":
            raise WorkerDies

    chapa.faults.set({"refund": fault})
    refund = order(payment, 700)
    with listening(die), pytest.raises(WorkerDies):
        deliver()

    deliver(timedelta(hours=1))

    refund.refresh_from_db()
    assert (refund.state, refund.failure_reason, asked(payment)) == (state, reason, 1)
    assert bool(refund.gateway_reference) == (fault == "ok")


def test_all_that_came_back_to_us_is_ours_again(chapa: RunningSandbox, payment: Payment) -> None:
    refund = order(payment)
    deliver()
    end_all(chapa, RefundState.REVERSED)
    look()

    refund.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.state, refund.failure_reason) == ("failed", "refund_reversed")
    assert (payment.status, payment.refunded_amount) == ("succeeded", Decimal(0))
