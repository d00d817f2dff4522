"""
Deliver again, or give up, what an operator selects: planned as rows, then run exactly so.

Every replay is kept: what was meant, who, why, when, what was found, what was done.
"""

from events.replay.executing import (
    PlanStale,
    ReplayNotStartable,
    ReplayUnknown,
    advance_replay,
    begin_replay,
    cancel_replay,
    pause_replay,
    running_replays,
    start_replay,
)
from events.replay.planning import (
    CAP,
    FASTEST,
    NothingToReplay,
    NotReplayable,
    ReplayTooLarge,
    plan_replay,
)
from events.replay.selection import (
    STATES,
    EmptySelection,
    Selection,
    UnknownSelection,
    read_moment,
)

__all__ = [
    "CAP",
    "FASTEST",
    "STATES",
    "EmptySelection",
    "NotReplayable",
    "NothingToReplay",
    "PlanStale",
    "ReplayNotStartable",
    "ReplayTooLarge",
    "ReplayUnknown",
    "Selection",
    "UnknownSelection",
    "advance_replay",
    "begin_replay",
    "cancel_replay",
    "pause_replay",
    "plan_replay",
    "read_moment",
    "running_replays",
    "start_replay",
]
