"""Where operators look: all rooms seen together."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.serializers import RequestBody
from events.models import Event
from payments.models import IncomingWebhook, Payment
from payments.serializers import PaymentOutput
from payments.services.settling import PaymentUnknown
from workers.console.timeline import timeline_of


class MayLook(BasePermission):
    """Staff who may view events."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return bool(user.is_authenticated and user.is_staff and user.has_perm("events.view_event"))


class NewestEventsFirst(CursorPagination):
    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    ordering = "-id"


class EventQuery(RequestBody):
    type = serializers.CharField(required=False, max_length=80)
    subject = serializers.CharField(required=False, max_length=80)
    since = serializers.DateTimeField(required=False)
    cursor = serializers.CharField(required=False, max_length=400)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=200)


class Events(ListAPIView[Event]):
    """The log of facts, newest first."""

    permission_classes = (MayLook,)
    pagination_class = NewestEventsFirst

    class Output(serializers.ModelSerializer[Event]):
        deliveries = serializers.SerializerMethodField()

        class Meta:
            model = Event
            fields: ClassVar = [
                "id",
                "type",
                "version",
                "subject",
                "data",
                "actor",
                "correlation_id",
                "causation_id",
                "occurred_at",
                "deliveries",
            ]

        def get_deliveries(self, event: Event) -> list[dict[str, Any]]:
            return [
                {"handler": debt.handler, "state": debt.state, "attempts": debt.attempts}
                for debt in event.delivery_set.all()
            ]

    serializer_class = Output

    def get_queryset(self) -> Any:
        query = EventQuery(data=self.request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        found = Event.objects.prefetch_related("delivery_set")
        if "type" in wanted:
            found = found.filter(type=wanted["type"])
        if "subject" in wanted:
            found = found.filter(subject=wanted["subject"])
        if "since" in wanted:
            found = found.filter(occurred_at__gte=wanted["since"])
        return found

    @extend_schema(
        operation_id="list_events",
        parameters=[
            OpenApiParameter("type", str),
            OpenApiParameter("subject", str),
            OpenApiParameter("since", str),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)


class NewestWebhooksFirst(NewestEventsFirst):
    ordering = "-received_at"


class WebhookQuery(RequestBody):
    verdict = serializers.ChoiceField(IncomingWebhook.Verdict.choices, required=False)
    matching = serializers.ChoiceField(IncomingWebhook.Matching.choices, required=False)
    cursor = serializers.CharField(required=False, max_length=400)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=200)


class Webhooks(ListAPIView[IncomingWebhook]):
    """What came through Chapa's door, newest first; never the body."""

    permission_classes = (MayLook,)
    pagination_class = NewestWebhooksFirst

    class Output(serializers.ModelSerializer[IncomingWebhook]):
        class Meta:
            model = IncomingWebhook
            fields: ClassVar = [
                "id",
                "received_at",
                "verdict",
                "matching",
                "event",
                "tx_ref",
                "secret_index",
                "digest",
                "length",
            ]

    serializer_class = Output

    def get_queryset(self) -> Any:
        query = WebhookQuery(data=self.request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        chosen = {name: wanted[name] for name in ("verdict", "matching") if name in wanted}
        return IncomingWebhook.objects.filter(**chosen).defer("body")

    @extend_schema(
        operation_id="list_webhooks",
        parameters=[
            OpenApiParameter("verdict", str, enum=IncomingWebhook.Verdict.values),
            OpenApiParameter("matching", str, enum=IncomingWebhook.Matching.values),
        ],
    )
    def get(self, request: Request) -> Response:
        return self.list(request)


class Timeline(APIView):
    """Everything that was written down about one payment, in order."""

    permission_classes = (MayLook,)

    class Output(serializers.Serializer[Any]):
        class EntryOutput(serializers.Serializer[Any]):
            at = serializers.DateTimeField()
            who = serializers.CharField()
            what = serializers.CharField()
            detail = serializers.CharField()

        payment = PaymentOutput()
        entries = EntryOutput(many=True)

    @extend_schema(operation_id="get_payment_timeline", responses=Output)
    def get(self, request: Request, payment_id: UUID) -> Response:
        payment = Payment.objects.filter(id=payment_id).first()
        if payment is None:
            raise PaymentUnknown
        # A link that pays belongs to its owner, not to whoever looks.
        payment.checkout_url = ""
        body = self.Output({"payment": payment, "entries": timeline_of(payment)})
        return Response(body.data, headers={"Cache-Control": "no-store"})
