"""Where operators see how Chapa's list differs from the ledger, and say why that may stand."""

from datetime import datetime, time
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.days import ADDIS_ABABA
from core.errors import ReasonMissing
from core.pagination import CursorInvalid, NewestFirst, PageQuery
from core.schema import refuses
from core.serializers import QueryString
from payments.models import StatementDifference
from payments.services.differences import (
    STATES,
    DifferenceNotOpen,
    DifferenceUnknown,
    differences_in,
    resolve_difference,
)
from payments.statement import Kind
from workers.console.deciding import Reason, decide
from workers.console.permissions import MayDecideAboutMoney
from workers.differences_file import SHOWN, as_csv


class Choice(QueryString):
    """`since` and `until` are days in Addis Ababa on which the money moved, both included."""

    state = serializers.ChoiceField(STATES, default="open")
    kind = serializers.ChoiceField([each.value for each in Kind], required=False)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)


class PageChoice(PageQuery, Choice):
    pass


class DifferenceOutput(serializers.ModelSerializer[StatementDifference]):
    """`here` is what the ledger says, `there` what Chapa's list says."""

    class ResolutionOutput(serializers.Serializer[Any]):
        at = serializers.DateTimeField()
        person = serializers.CharField()
        reason = serializers.CharField()
        here = serializers.CharField()
        there = serializers.CharField()

    state = serializers.ChoiceField(STATES)
    resolutions = ResolutionOutput(many=True)

    class Meta:
        model = StatementDifference
        fields: ClassVar = [*SHOWN, "resolutions"]


class NewestDifferencesFirst(NewestFirst):
    ordering = ("-first_seen_at", "-id")


class Differences(ListAPIView[StatementDifference]):
    """How Chapa's list and the ledger differ, what was seen last first."""

    permission_classes = (MayDecideAboutMoney,)
    pagination_class = NewestDifferencesFirst
    serializer_class = DifferenceOutput

    def get_queryset(self) -> QuerySet[StatementDifference]:
        return _chosen(PageChoice.read(self.request.query_params))

    @extend_schema(
        operation_id="list_differences",
        parameters=[PageChoice],
        extensions=refuses(403, CursorInvalid),
    )
    def get(self, request: Request) -> Response:
        return self.list(request)


class CSVOrProblem(JSONRenderer):
    """For whoever accepts CSV only; the view writes it, and refusals are JSON as ever."""

    media_type = "text/csv"
    format = "csv"


class DifferencesFile(APIView):
    """The same as a file for a spreadsheet, in UTF-8."""

    permission_classes = (MayDecideAboutMoney,)
    renderer_classes = (CSVOrProblem, JSONRenderer)

    @extend_schema(
        operation_id="download_differences",
        parameters=[Choice],
        responses={(200, "text/csv"): OpenApiTypes.STR},
        extensions=refuses(403),
    )
    def get(self, request: Request) -> HttpResponseBase:
        rows = _chosen(Choice.read(request.query_params)).order_by("first_seen_at", "id")
        return StreamingHttpResponse(
            as_csv(rows),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="differences.csv"'},
        )


class DifferenceResolution(APIView):
    """Say why a difference may stand."""

    permission_classes = (MayDecideAboutMoney,)

    @extend_schema(
        operation_id="resolve_difference",
        request=Reason,
        examples=[
            OpenApiExample(
                "Known", value={"reason": "the donation page, not ours"}, request_only=True
            )
        ],
        responses=DifferenceOutput,
        extensions=refuses(403, DifferenceUnknown, ReasonMissing, DifferenceNotOpen),
    )
    def post(self, request: Request, difference_id: UUID) -> Response:
        resolved = decide(request, Reason, resolve_difference, difference_id=difference_id)
        return Response(DifferenceOutput(resolved).data)


def _chosen(wanted: dict[str, Any]) -> QuerySet[StatementDifference]:
    found = differences_in(wanted["state"])
    if "kind" in wanted:
        found = found.filter(kind=wanted["kind"])
    if "since" in wanted:
        begins = datetime.combine(wanted["since"], time(), ADDIS_ABABA)
        found = found.filter(happened_at__gte=begins)
    if "until" in wanted:
        ends = datetime.combine(wanted["until"], time.max, ADDIS_ABABA)
        found = found.filter(happened_at__lte=ends)
    return found
