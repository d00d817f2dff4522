from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.forms import CharField
from django.http import HttpRequest
from django.utils import timezone

from core.admin import ReadOnlyAdmin
from core.errors import Refusal
from events.models import Delivery, Event, Receipt, Replay
from events.replay import (
    Selection,
    begin_replay,
    cancel_replay,
    pause_replay,
    start_replay,
)


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("id", "type", "subject", "actor", "occurred_at")
    list_filter = ("type",)
    search_fields = ("=id", "=subject", "=correlation_id")
    ordering = ("-id",)


class WithReason(ActionForm):
    """Beside the choice of an action: why. It is kept with the replay."""

    reason = CharField(required=False, label="Reason:")


class ReplayingAdmin(ReadOnlyAdmin):
    """Lists whose rows an operator may replay, if they may add replays; always with a reason."""

    action_form = WithReason

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("events.add_replay")

    def attempt(self, request: HttpRequest, act: Any) -> None:
        try:
            self.message_user(request, act(request.POST.get("reason", ""), _actor(request)))
        except Refusal as refusal:
            self.message_user(request, f"{refusal.title}. {refusal.detail}", messages.ERROR)


@admin.register(Delivery)
class DeliveryAdmin(ReplayingAdmin):
    list_display = ("event", "handler", "group", "state", "attempts", "next_at")
    list_filter = ("state", "group", "handler")
    list_select_related = True
    search_fields = ("=event__id", "=event__subject")
    ordering = ("-id",)
    actions = ("try_again", "skip")

    @admin.action(description="Try again now", permissions=["replay"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        self._replay(request, chosen, Replay.Mode.REDELIVER)

    @admin.action(description="Skip, and release what waits behind", permissions=["replay"])
    def skip(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        self._replay(request, chosen, Replay.Mode.SKIP)

    def _replay(self, request: HttpRequest, chosen: QuerySet[Delivery], mode: str) -> None:
        """One replay a handler: a selection names one."""
        handlers: dict[str, list[int]] = {}
        for event_id, handler in chosen.values_list("event_id", "handler"):
            handlers.setdefault(handler, []).append(event_id)
        for handler, ids in sorted(handlers.items()):

            def act(reason: str, actor: str, handler: str = handler, ids: Any = ids) -> str:
                selection = Selection(ids=tuple(ids), handler=handler)
                replay = begin_replay(
                    selection, mode=mode, actor=actor, reason=reason, at=timezone.now()
                )
                return f"Replay {replay.id} has begun: {replay.total} of {handler}."

            self.attempt(request, act)


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "handler", "generation", "how", "worker", "done_at")
    search_fields = ("=event_id",)
    ordering = ("-id",)


@admin.register(Replay)
class ReplayAdmin(ReplayingAdmin):
    list_display = ("created_at", "mode", "state", "total", "actor", "reason")
    list_filter = ("state", "mode")
    readonly_fields = ("progress",)
    ordering = ("-created_at",)
    actions = ("execute", "pause", "cancel")

    @admin.action(description="Execute, or go on", permissions=["replay"])
    def execute(self, request: HttpRequest, chosen: QuerySet[Replay]) -> None:
        self._each(
            request,
            chosen,
            lambda replay, reason, actor: start_replay(
                replay.id, actor=actor, reason=reason, at=timezone.now()
            ),
        )

    @admin.action(description="Pause", permissions=["replay"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Replay]) -> None:
        self._each(request, chosen, lambda replay, *_: pause_replay(replay.id))

    @admin.action(description="Cancel", permissions=["replay"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Replay]) -> None:
        self._each(request, chosen, lambda replay, *_: cancel_replay(replay.id))

    def _each(self, request: HttpRequest, chosen: QuerySet[Replay], verb: Any) -> None:
        for replay in chosen:
            self.attempt(
                request,
                lambda reason, actor, replay=replay: (
                    f"Replay {replay.id} is {verb(replay, reason, actor).state}."
                ),
            )


def _actor(request: HttpRequest) -> str:
    return f"user:{request.user.pk}"
