"""The relay hears, rings over the real broker, and a real Celery worker delivers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from bookings.events import BookingConfirmed
from bookings.models import Booking
from bookings.tests.cast import payment_for
from bookings.tests.factories import BookingFactory
from core.tests.threads import eventually
from events.base import Group
from events.models import LaneGroup, Receipt
from events.outbox import record
from events.relay import Relay
from events.tests.test_relay import is_asleep, running
from workers.celery import app
from workers.doorbell import Doorbell

pytestmark = pytest.mark.crash


@contextmanager
def running_relay() -> Iterator[None]:
    with running(Relay(list(Group), Doorbell().ring)):
        yield


@contextmanager
def following(log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `deliver_events --follow` on the test's database, in a process of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "deliver_events", "--follow"],
            env={**os.environ, "DATABASE_URL": address_of_database()},
            cwd=settings.BASE_DIR,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: log.read_bytes().count(b"relay ready") == len(Group), within=30)
        yield process
    finally:
        process.kill()
        process.wait(20)


def address_of_database() -> str:
    address = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    return urlunsplit(address._replace(path=f"/{name}"))


@pytest.fixture(scope="module")
def celery_process(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A real Celery worker of every group, on this run's broker and test database."""
    log = tmp_path_factory.mktemp("celery") / "log"
    command = "-m celery --app workers worker --queues core,chapa,mail --pool solo --loglevel INFO"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            env={**os.environ, "DATABASE_URL": address_of_database()},
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


def _paid() -> Booking:
    booking = BookingFactory.create()
    booking.status = Booking.Status.CONFIRMED
    booking.paid_by = payment_for(booking, status="succeeded").id
    booking.save()
    return booking


def _confirm(booking: Booking) -> int:
    assert booking.paid_by
    with transaction.atomic():
        return record(
            BookingConfirmed(booking_id=booking.id, payment_id=booking.paid_by, late=False),
            at=timezone.now(),
        )


def is_mailed(event_id: int) -> bool:
    return Receipt.objects.filter(event_id=event_id, handler="send_confirmation").exists()


def test_an_event_rings_a_worker_within_a_moment(worker: None) -> None:
    booking = _paid()
    with running_relay():
        eventually(is_asleep)

        event_id = _confirm(booking)

        eventually(lambda: is_mailed(event_id))
    assert booking.mails.get().state == "sent"


def test_what_was_recorded_while_no_relay_ran_is_found_at_its_start(worker: None) -> None:
    booking = _paid()
    event_id = _confirm(booking)

    with running_relay():
        eventually(lambda: is_mailed(event_id))


def test_events_are_followed_without_celery_or_a_broker(
    transactional_db: None, tmp_path: Path
) -> None:
    with following(tmp_path / "log") as process:
        booking = _paid()
        event_id = _confirm(booking)

        eventually(lambda: is_mailed(event_id))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert not LaneGroup.objects.filter(sleeping=True).exists()
