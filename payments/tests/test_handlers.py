"""What follows a signed webhook, delivered by the engine."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from core.tests.threads import at_once
from events.base import Group
from events.delivery import drain_group
from events.models import Delivery, Receipt
from payments.models import Payment
from payments.services.checkout import open_checkout
from payments.services.closing import expire_payment
from payments.services.leasing import take_lease
from payments.services.recording import cancel_pending
from payments.services.settling import settle_payment
from payments.tests.cast import (
    RunningSandbox,
    at_chapa,
    events_of,
    ledger_of,
    notify,
    post_webhook,
    signed,
)
from payments.tests.factories import NOW, PaymentFactory


@pytest.fixture
def payment(chapa: RunningSandbox) -> Payment:
    payment = PaymentFactory.create(checkout_url="")
    open_checkout(payment, at=NOW)
    chapa.faults.set({"webhook": "off", "callback": "off"})
    return payment


def deliver(after: timedelta = timedelta(0)) -> None:
    drain_group(Group.CHAPA, lambda: timezone.now() + after)


def verified(chapa: RunningSandbox, payment: Payment) -> int:
    return chapa.store.calls(payment.tx_ref)["verify"]


def test_one_question_answers_all_webhooks_that_came_before_it(
    chapa: RunningSandbox, payment: Payment
) -> None:
    for _ in range(5):
        notify(payment.tx_ref, at=timezone.now())

    deliver()
    assert verified(chapa, payment) == 1

    notify(payment.tx_ref, at=timezone.now())
    deliver()
    assert verified(chapa, payment) == 2
    assert Receipt.objects.count() == 6


@pytest.mark.parametrize(
    ("event", "asks"),
    [
        ("charge.refunded", 1),
        ("charge.reversed", 1),
        ("refund.success", 1),
        ("charge.success", 0),
        ("charge.failed/cancelled", 0),
        ("charge.cancelled", 0),
        ("", 0),
    ],
)
def test_the_success_of_anything_but_the_charge_is_news_of_money_that_came(
    chapa: RunningSandbox, payment: Payment, client: Client, event: str, asks: int
) -> None:
    chapa.chapa.pay(at_chapa(chapa, payment))
    settle_payment(payment_id=payment.id, at=NOW)
    body = json.dumps({"event": event, "tx_ref": payment.tx_ref, "status": "success"}).encode()

    assert post_webhook(client, body, **signed(body)).status_code == 200
    assert (Payment.objects.get().hinted_at is not None) == bool(asks)
    deliver()

    assert verified(chapa, payment) == 1 + asks


@pytest.mark.parametrize(
    "claims", [["failed", "success"], ["reversed", "success"], ["success", "failed", "refunded"]]
)
def test_in_whatever_order_webhooks_claim_things_chapas_answer_counts(
    chapa: RunningSandbox, payment: Payment, claims: list[str]
) -> None:
    chapa.chapa.pay(at_chapa(chapa, payment))

    for claim in claims:
        notify(payment.tx_ref, claim, at=timezone.now())
        deliver()

    assert Payment.objects.get().status == "succeeded"
    assert [kind for kind, *_ in ledger_of(payment)] == ["capture"]
    assert events_of(payment) == ["payment.succeeded"]
    assert not Delivery.objects.filter(group=Group.CHAPA).exists()


def test_workers_at_once_ask_once(chapa: RunningSandbox, payment: Payment) -> None:
    for _ in range(12):
        notify(payment.tx_ref, at=timezone.now())
    chapa.faults.set({"latency_s": 0.05})

    at_once(4, lambda _: deliver())
    deliver(after=timedelta(seconds=2))

    assert verified(chapa, payment) == 1
    assert Receipt.objects.count() == 12


@pytest.mark.parametrize("fault", ["500", "html", "401"])
def test_no_answer_is_tried_again_and_planned_for_the_sweep(
    chapa: RunningSandbox, payment: Payment, fault: str
) -> None:
    chapa.faults.set({"verify": fault})
    notify(payment.tx_ref, at=timezone.now())

    deliver()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("retry", 0)
    after = Payment.objects.get()
    assert (after.status, after.asking_until) == ("pending", None)
    assert after.next_check_at is not None
    assert after.next_check_at > timezone.now()

    chapa.faults.set({"verify": "ok"})
    deliver(after=timedelta(seconds=31))
    assert not Delivery.objects.exists()


@pytest.mark.crash
def test_what_a_webhook_tells_outlives_an_outage_of_a_day_and_then_a_person_hears_of_it(
    chapa: RunningSandbox, payment: Payment
) -> None:
    chapa.faults.set({"verify": "500"})
    notify(payment.tx_ref, at=timezone.now())
    for hours in range(24):
        deliver(after=timedelta(hours=hours))
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("retry", 0)
    assert verified(chapa, payment) == 24

    for hours in range(24, 32):
        deliver(after=timedelta(hours=hours))

    assert Delivery.objects.get().state == "dead"


def test_a_chapa_that_wishes_to_be_asked_later_is_asked_later_uncounted(
    chapa: RunningSandbox, payment: Payment
) -> None:
    chapa.faults.set({"verify": "429 later"})
    notify(payment.tx_ref)

    deliver()
    deliver(after=timedelta(seconds=115))

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("retry", 0)
    assert verified(chapa, payment) == 1
    planned = Payment.objects.get().next_check_at
    assert planned is not None
    assert planned > timezone.now() + timedelta(seconds=115)

    chapa.faults.clear()
    deliver(after=timedelta(seconds=121))
    assert not Delivery.objects.exists()


def test_while_someone_else_asks_the_webhook_waits_uncounted(
    chapa: RunningSandbox, payment: Payment
) -> None:
    take_lease(payment.id, timezone.now())
    notify(payment.tx_ref, at=timezone.now())

    deliver()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("retry", 0)
    assert verified(chapa, payment) == 0


@pytest.mark.crash
@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_given_up_link_is_closed_however_long_chapa_is_away(
    chapa: RunningSandbox, payment: Payment, end: str
) -> None:
    began = timezone.now()
    with transaction.atomic():
        if end == "expired":
            expire_payment(payment_id=payment.id, at=began)
        else:
            cancel_pending(Payment.objects.get(), reason="superseded", at=began)
    chapa.faults.set({"cancel": "500"})
    at = began
    while at < began + timedelta(hours=5):
        deliver(at - began)
        debt = Delivery.objects.get(handler="close_cancelled_link")
        assert debt.state == "retry"
        at = debt.next_at + timedelta(seconds=1)
    chapa.faults.clear()

    deliver(at - began)

    assert Payment.objects.get().link_closed_at is not None
    assert not Delivery.objects.filter(handler="close_cancelled_link").exists()
