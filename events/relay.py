"""
The relay: hear that there is work, and have it done.

Whom it rings is the caller's: Celery's workers (workers/doorbell.py), or `drain_group` in this
very process (`deliver_events --follow`). A ring carries no truth. It may be lost, doubled or late:
what is owed stands in PostgreSQL, and the relay rings again while it stands there unattended.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from events.base import Group
from events.waking import CHANNEL, STAYS_AWAKE, groups_with_work, set_sleeping

log = structlog.get_logger(__name__)

# How soon unattended work is rung for again: prompt at first, then as often as a busy fleet needs,
# then as seldom as a dead one deserves.
SOONEST, BUSY, LATEST = 0.004, 0.05, 1.0
# So long after a call the relay looks if there is more. So many calls without a look that found
# nothing are answered each by itself: then there is work enough, and calling stops.
MOST_CALLS, AFTER_CALL = 20, 0.03
POLL = 1.0
# How often an idle relay shows that it lives: guzo_relay_seen_seconds stays below this and a poll.
HEARTBEAT = 5.0


@dataclass
class Bell:
    """The pace of ringing for one group."""

    seen: tuple[int, int] | None = None
    pause: float = SOONEST
    next_at: float = 0.0
    calls: int = 0

    def is_due(self, seen: tuple[int, int], now: float) -> bool:
        if self.seen is None:
            self.pause, self.next_at = SOONEST, now
        if now < self.next_at:
            return False
        moved = seen != self.seen
        self.pause = min(self.pause * 2, BUSY if moved else LATEST)
        self.seen, self.next_at = seen, now + self.pause
        return True

    def answers(self) -> bool:
        """Return whether a call is one of few; a storm is left to the look at the work."""
        self.calls += 1
        return not self.storms

    @property
    def storms(self) -> bool:
        return self.calls > MOST_CALLS

    def rest(self) -> None:
        self.seen, self.calls = None, 0


class Alarm:
    """What ends a relay's wait from outside, a signal handler included: a pair of sockets."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)

    def ring(self) -> None:
        # Over already, or rung often enough.
        with suppress(OSError):
            self.theirs.send(b"!")

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@dataclass
class Relay:
    """One turn after another, until `stop`; a database that goes away is waited for."""

    groups: Sequence[Group]
    ring: Callable[[Group], None]
    alarm: Alarm = field(default_factory=Alarm)
    stopping: bool = False
    sleeping: bool = False
    listening_on: object | None = None
    beaten_at: float = 0.0
    asleep_since: float = 0.0
    bells: dict[str, Bell] = field(init=False)

    def __post_init__(self) -> None:
        self.bells = {group: Bell() for group in self.groups}

    def stop(self) -> None:
        """End the run at its next turn, at once if it waits. Safe in a signal handler."""
        self.stopping = True
        self.alarm.ring()

    def run(self) -> None:
        """Run until stopped; once only, for the alarm is gone then."""
        with closing(self.alarm):
            self._run()

    def _run(self) -> None:
        while not self.stopping:
            try:
                self._turn()
            except (DatabaseError, InterfaceError) as error:
                log.warning("relay.database_away", error=type(error).__name__)
                connection.close()
                self.listening_on, self.sleeping = None, False
                time.sleep(0.2)
        self._fall_asleep(asleep=False)

    def _turn(self) -> None:
        self._listen()
        if time.monotonic() > self.beaten_at + HEARTBEAT:
            self._fall_asleep(asleep=self.sleeping)
        if self._answer_calls():
            self._wait(AFTER_CALL)
            return
        work = groups_with_work(self.groups, timezone.now())
        if not work and not self.sleeping:
            self._fall_asleep(asleep=True)
            # Once more: what was published before the flag stood there rang nobody.
            work = groups_with_work(self.groups, timezone.now())
        if work:
            if self.sleeping and any(bell.storms for bell in self.bells.values()):
                self._fall_asleep(asleep=False)
            self._ring_for(work)
            self._wait(min(self.bells[group].next_at for group in work) - time.monotonic())
        else:
            for bell in self.bells.values():
                bell.rest()
            self._wait(self._until_next_look())

    def _listen(self) -> None:
        connection.ensure_connection()
        if self.listening_on is not connection.connection:
            with connection.cursor() as cursor:
                for group in self.groups:
                    cursor.execute(f"listen {CHANNEL}{group}")
            self.listening_on, self.sleeping = connection.connection, False
            log.info("relay ready")

    def _until_next_look(self) -> float:
        """Return when those that found us awake, and so did not call, have long committed."""
        left = self.asleep_since + STAYS_AWAKE - time.monotonic()
        return left if left > 0 else POLL

    def _fall_asleep(self, *, asleep: bool) -> None:
        set_sleeping(self.groups, sleeping=asleep, at=timezone.now())
        if asleep and not self.sleeping:
            self.asleep_since = time.monotonic()
        self.sleeping, self.beaten_at = asleep, time.monotonic()

    def _answer_calls(self) -> bool:
        """
        Ring at once for the groups that were called; return if there were any.

        Nothing is looked up or written: in a trickle the flag stays up, and every event calls. In a
        storm of calls the look at the work takes the flag down.
        """
        raw = connection.connection
        if raw is None:
            return False
        called = {notification.channel.removeprefix(CHANNEL) for notification in raw.notifies}
        raw.notifies.clear()
        answered = [
            group for group in self.groups if group in called and self.bells[group].answers()
        ]
        for group in answered:
            self.ring(group)
        return bool(answered)

    def _ring_for(self, work: dict[str, tuple[int, int]]) -> None:
        for group in self.groups:
            bell = self.bells[group]
            if group not in work:
                bell.rest()
            elif bell.is_due(work[group], time.monotonic()):
                self.ring(group)

    def _wait(self, seconds: float) -> None:
        """Sleep until a notification, the alarm, or the time."""
        raw = connection.connection
        # psycopg2 keeps what arrived during an ordinary query: look before select().
        if raw is None or raw.notifies or seconds <= 0:
            return
        # psycopg2 raises its own errors here, which are not Django's.
        with connection.wrap_database_errors:
            readable, _, _ = select.select([raw, self.alarm.ours], [], [], seconds)
            if raw in readable:
                raw.poll()
        if self.alarm.ours in readable:
            self.alarm.ours.recv(64)
