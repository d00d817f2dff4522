"""A payment as its owner sees it."""

from typing import Any

from rest_framework import serializers

from core.serializers import MoneyField
from payments.models import Payment


class PaymentOutput(serializers.Serializer[Payment]):
    """`checkout_url` is a bearer link: null until it is open, and once the payment is not."""

    id = serializers.UUIDField()
    booking = serializers.UUIDField(source="reference")
    tx_ref = serializers.CharField()
    status = serializers.ChoiceField(choices=Payment.Status.choices)
    amount = MoneyField(source="owed")
    refunded = MoneyField()
    checkout_url = serializers.SerializerMethodField()
    gateway_reference = serializers.CharField(allow_null=True)
    mode = serializers.ChoiceField(choices=Payment.Mode.choices)
    failure_reason = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)

    def get_checkout_url(self, payment: Payment) -> str | None:
        return payment.payable_url or None

    def get_failure_reason(self, payment: Payment) -> str | None:
        return payment.failure_reason or None


def without_link(payment: Payment) -> Payment:
    """Return the payment as an operator may see it: a link that pays belongs to its owner."""
    payment.checkout_url = ""
    return payment


def as_json(payment: Payment) -> dict[str, Any]:
    return dict(PaymentOutput(payment).data)
