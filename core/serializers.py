from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from core.money import Money

# DRF takes 5 for "5", "5" for 5, "yes" for true, and makes a UUID of any number. JSON writes 2 as
# 2.0 too.
_JSON_TYPES: list[tuple[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...], str]] = [
    (serializers.CharField, (str,), "text"),
    (serializers.UUIDField, (str,), "text"),
    (serializers.ChoiceField, (str,), "text"),
    (serializers.IntegerField, (int, float), "a number"),
    (serializers.BooleanField, (bool,), "true or false"),
]


class Request(serializers.Serializer[Any]):
    """A request's shape: what it does not name is refused, so nobody believes they set a status."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            _refuse({name: ("This field is not known here.", "unknown_field") for name in unknown})
        return super().to_internal_value(data)


class RequestBody(Request):
    """A JSON body's shape, type by type: a number is not text and text is not a number."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            _refuse(
                {
                    name: (f"This is not {words}.", "wrong_type")
                    for name, field in self.fields.items()
                    for kind, expected, words in _JSON_TYPES
                    if isinstance(field, kind)
                    and data.get(name) is not None
                    and type(data[name]) not in expected
                }
            )
        return super().to_internal_value(data)


class QueryString(Request):
    """A query string's shape."""

    @classmethod
    def read(cls, params: QueryDict) -> dict[str, Any]:
        """
        Return what was asked, converted.

        :raises ValidationError: if a name is unknown or comes twice, or a value does not fit.
        """
        _refuse(
            {
                name: ("This comes more than once.", "repeated")
                for name, values in params.lists()
                if len(values) > 1
            }
        )
        query = cls(data=params.dict())
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)


def _refuse(wrong: Mapping[str, tuple[str, str]]) -> None:
    if wrong:
        raise serializers.ValidationError(
            {name: [serializers.ErrorDetail(*said)] for name, said in wrong.items()}
        )


@extend_schema_serializer(
    examples=[OpenApiExample("Money", value={"amount": "1250.00", "currency": "ETB"})]
)
class MoneyField(serializers.Serializer[Money]):
    """An amount in major units, as text with two decimals, and its ISO 4217 currency."""

    amount = serializers.DecimalField(max_digits=12, decimal_places=2)
    currency = serializers.CharField(max_length=3)
