"""Two at the same moment, each met where it decides: a lock that is not taken shows each time."""

import time
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread

from django.db import connection

from core.failpoints import Failpoint, listening

# Whether another transaction waits for what this one has locked.
_WAITS_FOR_US = """
select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)) limit 1
"""
_LOOK_EVERY_S = 0.002
# Hardly anybody takes so long to come, to end, or to stand before a lock.
_LONGEST_WAIT_S = 0.25


def meet(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    at: Sequence[Failpoint] = ("record.started",),
) -> None:
    """
    Run two at once: the second begins when the first has come to a place where they are to meet.

    Whoever comes to such a place first waits there for the other: by default inside a transaction
    that is about to record its event. Whoever locks what it decides about keeps the other out
    until it has committed, so the outcome is always the same. Raises what either raised.
    """
    begun, over = Event(), Event()
    meeting = _Meeting(at, over)
    raised: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as trouble:  # noqa: BLE001  (raised again below)
            raised.append(trouble)
        finally:
            begun.set()
            over.set()
            connection.close()

    def come(name: Failpoint) -> None:
        if name in at:
            begun.set()
            meeting.come(name)

    threads = [Thread(target=run, args=(work,)) for work in (first, second)]
    with listening(come):
        threads[0].start()
        begun.wait()
        threads[1].start()
        for thread in threads:
            thread.join()
    for trouble in raised:
        raise trouble


class _Meeting:
    """Two meet once at each of the places; `over`: one of them has ended."""

    def __init__(self, places: Sequence[Failpoint], over: Event) -> None:
        self._nobody_came_to = set(places)
        self._over = over
        self._lock = Lock()
        self._waiting = Event()

    def come(self, place: Failpoint) -> None:
        """
        Wait for the other, unless it has ended or cannot come before we have committed.

        Who waits elsewhere goes on: it comes here, or to the lock that keeps it out.
        """
        with self._lock:
            self._waiting.set()
            if place not in self._nobody_came_to:
                return
            self._nobody_came_to.remove(place)
            gone_on = self._waiting = Event()
        ends = time.monotonic() + _LONGEST_WAIT_S
        while not gone_on.wait(_LOOK_EVERY_S) and time.monotonic() < ends:
            if self._over.is_set() or _somebody_waits_for_us():
                return


def _somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_WAITS_FOR_US)
        return bool(cursor.fetchone())
