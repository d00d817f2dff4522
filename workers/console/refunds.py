"""Where operators send money back, take what arrived for what is owed, and end doubts."""

from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import ReasonMissing
from core.idempotency import IdempotencyKeyMissing, IdempotencyKeyReused, key_of
from core.models import User
from core.schema import key_parameter, refuses
from core.serializers import MoneyField, RequestBody
from payments.models import Refund
from payments.serializers import PaymentOutput, without_link
from payments.services.deciding import (
    PaymentNotInReview,
    RefundEnded,
    RefundUnderWay,
    RefundUnknown,
    accept_payment,
    resolve_refund,
)
from payments.services.refunds import (
    RefundInParts,
    RefundOfNothing,
    RefundTooLarge,
    preview_refund,
    request_operator_refund_once,
)
from payments.services.settling import PaymentUnknown
from workers.console.deciding import Reason, decide
from workers.console.permissions import MayDecideAboutMoney


class RefundOutput(serializers.Serializer[Refund]):
    """An order to send money back; `resolutions` are what people said became of it."""

    class RefundResolutionOutput(serializers.Serializer[Any]):
        at = serializers.DateTimeField()
        person = serializers.CharField()
        sent = serializers.BooleanField()
        reason = serializers.CharField()

    id = serializers.UUIDField()
    payment = serializers.UUIDField(source="payment_id")
    amount = MoneyField(source="money")
    state = serializers.ChoiceField(choices=Refund.State.choices)
    ordered_by = serializers.ChoiceField(choices=Refund.Source.choices, source="source")
    reason = serializers.CharField()
    failure_reason = serializers.CharField()
    person = serializers.CharField(source="requested_by")
    requested_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    resolutions = RefundResolutionOutput(many=True)


class PreviewOutput(serializers.Serializer[Any]):
    """What can still go back of a payment. Chapa keeps its fee: it is the merchant's loss."""

    captured = MoneyField()
    refunded = MoneyField()
    left = MoneyField()
    fee_kept = MoneyField(allow_null=True)
    refunds = RefundOutput(many=True)


class RefundInput(RequestBody):
    """`amount` in the currency that arrived; without it, all that is left."""

    amount = serializers.RegexField(r"^[0-9]{1,10}(\.[0-9]{1,2})?$", required=False)
    reason = serializers.CharField(max_length=80, allow_blank=True, default="")

    def validate_amount(self, written: str) -> Decimal:
        return Decimal(written)


class ResolutionInput(Reason):
    """`sent`: whether the money went back, by whatever way."""

    sent = serializers.BooleanField()


class Refunds(APIView):
    """The refunds of one payment."""

    permission_classes = (MayDecideAboutMoney,)

    @extend_schema(
        operation_id="preview_refund",
        responses=PreviewOutput,
        extensions=refuses(403, PaymentUnknown),
    )
    def get(self, request: Request, payment_id: UUID) -> Response:
        return Response(PreviewOutput(preview_refund(payment_id=payment_id)).data)

    @extend_schema(
        operation_id="request_refund",
        parameters=[key_parameter(required=True)],
        request=RefundInput,
        responses={201: RefundOutput},
        examples=[
            OpenApiExample(
                "Part of it",
                value={"amount": "700.00", "reason": "a broken boiler"},
                request_only=True,
            )
        ],
        extensions=refuses(
            403,
            PaymentUnknown,
            ReasonMissing,
            RefundOfNothing,
            RefundTooLarge,
            RefundInParts,
            IdempotencyKeyMissing,
            IdempotencyKeyReused,
        ),
    )
    def post(self, request: Request, payment_id: UUID) -> Response:
        key = key_of(request, required=True)
        assert key is not None
        assert isinstance(request.user, User)
        order = partial(request_operator_refund_once, principal=request.user.id, request_key=key)
        refund = decide(request, RefundInput, order, payment_id=payment_id)
        return Response(RefundOutput(refund).data, status=201)


class PaymentAcceptance(APIView):
    """Take what arrived for what is owed."""

    permission_classes = (MayDecideAboutMoney,)

    @extend_schema(
        operation_id="accept_payment",
        request=Reason,
        examples=[OpenApiExample("Short", value={"reason": "one birr short"}, request_only=True)],
        responses=PaymentOutput,
        extensions=refuses(403, PaymentUnknown, ReasonMissing, PaymentNotInReview),
    )
    def post(self, request: Request, payment_id: UUID) -> Response:
        payment = decide(request, Reason, accept_payment, payment_id=payment_id)
        return Response(PaymentOutput(without_link(payment)).data)


class RefundResolution(APIView):
    """Say what became of a refund of which Chapa does not tell."""

    permission_classes = (MayDecideAboutMoney,)

    @extend_schema(
        operation_id="resolve_refund",
        request=ResolutionInput,
        examples=[
            OpenApiExample(
                "By hand", value={"sent": True, "reason": "by bank transfer"}, request_only=True
            )
        ],
        responses=RefundOutput,
        extensions=refuses(403, RefundUnknown, ReasonMissing, RefundUnderWay, RefundEnded),
    )
    def post(self, request: Request, refund_id: UUID) -> Response:
        refund = decide(request, ResolutionInput, resolve_refund, refund_id=refund_id)
        return Response(RefundOutput(refund).data)
