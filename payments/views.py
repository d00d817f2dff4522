"""The doors of payments: their owners', and Chapa's."""

import json
from collections.abc import Mapping
from uuid import UUID

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import HttpHeaders
from django.utils import timezone
from django.views import View
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.addresses import client_address
from core.bodies import read_body
from core.errors import Refusal, TooMany
from core.models import User
from core.problems import of_refusal
from core.schema import EMPTY_BODY, refuses
from core.serializers import RequestBody
from core.throttling import spend
from payments.chapa.signature import SIGNATURE_HEADERS
from payments.serializers import PaymentOutput
from payments.services import asking, hints
from payments.services.asking import AskedTooOften
from payments.services.breaker import GatewayUnavailable
from payments.services.leasing import PaymentBusy
from payments.services.settling import PaymentUnknown

BODY_LIMIT = 64 * 1024
_IN_META = {name: str(HttpHeaders.to_wsgi_name(name)) for name in SIGNATURE_HEADERS}


class Payments(APIView):
    """One payment."""

    @extend_schema(
        operation_id="get_payment", responses=PaymentOutput, extensions=refuses(PaymentUnknown)
    )
    def get(self, request: Request, payment_id: UUID) -> Response:
        payment = asking.get_payment(payment_id=payment_id, owner=_owner(request))
        return Response(PaymentOutput(payment).data)


class Verifications(APIView):
    """Ask Chapa about one payment, now."""

    @extend_schema(
        operation_id="verify_payment",
        request=EMPTY_BODY,
        responses=PaymentOutput,
        extensions=refuses(PaymentUnknown, AskedTooOften, PaymentBusy, TooMany, GatewayUnavailable),
    )
    def post(self, request: Request, payment_id: UUID) -> Response:
        RequestBody(data=request.data).is_valid(raise_exception=True)
        spend("VERIFICATIONS_PER_USER", who=str(_owner(request).id), at=timezone.now())
        payment = asking.verify_payment(
            payment_id=payment_id, owner=_owner(request), at=timezone.now()
        )
        return Response(PaymentOutput(payment).data)


def _owner(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user


class Door(View):
    """A plain view for Chapa: DRF would read the body before the signature could."""

    http_method_names = ("get", "head", "post")


class ChapaWebhook(Door):
    """Chapa's door. The bytes are kept, the answer is quick, what they mean is asked later."""

    def get(self, _: HttpRequest) -> HttpResponse:
        # Chapa's own checker asks before it delivers.
        return JsonResponse({"status": "ok"})

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            body = read_body(request, at_most=BODY_LIMIT)
            hints.receive_webhook(
                body=body,
                headers=_signatures_in(request),
                sender=client_address(request),
                at=timezone.now(),
            )
        except Refusal as refusal:
            return of_refusal(refusal)
        return JsonResponse({"status": "received"})


def _signatures_in(request: HttpRequest) -> dict[str, str]:
    return {name: request.META[key] for name, key in _IN_META.items() if key in request.META}


class ChapaCallback(Door):
    """Anyone may say that a payment has news; everyone gets the same answer."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._note(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        return self._note(request)

    def _note(self, request: HttpRequest) -> HttpResponse:
        try:
            tx_ref = _reference_in(request)
        except (SuspiciousOperation, BadRequest):
            tx_ref = ""  # too many fields, an unknown charset: nobody is told more than others
        hints.receive_callback(tx_ref=tx_ref, at=timezone.now())
        return JsonResponse({"status": "received"})


def _reference_in(request: HttpRequest) -> str:
    """Chapa spells it trx_ref or tx_ref, in the query or in a body (docs/chapa.md, callback)."""
    fields: Mapping[str, object] = request.GET
    if request.method == "POST" and not fields:
        fields = _fields_in_body(request)
    found = fields.get("trx_ref") or fields.get("tx_ref")
    return found if isinstance(found, str) else ""


def _fields_in_body(request: HttpRequest) -> Mapping[str, object]:
    try:
        # Read first: only then can a body that is no form be looked at a second time.
        body = request.body
        if request.POST:
            return request.POST
        fields = json.loads(body)
    except (ValueError, RecursionError, OSError, RequestDataTooBig, MultiPartParserError):
        return {}
    return fields if isinstance(fields, dict) else {}
