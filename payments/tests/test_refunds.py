from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from core.money import Money
from core.rendezvous import meet
from payments.chapa.wire import Outcome
from payments.models import Payment, Refund
from payments.services.refunds import (
    RefundTooLarge,
    cancel_open_payments,
    left_of,
    request_customer_refund,
    request_operator_refund,
    request_system_refund,
)
from payments.tests.cast import answer_about, events_of, write
from payments.tests.factories import NOW, PaymentFactory


def paid() -> Payment:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID))
    payment.refresh_from_db()
    return payment


def birr(amount: int) -> Money:
    return Money(Decimal(amount), "ETB")


@pytest.mark.django_db
def test_a_surplus_goes_back_once_however_often_it_is_noticed() -> None:
    payment = paid()

    with transaction.atomic():
        refunds = [request_system_refund(payment, reason="surplus", at=NOW) for _ in range(3)]

    assert len(set(refunds)) == 1
    refund = Refund.objects.get()
    assert (refund.amount, refund.state, refund.reason) == (Decimal(3700), "requested", "surplus")
    assert events_of(payment) == ["payment.succeeded", "refund.requested"]


@pytest.mark.django_db
def test_no_more_is_ordered_back_than_is_left() -> None:
    payment = paid()

    with transaction.atomic():
        request_customer_refund(payment, birr(2000), reason="booking_cancelled", at=NOW)
        assert left_of(payment) == birr(1700)
        with pytest.raises(RefundTooLarge):
            request_customer_refund(payment, birr(1701), reason="booking_cancelled", at=NOW)
        assert request_system_refund(payment, reason="surplus", at=NOW).amount == 1700
        with pytest.raises(RefundTooLarge):
            request_customer_refund(payment, birr(1), reason="booking_cancelled", at=NOW)

    assert sum(refund.amount for refund in Refund.objects.all()) == 3700


@pytest.mark.django_db
def test_a_failed_order_counts_for_nothing() -> None:
    payment = paid()

    with transaction.atomic():
        request_system_refund(payment, reason="surplus", at=NOW)
        Refund.objects.update(state="failed")

        assert left_of(payment) == birr(3700)
        request_system_refund(payment, reason="surplus", at=NOW)

    assert Refund.objects.count() == 2


@pytest.mark.django_db
def test_what_went_back_already_is_not_ordered_back() -> None:
    payment = paid()
    write(answer_about(payment, Outcome.REFUNDED))
    payment.refresh_from_db()

    with transaction.atomic(), pytest.raises(RefundTooLarge):
        request_system_refund(payment, reason="surplus", at=NOW)


@pytest.mark.django_db
@pytest.mark.parametrize("second", [{}, {"amount": 0}])
def test_the_database_refuses_a_second_system_order_and_an_empty_one(
    second: dict[str, int],
) -> None:
    payment = paid()
    values = {"payment": payment, "amount": 1, "currency": "ETB", "source": "system"}
    Refund.objects.create(**values, reason="surplus", requested_at=NOW)

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.create(**(values | second), reason="surplus", requested_at=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_once_do_not_send_back_more_than_came() -> None:
    payment = paid()
    refused: list[RefundTooLarge] = []

    def order() -> None:
        try:
            request_operator_refund(
                payment_id=payment.id,
                amount=Decimal(2000),
                reason="goodwill",
                person="user:1",
                at=NOW,
            )
        except RefundTooLarge as refusal:
            refused.append(refusal)

    meet(order, order)

    assert (payment.refunds.count(), len(refused)) == (1, 1)


@pytest.mark.django_db
def test_only_pending_payments_are_given_up() -> None:
    pending = PaymentFactory.create()
    settled = paid()

    with transaction.atomic():
        cancel_open_payments([pending, settled], reason="superseded", at=NOW)

    assert (pending.status, pending.failure_reason) == ("cancelled", "superseded")
    assert settled.status == "succeeded"
    assert events_of(pending) == ["payment.cancelled"]
    pending.refresh_from_db()
    assert pending.next_check_at == NOW
