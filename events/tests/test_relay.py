"""The relay with its work done in its own thread; workers/tests/test_doorbell.py rings Celery."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from core.tests.threads import eventually
from events.base import Context, Group, Route
from events.delivery import drain_group
from events.lanes import take_lane
from events.models import LaneGroup
from events.outbox import record
from events.relay import BUSY, LATEST, SOONEST, Bell, Relay
from events.tests.cast import StepTaken, leave_trace, record_at, traces
from events.tests.conftest import UseRoutes
from events.waking import groups_with_work, set_sleeping, wake_sleeping


@contextmanager
def running(relay: Relay) -> Iterator[Relay]:
    """Run it in a thread, stopped as a signal would stop it."""

    def run() -> None:
        try:
            relay.run()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(10)


def drain(group: Group) -> None:
    drain_group(group, timezone.now)


def is_asleep() -> bool:
    return not LaneGroup.objects.filter(sleeping=False).exists()


def note_step(event: StepTaken, context: Context) -> None:
    leave_trace(f"{event.story} {event.number}")


@pytest.mark.django_db(transaction=True)
def test_what_comes_in_one_by_one_is_done_at_once(use_routes: UseRoutes) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    with running(Relay(list(Group), drain)):
        for number in range(1, 6):
            eventually(is_asleep)
            record_at(timezone.now(), StepTaken(number=number))
            eventually(lambda: len(traces()) == number)  # noqa: B023

    assert traces() == [f"one {number}" for number in range(1, 6)]


@pytest.mark.django_db(transaction=True)
def test_who_falls_asleep_looks_again_for_those_that_found_it_awake(
    use_routes: UseRoutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    monkeypatch.setattr("events.relay.STAYS_AWAKE", 0.5)
    monkeypatch.setattr("events.relay.POLL", 60.0)
    with running(Relay([Group.CORE], drain)):
        eventually(lambda: LaneGroup.objects.get(name="core").sleeping)

        with transaction.atomic():
            record(StepTaken(), at=timezone.now())
            connection.run_on_commit.clear()

        eventually(lambda: traces() == ["one 1"])


@pytest.mark.parametrize(
    "tell",
    [
        lambda: set_sleeping(["core"], sleeping=True, at=timezone.now()),
        lambda: groups_with_work(["core"], timezone.now()),
        lambda: wake_sleeping(["core"]),
        lambda: take_lane("core", timezone.now()),
    ],
    ids=["the flag", "the look", "the call", "the lane"],
)
@pytest.mark.django_db(transaction=True)
def test_what_is_written_without_a_flush_is_that_and_nothing_after_it(
    use_routes: UseRoutes, tell: Callable[[], object]
) -> None:
    use_routes({StepTaken: (Route(note_step, Group.CORE, ordered=True),)})
    set_sleeping(["core"], sleeping=True, at=timezone.now())
    record_at(timezone.now(), StepTaken())
    with connection.cursor() as cursor:
        cursor.execute("set synchronous_commit to on")
        with transaction.atomic():
            tell()
            cursor.execute("show synchronous_commit")
            assert cursor.fetchone() == ("off",)
        cursor.execute("show synchronous_commit")
        assert cursor.fetchone() == ("on",)
        cursor.execute("reset synchronous_commit")


@pytest.mark.django_db(transaction=True)
def test_a_relay_outlives_its_connection() -> None:
    with running(Relay(list(Group), drain)) as relay:
        eventually(is_asleep)
        with connection.cursor() as cursor:
            cursor.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where pid <> pg_backend_pid() and datname = current_database()"""
            )
        first = relay.listening_on
        eventually(lambda: relay.listening_on not in (None, first) and is_asleep())


@pytest.mark.django_db(transaction=True)
def test_a_relay_outlives_a_connection_that_breaks_without_a_word() -> None:
    with running(Relay(list(Group), drain)) as relay:
        eventually(is_asleep)
        first: Any = relay.listening_on
        with socket.socket(fileno=os.dup(first.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        eventually(lambda: relay.listening_on not in (None, first) and is_asleep())


@pytest.mark.django_db(transaction=True)
def test_a_stopped_relay_is_not_taken_for_a_sleeping_one() -> None:
    with running(Relay(list(Group), drain)):
        eventually(is_asleep)

    assert not LaneGroup.objects.filter(sleeping=True).exists()


def test_a_bell_is_rung_at_once_then_ever_more_seldom_while_nothing_moves() -> None:
    bell = Bell()
    rung: list[float] = []
    now = 100.0
    while now < 110:
        if bell.is_due((1, 7), now):
            rung.append(now)
        now += 0.001

    gaps = [later - earlier for earlier, later in pairwise(rung)]
    assert rung[0] == 100.0
    assert gaps[0] == pytest.approx(2 * SOONEST, abs=0.002)
    assert gaps == sorted(gaps)
    assert gaps[-1] == pytest.approx(LATEST, abs=0.01)
    assert len(rung) < 20


def test_a_bell_is_rung_at_the_pace_of_a_busy_fleet_while_work_moves() -> None:
    bell = Bell()
    rung = [now / 1000 for now in range(5000) if bell.is_due((1, now), now / 1000)]

    assert rung[-1] - rung[-2] == pytest.approx(BUSY, abs=0.002)


def test_new_work_after_a_rest_is_rung_for_at_once() -> None:
    bell = Bell()
    for now in range(10):
        bell.is_due((1, 7), float(now))
    bell.rest()

    assert bell.is_due((1, 8), 9.001)
