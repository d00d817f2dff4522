"""The relay hears, rings over the real broker, and a real Celery worker delivers."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection, transaction
from django.utils import timezone

from bookings.events import BookingConfirmed
from bookings.models import Booking
from bookings.tests.factories import BookingFactory
from core.ids import new_id
from events.models import LaneGroup, Receipt
from events.outbox import record
from workers.celery import app
from workers.doorbell import BUSY, LATEST, SOONEST, Bell, Relay
from workers.tests.journeys.conftest import eventually

pytestmark = pytest.mark.crash


@contextmanager
def running_relay() -> Iterator[Relay]:
    """A relay in a thread, stopped as a signal would stop it."""
    ours, theirs = socket.socketpair()
    relay = Relay(wakeup=ours)

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
        relay.stopping = True
        theirs.send(b"stop")
        thread.join(10)
        ours.close()
        theirs.close()


@pytest.fixture(scope="module")
def celery_process(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A real Celery worker of every group, on this run's broker and test database."""
    address = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    log = tmp_path_factory.mktemp("celery") / "log"
    command = "-m celery --app workers worker --queues core,chapa,mail --pool solo --loglevel INFO"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            env={**os.environ, "DATABASE_URL": urlunsplit(address._replace(path=f"/{name}"))},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: b" ready." in log.read_bytes(), within=30)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def worker(transactional_db: None, celery_process: None) -> None:
    app.control.purge()


def _confirm(booking: Booking) -> int:
    with transaction.atomic():
        return record(
            BookingConfirmed(booking_id=booking.id, payment_id=new_id(), late=False),
            at=timezone.now(),
        )


def _is_asleep() -> bool:
    return not LaneGroup.objects.filter(sleeping=False).exists()


def test_an_event_rings_a_worker_within_a_moment(worker: None) -> None:
    booking = BookingFactory.create(status=Booking.Status.CONFIRMED, paid_by=new_id())
    with running_relay():
        eventually(_is_asleep)

        event_id = _confirm(booking)

        eventually(lambda: Receipt.objects.filter(event_id=event_id).exists())
    assert booking.mails.get().state == "sent"


def test_what_was_recorded_while_no_relay_ran_is_found_at_its_start(worker: None) -> None:
    booking = BookingFactory.create(status=Booking.Status.CONFIRMED, paid_by=new_id())
    event_id = _confirm(booking)

    with running_relay():
        eventually(lambda: Receipt.objects.filter(event_id=event_id).exists())


@pytest.mark.django_db(transaction=True)
def test_a_relay_outlives_its_connection() -> None:
    with running_relay() as relay:
        eventually(_is_asleep)
        with connection.cursor() as cursor:
            cursor.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where pid <> pg_backend_pid() and datname = current_database()"""
            )
        first = relay.listening_on
        eventually(lambda: relay.listening_on not in (None, first) and _is_asleep())


@pytest.mark.django_db(transaction=True)
def test_a_relay_outlives_a_connection_that_breaks_without_a_word() -> None:
    with running_relay() as relay:
        eventually(_is_asleep)
        first: Any = relay.listening_on
        with socket.socket(fileno=os.dup(first.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        eventually(lambda: relay.listening_on not in (None, first) and _is_asleep())


@pytest.mark.django_db(transaction=True)
def test_a_stopped_relay_is_not_taken_for_a_sleeping_one() -> None:
    with running_relay():
        eventually(_is_asleep)

    assert not LaneGroup.objects.filter(sleeping=True).exists()


def test_a_bell_is_rung_at_once_then_ever_more_seldom_while_nothing_moves() -> None:
    bell = Bell("core")
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
    bell = Bell("core")
    rung = [now / 1000 for now in range(5000) if bell.is_due((1, now), now / 1000)]

    assert rung[-1] - rung[-2] == pytest.approx(BUSY, abs=0.002)


def test_new_work_after_a_rest_is_rung_for_at_once() -> None:
    bell = Bell("core")
    for now in range(10):
        bell.is_due((1, 7), float(now))
    bell.rest()

    assert bell.is_due((1, 8), 9.001)
