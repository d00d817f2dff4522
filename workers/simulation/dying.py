"""A worker that dies at a labelled point: what it had not committed is gone, and so is it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread

from django.db import connection

from core.failpoints import Failpoint, listening

# Passed at every turn of every loop, so that all would die there: workers/tests/crash has these.
_EVERY_TURN = ("outbound.taken_back", "outbound.take_back_committed")


class WorkerDied(BaseException):
    """Not an Exception, as a SIGKILL is none: nobody catches it on the way."""


@contextmanager
def dying(*, after: int, at_door: bool = False) -> Iterator[list[Failpoint]]:
    """
    Let whoever comes to a labelled place die there, when so many were passed before; tell where.

    `at_door`: only threads that take webhooks count, else all others. Who comes next lives.
    """
    passed: list[Failpoint] = []

    def listener(reached: Failpoint) -> None:
        ours = current_thread() is main_thread() or current_thread().name == "sweep"
        if ours is at_door or len(passed) > after or reached in _EVERY_TURN:
            return
        passed.append(reached)
        if len(passed) > after:
            raise WorkerDied(reached)

    with listening(listener):
        yield passed


def die_doing(work: Callable[[], None], *, after: int) -> str:
    """Do it, and die on the way if that passes so many labelled places; return where it died."""
    with dying(after=after) as passed:
        try:
            work()
        except WorkerDied:
            _leave_the_database()
            return passed[-1]
    return ""


def _leave_the_database() -> None:
    """A dead process has no connection; wait until the server has noticed."""
    pid = _backend()
    with suppress(Exception):
        connection.close()
    with connection.cursor() as cursor:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            cursor.execute("select from pg_stat_activity where pid = %s", [pid])
            if not cursor.rowcount:
                return
            time.sleep(0.001)


def _backend() -> int:
    pid: int = connection.connection.info.backend_pid if connection.connection else 0
    return pid
