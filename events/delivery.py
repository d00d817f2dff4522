"""Drain a lane group: the one function that a Celery task, the relay and a command all run."""

import time
from collections.abc import Sequence
from datetime import timedelta

from events.base import Clock, Group
from events.lanes import sweep_lanes
from events.outbound import deliver_one, recover_given_up
from events.transactional import drain_lane


def drain_group(group: Group, clock: Clock, *, time_slice: timedelta = timedelta(seconds=5)) -> int:
    """
    Deliver what is due in one group until nothing is left or the time slice ends; return how much.

    Safe to run any number of times at once, anywhere.
    """
    ends = time.monotonic() + time_slice.total_seconds()
    settled = 0
    if group is not Group.CORE:
        recover_given_up(group, clock)
    while time.monotonic() < ends:
        if group is Group.CORE:
            batch = drain_lane(group, clock)
            if batch is None:
                break
            settled += batch
        elif deliver_one(group, clock):
            settled += 1
        else:
            break
    if group is Group.CORE and settled:
        sweep_lanes(group)
    return settled


def drain_all(clock: Clock, groups: Sequence[Group] = tuple(Group)) -> int:
    """Drain groups in turn until a whole turn finds nothing; return how much was delivered."""
    total = 0
    while turn := sum(drain_group(group, clock) for group in groups):
        total += turn
    return total
