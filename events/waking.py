"""
Wake the relay, but only if it sleeps.

A NOTIFY inside the transaction takes a global lock at commit (2.4 to 4.1 times slower at 32
writers, measured), so it is sent after the commit, and only while the group's `sleeping` flag is
set. Either the publisher sees the flag, or the relay's last look before it sleeps sees the row.
"""

import threading
import time
from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from core.failpoints import failpoint

# In a storm even a look at the flag is a round trip too many: who found it down does not look again
# for so long, and who raises it looks for work once more after that.
STAYS_AWAKE = 0.05
_awake_until: dict[str, float] = {}

# A channel for each group: whoever delivers mails is not stirred by bookings.
CHANNEL = "guzo_events_"


class _Owed(threading.local):
    """The groups that this thread's transaction recorded for."""

    def __init__(self) -> None:
        self.groups: set[str] = set()


_owed = _Owed()


def wake_after_commit(groups: Iterable[str]) -> None:
    """Wake these groups' relay once this transaction stands: one look for all it recorded."""
    if not connection.run_on_commit:
        # What is still there was rolled back.
        _owed.groups.clear()
    _owed.groups.update(groups)
    # Robust: the commit stands, and the relay's poll is the floor if waking fails.
    transaction.on_commit(_wake_owed, robust=True)


def _wake_owed() -> None:
    if groups := sorted(_owed.groups):
        _owed.groups.clear()
        wake_sleeping(groups)


def wake_sleeping(groups: Iterable[str]) -> None:
    """Call the relays of those groups that sleep; none that was found awake just now."""
    now = time.monotonic()
    unknown = [group for group in groups if _awake_until.get(group, now) <= now]
    if not unknown:
        return
    failpoint("wake.started")
    with connection.cursor() as cursor:
        cursor.execute("select events_wake(%s, %s)", [CHANNEL, unknown])
        asleep = {group for (group,) in cursor.fetchall()}
    for group in unknown:
        if group not in asleep:
            # From before the look: the flag was down then.
            _awake_until[group] = now + STAYS_AWAKE
    failpoint("wake.sent")


def set_sleeping(groups: Iterable[str], *, sleeping: bool, at: datetime) -> None:
    """
    Raise or clear the flag; the row also tells when a relay was last seen.

    Who raises it has to look for work at once, and again after `STAYS_AWAKE`.
    """
    _awake_until.clear()
    with connection.cursor() as cursor:
        # The flag is no truth, so its commits need not be flushed.
        cursor.execute(
            """
            update events_lanegroup set sleeping = %s, relay_seen_at = %s
            from (select set_config('synchronous_commit', 'off', true)) unflushed
            where name = any(%s)
            """,
            [sleeping, at, list(groups)],
        )


def groups_with_work(groups: Iterable[str], at: datetime) -> dict[str, tuple[int, int]]:
    """Return, per group, (how many, lowest id) of due deliveries that nobody is working on."""
    with connection.cursor() as cursor:
        cursor.execute("select * from events_unattended(%s, %s)", [list(groups), at])
        return {group: (count, lowest) for group, count, lowest in cursor.fetchall()}
