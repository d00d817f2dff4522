"""The doors of the trade."""

from dataclasses import fields
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings.models import Booking, Listing
from bookings.serializers import BookingOutput, ListingOutput, ListingQuery, StayInput
from bookings.services import ending, holding, looking, paying
from bookings.services.ending import BookingNotCancellable
from bookings.services.holding import (
    DatesUnavailable,
    ListingUnknown,
    StayInvalid,
    TooManyHolds,
)
from bookings.services.looking import BookingUnknown
from bookings.services.paying import (
    BookingNotPayable,
    GatewayRefused,
    Started,
    TooManyPayments,
)
from core import idempotency
from core.accounts import AccountClosed
from core.errors import TooMany
from core.idempotency import IdempotencyKeyMissing, IdempotencyKeyReused, key_of
from core.models import User
from core.pagination import CursorInvalid, PageQuery
from core.schema import EMPTY_BODY, key_parameter, refuses
from core.serializers import RequestBody
from core.throttling import spend
from payments.serializers import PaymentOutput
from payments.services import status
from payments.services.breaker import GatewayUnavailable
from payments.services.checkout import AmountNotCollectable


class Listings(ListAPIView[Listing]):
    """Places to stay that fit, and are free on the nights asked for."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    serializer_class = ListingOutput

    @extend_schema(
        operation_id="find_listings",
        parameters=[ListingQuery],
        auth=[],
        extensions=refuses(StayInvalid, CursorInvalid),
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[Listing]:
        asked = ListingQuery.read(self.request.query_params)
        wanted = {each.name: asked.get(each.name) for each in fields(looking.Search)}
        return looking.find_listings(looking.Search(**wanted))


class OneListing(APIView):
    """One place to stay."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="get_listing",
        responses=ListingOutput,
        auth=[],
        extensions=refuses(ListingUnknown),
    )
    def get(self, request: Request, listing_id: UUID) -> Response:
        listing = looking.find_listings(looking.Search()).filter(id=listing_id).first()
        if listing is None:
            raise ListingUnknown
        return Response(ListingOutput(listing).data)


class Bookings(ListAPIView[Booking]):
    """A traveller's stays."""

    serializer_class = BookingOutput

    def get_queryset(self) -> QuerySet[Booking]:
        PageQuery.read(self.request.query_params)
        return looking.bookings_of(_traveller(self.request))

    @extend_schema(
        operation_id="list_bookings",
        parameters=[PageQuery],
        responses=BookingOutput(many=True),
        extensions=refuses(CursorInvalid),
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(
        operation_id="hold_booking",
        parameters=[key_parameter(required=False)],
        request=StayInput,
        responses={201: BookingOutput},
        extensions=refuses(
            ListingUnknown,
            StayInvalid,
            DatesUnavailable,
            TooMany,
            TooManyHolds,
            AccountClosed,
            IdempotencyKeyReused,
        ),
        examples=[
            OpenApiExample(
                "Two nights",
                request_only=True,
                value={
                    "listing": "3f2c6a1e-9b7d-4c58-8a3e-1d2f4b6c8e90",
                    "check_in": "2027-01-05",
                    "check_out": "2027-01-07",
                    "guests": 2,
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        body = StayInput(data=request.data)
        body.is_valid(raise_exception=True)
        traveller, key = _traveller(request), key_of(request, required=False)
        if key is None or not idempotency.was_used(principal=traveller.id, key=key.key):
            spend("HOLDS_PER_USER", who=str(traveller.id), at=timezone.now())
        booking = holding.hold_booking(
            stay=body.stay(), traveller=traveller, request_key=key, at=timezone.now()
        )
        return Response(BookingOutput(booking).data, status=201)


class OneBooking(APIView):
    """One stay."""

    @extend_schema(
        operation_id="get_booking", responses=BookingOutput, extensions=refuses(BookingUnknown)
    )
    def get(self, request: Request, booking_id: UUID) -> Response:
        booking = looking.get_booking(booking_id=booking_id, traveller=_traveller(request))
        return Response(BookingOutput(booking).data)


class BookingCancellation(APIView):
    """Give a stay up."""

    @extend_schema(
        operation_id="cancel_booking",
        request=EMPTY_BODY,
        responses=BookingOutput,
        extensions=refuses(BookingUnknown, BookingNotCancellable),
    )
    def post(self, request: Request, booking_id: UUID) -> Response:
        RequestBody(data=request.data).is_valid(raise_exception=True)
        booking = ending.cancel_booking(
            booking_id=booking_id, traveller=_traveller(request), at=timezone.now()
        )
        return Response(BookingOutput(booking).data)


class BookingPayments(ListAPIView[status.Payment]):
    """The payments of one stay."""

    serializer_class = PaymentOutput

    def get_queryset(self) -> QuerySet[status.Payment]:
        PageQuery.read(self.request.query_params)
        booking = looking.get_booking(
            booking_id=self.kwargs["booking_id"], traveller=_traveller(self.request)
        )
        return status.payments_for(booking.id)

    @extend_schema(
        operation_id="list_payments",
        parameters=[PageQuery],
        responses=PaymentOutput(many=True),
        extensions=refuses(BookingUnknown, CursorInvalid),
    )
    def get(self, request: Request, booking_id: UUID) -> Response:
        return self.list(request)

    @extend_schema(
        operation_id="start_payment",
        parameters=[key_parameter(required=True)],
        request=EMPTY_BODY,
        responses={201: PaymentOutput, 200: PaymentOutput, 202: PaymentOutput},
        description=(
            "201: open, send the traveller to `checkout_url`. 200: it was open already. "
            "202: Chapa has not answered yet; look again after Retry-After seconds."
        ),
        extensions=refuses(
            BookingUnknown,
            BookingNotPayable,
            TooManyPayments,
            GatewayRefused,
            GatewayUnavailable,
            AmountNotCollectable,
            IdempotencyKeyMissing,
            IdempotencyKeyReused,
        ),
    )
    def post(self, request: Request, booking_id: UUID) -> Response:
        key = key_of(request, required=True)
        RequestBody(data=request.data).is_valid(raise_exception=True)
        start = paying.start_payment(
            booking_id=booking_id, traveller=_traveller(request), request_key=key, at=timezone.now()
        )
        code = {Started.OPENED: 201, Started.OPEN_ALREADY: 200, Started.OUTCOME_UNKNOWN: 202}
        headers = {"Retry-After": "3"} if start.how is Started.OUTCOME_UNKNOWN else {}
        return Response(PaymentOutput(start.payment).data, status=code[start.how], headers=headers)


def _traveller(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user
