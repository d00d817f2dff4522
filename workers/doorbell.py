"""
The relay: hear that there is work, ring Celery, and deliver by itself while the broker is away.

A bell carries no truth. It may be lost, doubled or late: what is owed stands in PostgreSQL, and the
relay rings again while it stands there unattended.
"""

import select
import socket
import time
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from events.base import Group
from events.delivery import drain_group
from events.waking import CHANNEL, groups_with_work, set_sleeping
from workers.tasks import drain

log = structlog.get_logger(__name__)

GROUPS = [group.value for group in Group]
# How soon unattended work is rung for again: prompt at first, then as often as a busy fleet needs,
# then as seldom as a dead one deserves (a bell expires after BELL_LIFE, so few can pile up).
SOONEST, BUSY, LATEST = 0.004, 0.05, 1.0
BELL_LIFE = 30
POLL = 1.0
BROKER_PAUSE = 2.0
# How often an idle relay shows that it lives: guzo_relay_seen_seconds stays below this and a poll.
HEARTBEAT = 5.0


@dataclass
class Bell:
    """The pace of ringing for one group."""

    group: str
    seen: tuple[int, int] | None = None
    pause: float = SOONEST
    next_at: float = 0.0

    def is_due(self, seen: tuple[int, int], now: float) -> bool:
        if self.seen is None:
            self.pause, self.next_at = SOONEST, now
        if now < self.next_at:
            return False
        moved = seen != self.seen
        self.pause = min(self.pause * 2, BUSY if moved else LATEST)
        self.seen, self.next_at = seen, now + self.pause
        return True

    def rest(self) -> None:
        self.seen = None


@dataclass
class Relay:
    """One turn after another, until `stopping` is set; a database that goes away is waited for."""

    wakeup: socket.socket
    stopping: bool = False
    sleeping: bool = False
    listening_on: object | None = None
    broker_back_at: float = 0.0
    beaten_at: float = 0.0
    bells: dict[str, Bell] = field(default_factory=lambda: {g: Bell(g) for g in GROUPS})

    def run(self) -> None:
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
        work = groups_with_work(timezone.now())
        if not work and not self.sleeping:
            self._fall_asleep(asleep=True)
            # Once more: what was published before the flag stood there rang nobody.
            work = groups_with_work(timezone.now())
        if work:
            if self.sleeping:
                self._fall_asleep(asleep=False)
            self._ring(work)
            self._wait(min(self.bells[g].next_at for g in work) - time.monotonic())
        else:
            for bell in self.bells.values():
                bell.rest()
            self._wait(POLL)

    def _listen(self) -> None:
        connection.ensure_connection()
        if self.listening_on is not connection.connection:
            with connection.cursor() as cursor:
                # The flag is no truth, so its commits need not be flushed.
                cursor.execute("set synchronous_commit to off")
                cursor.execute(f"listen {CHANNEL}")
            self.listening_on, self.sleeping = connection.connection, False
            log.info("relay ready")

    def _fall_asleep(self, *, asleep: bool) -> None:
        set_sleeping(GROUPS, sleeping=asleep, at=timezone.now())
        self.sleeping, self.beaten_at = asleep, time.monotonic()

    def _ring(self, work: dict[str, tuple[int, int]]) -> None:
        for group, bell in self.bells.items():
            if group not in work:
                bell.rest()
            elif bell.is_due(work[group], time.monotonic()):
                self._ring_one(group)

    def _ring_one(self, group: str) -> None:
        if time.monotonic() >= self.broker_back_at:
            try:
                drain.apply_async(
                    kwargs={"group": group}, queue=group, expires=BELL_LIFE, retry=False
                )
                return
            except (BrokerError, OSError) as error:
                log.warning("relay.broker_away", error=type(error).__name__)
                self.broker_back_at = time.monotonic() + BROKER_PAUSE
        drain_group(Group(group), timezone.now, time_slice=timedelta(seconds=0.5))

    def _wait(self, seconds: float) -> None:
        """Sleep until a notification, a signal, or the time."""
        raw = connection.connection
        if raw is None or seconds <= 0:
            return
        # psycopg2 keeps what arrived during an ordinary query: look before select().
        if not raw.notifies:
            # psycopg2 raises its own errors here, which are not Django's.
            with connection.wrap_database_errors:
                readable, _, _ = select.select([raw, self.wakeup], [], [], seconds)
                if raw in readable:
                    raw.poll()
            if self.wakeup in readable:
                self.wakeup.recv(64)
        raw.notifies.clear()
