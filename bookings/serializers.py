"""Listings and bookings as clients see them."""

import re
from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bookings.models import Booking, Cancellation, Listing
from bookings.services.holding import Stay, StayInvalid, wrong_dates
from core.pagination import PageQuery
from core.serializers import MoneyField, RequestBody


class ListingOutput(serializers.ModelSerializer[Listing]):
    nightly_price = MoneyField(source="nightly")

    class Meta:
        model = Listing
        fields: ClassVar = [
            "id",
            "slug",
            "name",
            "kind",
            "city",
            "region",
            "area",
            "description",
            "sleeps",
            "nightly_price",
            "amenities",
            "cancellation",
        ]


@extend_schema_field({"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,2})?$"})
class Birr(serializers.CharField):
    """An amount as text, `3700` or `3700.00`: no sign and no exponent."""

    default_error_messages: ClassVar = {"invalid": "Write it like 3700 or 3700.00."}

    def to_internal_value(self, data: Any) -> Any:
        if not re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,2})?", str(data)):
            self.fail("invalid")
        return Decimal(data)


class ListingQuery(PageQuery):
    """Filters; dates come as a pair, and can be booked."""

    city = serializers.CharField(required=False, max_length=60)
    check_in = serializers.DateField(required=False)
    check_out = serializers.DateField(required=False)
    guests = serializers.IntegerField(required=False, min_value=1, max_value=50)
    max_price = Birr(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        check_in, check_out = attrs.get("check_in"), attrs.get("check_out")
        if (check_in is None) != (check_out is None):
            missing = "/check_out" if check_out is None else "/check_in"
            raise StayInvalid(pointers={missing: "Dates come as a pair."})
        now = timezone.now()
        if check_in and check_out and (wrong := wrong_dates(check_in, check_out, now)):
            raise StayInvalid(pointers=wrong)
        return attrs


class StayInput(RequestBody):
    """Nights of one place; the price is the place's own."""

    listing = serializers.UUIDField()
    check_in = serializers.DateField()
    check_out = serializers.DateField()
    guests = serializers.IntegerField(min_value=1, max_value=50)

    def stay(self) -> Stay:
        data = self.validated_data
        return Stay(data["listing"], data["check_in"], data["check_out"], data["guests"])


class BookingOutput(serializers.Serializer[Booking]):
    """A stay; price and terms are the ones it was held with."""

    id = serializers.UUIDField()
    code = serializers.CharField()
    status = serializers.ChoiceField(choices=Booking.Status.choices)
    listing = serializers.UUIDField(source="listing_id")
    listing_name = serializers.CharField(source="listing.name")
    city = serializers.CharField(source="listing.city")
    check_in = serializers.DateField()
    check_out = serializers.DateField()
    guests = serializers.IntegerField()
    nights = serializers.IntegerField()
    total = MoneyField()
    cancellation = serializers.ChoiceField(choices=Cancellation.choices)
    hold_expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField(allow_null=True)
