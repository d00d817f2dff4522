"""Run a planned replay: exactly its items, at its rate, until it is done, paused or cancelled."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from core.errors import Conflict, NotFound, ReasonMissing
from core.failpoints import failpoint
from events.base import Clock
from events.models import Delivery, Event, Replay, ReplayItem
from events.replay.items import settle_item
from events.replay.planning import plan_replay
from events.replay.selection import Selection
from events.routing import routing_table
from events.waking import wake_after_commit

log = structlog.get_logger(__name__)

# Older than this, what the operator saw is not what they would do now.
PLAN_LIVES = timedelta(hours=24)
_TICK = timedelta(milliseconds=100)


class ReplayUnknown(NotFound):
    """There is no such replay."""

    code = "replay_unknown"


class ReplayNotStartable(Conflict):
    """This replay cannot be started, paused or cancelled as it is."""

    code = "replay_not_startable"


class PlanStale(Conflict):
    """What was planned is not what would run now."""

    code = "plan_stale"


def begin_replay(
    selection: Selection, *, actor: str, reason: str, at: datetime, **how: Any
) -> Replay:
    """
    Plan a replay and let it run at once; `how` is what `plan_replay` takes.

    :raises ReasonMissing: before anything is planned. For the rest: `plan_replay`.
    """
    if not reason.strip():
        raise ReasonMissing("Say why; or plan it first, and look.")
    with transaction.atomic():
        replay = plan_replay(selection, actor=actor, reason=reason, at=at, **how)
        return start_replay(replay.id, actor=actor, at=at)


def start_replay(replay_id: UUID, *, actor: str, reason: str = "", at: datetime) -> Replay:
    """
    Let a planned or paused replay run; `advance_replay` does the work, here or in a worker.

    :raises ReasonMissing: if neither the plan nor the caller says why.
    :raises ReplayNotStartable: if it runs, was cancelled, or is done: nothing runs twice.
    :raises PlanStale: if it was planned more than 24 h ago, or a handler is no longer routed.
    """
    with transaction.atomic():
        replay = _locked(replay_id)
        if replay.state not in (Replay.State.PLANNED, Replay.State.PAUSED):
            raise ReplayNotStartable(f"It is {replay.state}. Plan another one.")
        replay.reason = reason.strip() or replay.reason
        if not replay.reason:
            raise ReasonMissing("Say why; it is kept with the replay.")
        if replay.state == Replay.State.PLANNED:
            _refuse_stale(replay, at)
            replay.started_at = at
        replay.state, replay.executed_by, replay.next_at = Replay.State.RUNNING, actor, at
        replay.save()
    log.info("replay.started", replay_id=str(replay.id), mode=replay.mode, items=replay.total)
    return replay


def pause_replay(replay_id: UUID) -> Replay:
    """:raises ReplayNotStartable: unless it runs."""
    return _stop(replay_id, Replay.State.PAUSED, from_states=[Replay.State.RUNNING])


def cancel_replay(replay_id: UUID) -> Replay:
    """
    End a replay; what it has done stays done.

    :raises ReplayNotStartable: if it is done or cancelled already.
    """
    live = [Replay.State.PLANNED, Replay.State.RUNNING, Replay.State.PAUSED]
    return _stop(replay_id, Replay.State.CANCELLED, from_states=live)


def advance_replay(
    replay_id: UUID,
    clock: Clock,
    *,
    time_slice: timedelta,
    watch: Callable[[Replay], None] = lambda replay: None,
) -> Replay:
    """
    Run items for as long as the slice lasts and the replay runs; return it as it then is.

    Each batch is one commit, and the rate is kept in the row: after a crash it goes on where it
    was, and two that advance one replay do not make it faster. `watch` sees each step.
    """
    ends = time.monotonic() + time_slice.total_seconds()
    while True:
        replay = _advance(replay_id, clock())
        watch(replay)
        pause = (replay.next_at - clock()).total_seconds() if replay.next_at else 0.0
        if replay.state != Replay.State.RUNNING or time.monotonic() + pause > ends:
            return replay
        time.sleep(max(0.0, pause))


def running_replays() -> list[UUID]:
    return list(
        Replay.objects.filter(state=Replay.State.RUNNING)
        .order_by("started_at")
        .values_list("id", flat=True)
    )


def _advance(replay_id: UUID, at: datetime) -> Replay:
    with transaction.atomic():
        replay = _locked(replay_id)
        if replay.state != Replay.State.RUNNING or (replay.next_at and replay.next_at > at):
            return replay
        batch = max(1, int(replay.rate * _TICK.total_seconds()))
        items = list(replay.items.filter(outcome="").order_by("event_id", "handler")[:batch])
        events = _kept([item.event_id for item in items])
        failpoint("replay.items_chosen")
        for item in items:
            item.outcome = settle_item(item, events.get(item.event_id), replay, at)
            failpoint("replay.item_settled")
        ReplayItem.objects.bulk_update(items, ["outcome"])
        replay.next_at = at + timedelta(seconds=len(items) / replay.rate)
        if len(items) < batch or not replay.items.filter(outcome="").exists():
            replay.state, replay.finished_at = Replay.State.DONE, at
            log.info("replay.finished", replay_id=str(replay.id), **replay.progress())
        replay.save(update_fields=["state", "next_at", "finished_at"])
        wake_after_commit(Delivery.objects.filter(event__in=events).values_list("group", flat=True))
        failpoint("replay.settled")
    failpoint("replay.committed")
    return replay


def _kept(ids: list[int]) -> dict[int, Event]:
    """Return the events that are still there, kept from being pruned until the commit."""
    found = Event.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    return {event.id: event for event in found}


def _locked(replay_id: UUID) -> Replay:
    replay = Replay.objects.select_for_update().filter(id=replay_id).first()
    if replay is None:
        raise ReplayUnknown
    return replay


def _stop(replay_id: UUID, state: Replay.State, *, from_states: list[Replay.State]) -> Replay:
    with transaction.atomic():
        replay = _locked(replay_id)
        if replay.state not in from_states:
            raise ReplayNotStartable(f"It is {replay.state}.")
        replay.state = state
        replay.save(update_fields=["state"])
    return replay


def _refuse_stale(replay: Replay, at: datetime) -> None:
    if replay.created_at < at - PLAN_LIVES:
        raise PlanStale("It was planned more than 24 h ago. Plan it again.")
    planned = {(row["type"], row["handler"]) for row in replay.summary if row["runs"]}
    if gone := sorted(name for pair in planned - set(routing_table().by_name) for name in pair[1:]):
        raise PlanStale(f"No longer routed: {', '.join(gone)}. Plan it again.")
