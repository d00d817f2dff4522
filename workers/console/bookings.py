"""Where operators say why a stay without its money may stand."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings.models import Booking
from bookings.services.attention import BookingNotFlagged, resolve_booking
from bookings.services.looking import BookingUnknown
from core.errors import ReasonMissing
from core.schema import refuses
from workers.console.deciding import Reason, decide
from workers.console.permissions import MayDecideAboutMoney


class FlaggedBookingOutput(serializers.ModelSerializer[Booking]):
    """What a person was asked about a booking, and what persons said."""

    class DecisionOutput(serializers.Serializer[Any]):
        at = serializers.DateTimeField()
        person = serializers.CharField()
        reason = serializers.CharField()
        attention = serializers.CharField()

    decisions = DecisionOutput(many=True)

    class Meta:
        model = Booking
        fields: ClassVar = ["id", "code", "status", "paid_by", "attention", "decisions"]


class BookingResolution(APIView):
    """Say why a confirmed stay whose money went back may stand as it is."""

    permission_classes = (MayDecideAboutMoney,)

    @extend_schema(
        operation_id="resolve_booking",
        request=Reason,
        examples=[
            OpenApiExample("Cash", value={"reason": "paid the host in cash"}, request_only=True)
        ],
        responses=FlaggedBookingOutput,
        extensions=refuses(403, BookingUnknown, ReasonMissing, BookingNotFlagged),
    )
    def post(self, request: Request, booking_id: UUID) -> Response:
        booking = decide(request, Reason, resolve_booking, booking_id=booking_id)
        return Response(FlaggedBookingOutput(booking).data)
