import json
from collections.abc import Callable
from decimal import Decimal
from inspect import getmembers, isfunction

import pytest
from django.db import transaction

from core.transactions import NetworkInTransaction
from payments import gateway
from payments.models import GatewayCall, Payment, Refund
from payments.services.checkout import open_checkout
from payments.services.closing import close_link
from payments.services.refund_sending import submit_refund
from payments.services.refunding import settle_refund
from payments.services.refunds import request_operator_refund, request_system_refund
from payments.services.settling import ask_chapa, settle_payment
from payments.tests.cast import RunningSandbox, at_chapa
from payments.tests.factories import NOW, PaymentFactory

# How each call of the front is made: one that is added and not here fails below.
CALLS: dict[str, Callable[[Payment, Refund], object]] = {
    "initialize": lambda payment, _: open_checkout(payment, at=NOW),
    "verify": lambda payment, _: gateway.verify(payment, NOW),
    "cancel": lambda payment, _: gateway.cancel(payment, NOW),
    "refund": lambda _, order: gateway.refund(order, NOW),
    "verify_refund": lambda _, order: gateway.verify_refund(order, NOW),
    "list_transactions": lambda *_: gateway.list_transactions(1),
}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, call in getmembers(gateway, isfunction)
        if call.__module__ == gateway.__name__ and not name.startswith("_")
    ],
)
def test_no_call_is_made_inside_a_transaction(chapa: RunningSandbox, name: str) -> None:
    payment = PaymentFactory.create(
        status="succeeded", captured_amount=Decimal(3700), gateway_reference="AP1"
    )
    order = request_operator_refund(
        payment_id=payment.id, amount=None, reason="goodwill", person="user:1", at=NOW
    )

    with pytest.raises(NetworkInTransaction), transaction.atomic():
        CALLS[name](payment, order)

    assert chapa.store.called_references() == []
    assert not GatewayCall.objects.exists()


def test_no_money_is_sent_back_inside_a_transaction(chapa: RunningSandbox) -> None:
    payment = PaymentFactory.create(
        status="succeeded", captured_amount=Decimal(3700), gateway_reference="AP1"
    )
    with transaction.atomic():
        order = request_system_refund(payment, reason="surplus", at=NOW)

    for call in (submit_refund, settle_refund):
        with pytest.raises(NetworkInTransaction), transaction.atomic():
            call(refund_id=order.id, at=NOW)

    order.refresh_from_db()
    assert order.state == "requested"
    assert chapa.store.refunds() == []
    assert not GatewayCall.objects.exists()


def test_a_checkout_is_not_opened_inside_a_transaction(chapa: RunningSandbox) -> None:
    payment = PaymentFactory.create(checkout_url="")

    with pytest.raises(NetworkInTransaction), transaction.atomic():
        open_checkout(payment, at=NOW)

    assert chapa.store.called_references() == []


@pytest.mark.django_db(transaction=True)
def test_a_refused_ask_gives_the_lease_back() -> None:
    payment = PaymentFactory.create()

    with pytest.raises(NetworkInTransaction), transaction.atomic():
        ask_chapa(payment_id=payment.id, at=NOW)

    assert Payment.objects.get().asking_until is None


def test_every_call_leaves_evidence_that_names_nobody(chapa: RunningSandbox) -> None:
    payment = PaymentFactory.create(checkout_url="", payer__first_name="Tigist")
    open_checkout(payment, at=NOW)
    chapa.chapa.pay(at_chapa(chapa, payment))
    settle_payment(payment_id=payment.id, at=NOW)
    close_link(payment, NOW)

    calls = list(GatewayCall.objects.order_by("id"))
    told = json.dumps([call.evidence for call in calls])

    assert [(call.kind, call.outcome) for call in calls] == [
        ("initialize", "opened"),
        ("verify", "paid"),
        ("cancel", "refused"),
    ]
    assert '"amount": "3700"' in told
    payment.refresh_from_db()
    for secret in (
        payment.payer.email,
        payment.payer.phone_number,
        "Tigist",
        payment.payer.last_name,
        payment.checkout_url,
        "/return/",
    ):
        assert secret not in told
