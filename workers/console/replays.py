"""Where operators deliver again, or give up, what they select."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import ReasonMissing
from core.pagination import CursorInvalid, PageQuery
from core.schema import EMPTY_BODY, refuses
from core.serializers import RequestBody
from events.models import Replay
from events.replay import (
    FASTEST,
    STATES,
    EmptySelection,
    NothingToReplay,
    NotReplayable,
    PlanStale,
    ReplayNotStartable,
    ReplayTooLarge,
    ReplayUnknown,
    Selection,
    UnknownSelection,
    begin_replay,
    cancel_replay,
    pause_replay,
    plan_replay,
    start_replay,
)
from events.routing import routing_table
from workers.console.deciding import Reason
from workers.console.permissions import MayReplay, person_of


class ReplayInput(RequestBody):
    """What to replay, how, and why; `dry_run` plans, and nothing runs until it is executed."""

    class Select(RequestBody):
        ids = serializers.ListField(
            child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
            required=False,
            min_length=1,
            max_length=1000,
        )
        type = serializers.ChoiceField(choices=sorted(routing_table().types), required=False)
        subject = serializers.CharField(required=False, max_length=80)
        since = serializers.DateTimeField(required=False)
        until = serializers.DateTimeField(required=False)
        state = serializers.ChoiceField(choices=STATES, required=False)

    select = Select()
    handler = serializers.ChoiceField(
        choices=sorted({name for _, name in routing_table().by_name}), required=False
    )
    mode = serializers.ChoiceField(choices=Replay.Mode.choices, default=Replay.Mode.REDELIVER)
    dry_run = serializers.BooleanField(default=True)
    reason = serializers.CharField(max_length=1000, allow_blank=True, default="")
    rate = serializers.IntegerField(min_value=1, max_value=FASTEST, default=50)
    force = serializers.BooleanField(default=False)
    large = serializers.BooleanField(default=False)

    def selection(self) -> Selection:
        said = dict(self.validated_data["select"])
        said["ids"] = tuple(said.get("ids", ()))
        return Selection(handler=self.validated_data.get("handler"), **said)


class ReplayOutput(serializers.ModelSerializer[Replay]):
    """A replay; `progress` counts its items by what was done, those to come as `left`."""

    class Found(serializers.Serializer[Any]):
        type = serializers.CharField()
        handler = serializers.CharField()
        found = serializers.CharField()
        count = serializers.IntegerField()
        oldest = serializers.DateTimeField()
        newest = serializers.DateTimeField()
        samples = serializers.ListField(child=serializers.IntegerField())
        runs = serializers.BooleanField()

    summary = Found(many=True)
    seconds = serializers.FloatField(help_text="How long all of it takes at its rate.")
    progress = serializers.DictField(child=serializers.IntegerField())

    class Meta:
        model = Replay
        fields = (
            "id",
            "mode",
            "state",
            "selection",
            "force",
            "reason",
            "actor",
            "executed_by",
            "rate",
            "total",
            "seconds",
            "summary",
            "progress",
            "created_at",
            "started_at",
            "finished_at",
        )


class Replays(ListAPIView[Replay]):
    """Orders to deliver again, newest first."""

    permission_classes = (MayReplay,)
    serializer_class = ReplayOutput

    def get_queryset(self) -> QuerySet[Replay]:
        PageQuery.read(self.request.query_params)
        return Replay.objects.all()

    @extend_schema(
        operation_id="list_replays",
        parameters=[PageQuery],
        responses=ReplayOutput(many=True),
        extensions=refuses(403, CursorInvalid),
    )
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(
        operation_id="plan_replay",
        request=ReplayInput,
        responses={201: ReplayOutput},
        extensions=refuses(
            403,
            EmptySelection,
            UnknownSelection,
            NotReplayable,
            NothingToReplay,
            ReplayTooLarge,
            ReasonMissing,
        ),
        examples=[
            OpenApiExample(
                "Once more",
                request_only=True,
                value={
                    "select": {"type": "payment.succeeded"},
                    "mode": "rerun",
                    "reason": "the handler was mended",
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        body = ReplayInput(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        make = plan_replay if wanted["dry_run"] else begin_replay
        replay = make(
            body.selection(),
            mode=wanted["mode"],
            actor=person_of(request),
            reason=wanted["reason"],
            at=timezone.now(),
            rate=wanted["rate"],
            force=wanted["force"],
            large=wanted["large"],
        )
        return Response(ReplayOutput(replay).data, status=201)


class OneReplay(APIView):
    """One replay and how far it is."""

    permission_classes = (MayReplay,)

    @extend_schema(
        operation_id="get_replay",
        responses=ReplayOutput,
        extensions=refuses(403, ReplayUnknown),
    )
    def get(self, request: Request, replay_id: UUID) -> Response:
        replay = Replay.objects.filter(id=replay_id).first()
        if replay is None:
            raise ReplayUnknown
        return Response(ReplayOutput(replay).data)


class ReplayExecution(APIView):
    """Let a planned replay run, or a paused one go on."""

    permission_classes = (MayReplay,)

    @extend_schema(
        operation_id="execute_replay",
        request=Reason,
        responses=ReplayOutput,
        extensions=refuses(403, ReplayUnknown, ReplayNotStartable, PlanStale, ReasonMissing),
        examples=[
            OpenApiExample("Now", request_only=True, value={"reason": "the mail server is back"})
        ],
    )
    def post(self, request: Request, replay_id: UUID) -> Response:
        body = Reason(data=request.data)
        body.is_valid(raise_exception=True)
        replay = start_replay(
            replay_id, actor=person_of(request), at=timezone.now(), **body.validated_data
        )
        return Response(ReplayOutput(replay).data)


class ReplayPause(APIView):
    """Stop a running replay for a while."""

    permission_classes = (MayReplay,)

    @extend_schema(
        operation_id="pause_replay",
        request=EMPTY_BODY,
        responses=ReplayOutput,
        extensions=refuses(403, ReplayUnknown, ReplayNotStartable),
    )
    def post(self, request: Request, replay_id: UUID) -> Response:
        RequestBody(data=request.data).is_valid(raise_exception=True)
        return Response(ReplayOutput(pause_replay(replay_id)).data)


class ReplayCancellation(APIView):
    """End a replay; what it has done stays done."""

    permission_classes = (MayReplay,)

    @extend_schema(
        operation_id="cancel_replay",
        request=EMPTY_BODY,
        responses=ReplayOutput,
        extensions=refuses(403, ReplayUnknown, ReplayNotStartable),
    )
    def post(self, request: Request, replay_id: UUID) -> Response:
        RequestBody(data=request.data).is_valid(raise_exception=True)
        return Response(ReplayOutput(cancel_replay(replay_id)).data)
