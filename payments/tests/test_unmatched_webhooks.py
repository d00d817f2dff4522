"""Webhooks that name no payment of ours: looked for again, then put before a person."""

from datetime import timedelta

import pytest
from django.test import Client

from events.base import Group
from events.delivery import drain_group
from events.models import Delivery, Receipt
from payments.models import IncomingWebhook, Payment
from payments.services.checkout import open_checkout
from payments.tests.cast import RunningSandbox, at_chapa, notify, post_webhook, signed
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "guzo-unknown"
LOOKS = [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=6)]


def deliver(after: timedelta = timedelta(0)) -> None:
    drain_group(Group.CHAPA, lambda: NOW + after)


def matching() -> str:
    return IncomingWebhook.objects.get().matching


def test_it_is_looked_for_after_1_5_and_30_minutes_and_6_hours_and_then_parked(
    chapa: RunningSandbox,
) -> None:
    notify(UNKNOWN)
    deliver()

    for look in LOOKS:
        debt = Delivery.objects.get()
        assert (debt.state, debt.attempts, debt.next_at) == ("retry", 0, NOW + look)
        assert matching() == "unmatched"
        deliver(look)

    assert matching() == "parked"
    assert not Delivery.objects.exists()
    assert Receipt.objects.count() == 1
    assert chapa.store.called_references() == []


def test_workers_that_were_away_for_a_day_park_it_at_the_first_look(chapa: RunningSandbox) -> None:
    notify(UNKNOWN)

    deliver(timedelta(days=1))

    assert matching() == "parked"


@pytest.mark.parametrize("look", LOOKS)
def test_a_payment_that_turns_up_meanwhile_is_settled(
    chapa: RunningSandbox, look: timedelta
) -> None:
    payment = PaymentFactory.build(payer=None, checkout_url="")
    notify(payment.tx_ref)
    deliver()
    Delivery.objects.update(next_at=NOW + look)
    payment = PaymentFactory.create(id=payment.id, checkout_url="")
    chapa.faults.set({"webhook": "off", "callback": "off"})
    open_checkout(payment, at=NOW)
    chapa.chapa.pay(at_chapa(chapa, payment))

    deliver(look)

    assert Payment.objects.get().status == "succeeded"
    assert matching() == "matched"


def test_one_about_a_payment_of_ours_is_matched_when_it_comes(chapa: RunningSandbox) -> None:
    notify(PaymentFactory.create(status="succeeded").tx_ref)
    assert matching() == "matched"

    deliver()

    assert matching() == "matched"


def test_one_without_a_tx_ref_is_looked_for_nowhere(client: Client, chapa: RunningSandbox) -> None:
    body = b'{"event":"payout.success","type":"Payout","reference":"merchant-1","status":"success"}'
    assert post_webhook(client, body, **signed(body)).status_code == 200

    deliver(timedelta(days=365))

    assert matching() == ""
    assert not Delivery.objects.exists()


def test_those_that_name_no_payment_are_counted(client: Client) -> None:
    for state in ("matched", "parked", "parked", "unmatched"):
        webhook_id = notify(UNKNOWN)
        IncomingWebhook.objects.filter(id=webhook_id).update(matching=state)

    page = client.get("/metrics").content.decode()

    assert 'guzo_webhooks_astray{matching="parked"} 2.0' in page
    assert 'guzo_webhooks_astray{matching="unmatched"} 1.0' in page
    assert 'matching="matched"' not in page
