"""Listings and bookings as clients see them."""

from typing import ClassVar

from rest_framework import serializers

from bookings.models import Booking, Cancellation, Listing
from bookings.services.holding import Stay
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


class ListingQuery(RequestBody):
    """Filters; dates come as a pair."""

    city = serializers.CharField(required=False, max_length=60)
    check_in = serializers.DateField(required=False)
    check_out = serializers.DateField(required=False)
    guests = serializers.IntegerField(required=False, min_value=1, max_value=50)
    max_price = serializers.DecimalField(
        required=False, max_digits=10, decimal_places=2, min_value=0
    )
    cursor = serializers.CharField(required=False, max_length=400)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        check_in, check_out = attrs.get("check_in"), attrs.get("check_out")
        if (check_in is None) != (check_out is None):
            missing = "check_out" if check_out is None else "check_in"
            raise serializers.ValidationError({missing: "Dates come as a pair."})
        if check_in is not None and check_out is not None and check_out <= check_in:  # type: ignore[operator]
            raise serializers.ValidationError({"check_out": "At least one night after check_in."})
        return attrs


class StayInput(RequestBody):
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
