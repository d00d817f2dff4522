"""Where operators look: all rooms seen together."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.pagination import CursorInvalid, NewestFirst, PageQuery
from core.schema import refuses
from events.models import Event
from payments.models import IncomingWebhook, Payment
from payments.serializers import PaymentOutput, without_link
from payments.services.settling import PaymentUnknown
from workers.console.permissions import MayLook
from workers.console.timeline import timeline_of
from workers.routes import ROUTES

_TYPES = sorted(kind.type for kind in ROUTES)


class NewestEventsFirst(NewestFirst):
    ordering = ("-id",)


class EventQuery(PageQuery):
    type = serializers.ChoiceField(
        required=False,
        choices=_TYPES,
        error_messages={"invalid_choice": f"No such type. There are {', '.join(_TYPES)}."},
    )
    subject = serializers.CharField(required=False, max_length=80)
    since = serializers.DateTimeField(required=False)


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
        wanted = EventQuery.read(self.request.query_params)
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
        parameters=[EventQuery],
        extensions=refuses(403, CursorInvalid),
    )
    def get(self, request: Request) -> Response:
        return self.list(request)


class NewestWebhooksFirst(NewestFirst):
    ordering = ("-received_at", "-id")


class WebhookQuery(PageQuery):
    verdict = serializers.ChoiceField(IncomingWebhook.Verdict.choices, required=False)
    matching = serializers.ChoiceField(IncomingWebhook.Matching.choices, required=False)


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
        wanted = WebhookQuery.read(self.request.query_params)
        chosen = {name: wanted[name] for name in ("verdict", "matching") if name in wanted}
        return IncomingWebhook.objects.filter(**chosen).defer("body")

    @extend_schema(
        operation_id="list_webhooks",
        parameters=[WebhookQuery],
        extensions=refuses(403, CursorInvalid),
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

    @extend_schema(
        operation_id="get_payment_timeline",
        responses=Output,
        extensions=refuses(403, PaymentUnknown),
    )
    def get(self, request: Request, payment_id: UUID) -> Response:
        payment = Payment.objects.filter(id=payment_id).first()
        if payment is None:
            raise PaymentUnknown
        body = self.Output({"payment": without_link(payment), "entries": timeline_of(payment)})
        return Response(body.data)
