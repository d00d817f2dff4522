from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.money import Money


class RequestBody(serializers.Serializer[Any]):
    """A request's shape: what it does not name is refused, so nobody believes they set a status."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(
                {
                    name: [
                        serializers.ErrorDetail("This field is not known here.", "unknown_field")
                    ]
                    for name in unknown
                }
            )
        return super().to_internal_value(data)


@extend_schema_serializer(
    examples=[OpenApiExample("Money", value={"amount": "1250.00", "currency": "ETB"})]
)
class MoneyField(serializers.Serializer[Money]):
    """An amount in major units, as text with two decimals, and its ISO 4217 currency."""

    amount = serializers.DecimalField(max_digits=12, decimal_places=2)
    currency = serializers.CharField(max_length=3)
