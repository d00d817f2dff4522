"""The webhook that Chapa sends us, as OpenAPI 3.1 describes it."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiWebhook, extend_schema
from rest_framework import serializers


class ChargeWebhook(serializers.Serializer[object]):
    """A flat object; more members come along. Only `tx_ref` is used, to know whom to ask about."""

    event = serializers.CharField(help_text="charge.success, charge.failed/cancelled, …")
    tx_ref = serializers.CharField()
    reference = serializers.CharField(help_text="Chapa's own")
    status = serializers.CharField()
    amount = serializers.CharField(help_text="two decimals, as text")
    currency = serializers.CharField()
    mode = serializers.CharField()


charge_webhook = OpenApiWebhook(
    name="chapa_charge",
    decorator=extend_schema(
        summary="Chapa tells that a payment has news",
        description=(
            "Sent by Chapa to /webhooks/chapa, signed over the raw body. It is a hint: Guzo asks "
            "Chapa's verify and believes only that. Answer 200 means kept; anything else makes "
            "Chapa send it again."
        ),
        tags=["webhooks"],
        auth=[],
        request=ChargeWebhook,
        responses={200: None, 400: None, 401: None, 413: None, 415: None, 429: None},
        examples=[
            OpenApiExample(
                "Paid",
                value={
                    "event": "charge.success",
                    "tx_ref": "guzo-6f1c0f5e9d8b4c2f8a7e3b1d0c9f8e7d",
                    "reference": "AP634JFwEbxd",
                    "status": "success",
                    "amount": "3700.00",
                    "currency": "ETB",
                    "mode": "test",
                },
            )
        ],
    ),
)


def describe_signature(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Name the header that proves a webhook: drf-spectacular leaves out a webhook's parameters."""
    result["webhooks"]["chapa_charge"]["post"]["parameters"] = [
        {
            "in": "header",
            "name": settings.CHAPA_SIGNATURE_HEADER,
            "required": True,
            "description": "Lower-case hex HMAC-SHA256 of the raw body with the webhook secret.",
            "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }
    ]
    return result
