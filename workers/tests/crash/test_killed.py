"""Real processes, killed with -9 in the middle of their work, and servers that go away."""

import os
import signal
import time

import pytest

from core.tests.threads import eventually
from workers.tests.crash.conftest import Trip
from workers.tests.crash.fleet import Fleet
from workers.tests.crash.mail_server import Mailbox

pytestmark = pytest.mark.crash


def _in_flight(fleet: Fleet, handler: str) -> bool:
    return bool(
        fleet.sql(
            "select 1 from events_delivery where handler = %s and state = 'in_flight'", handler
        )
    )


def test_nothing_is_killed(fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]) -> None:
    trip.start_payment()
    trip.pay()

    trip.await_confirmation(within=5)
    trip.assert_happened_once(mailbox[0])


def test_a_worker_is_killed_while_it_asks_chapa(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    trip.start_payment()
    fleet.chapa("POST", "faults", {"latency_s": 3.0})
    trip.pay()
    eventually(lambda: _in_flight(fleet, "settle_notified_payment"), within=20)

    fleet.kill("worker-chapa")
    fleet.chapa("DELETE", "faults")
    fleet.launch("worker-chapa")

    trip.await_confirmation()
    trip.assert_happened_once(mailbox[0])


def test_a_worker_is_killed_while_it_confirms(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    trip.start_payment()
    # The handler's first lock is ours: it stands still in the middle of its transaction.
    with fleet.locked("bookings_listing"):
        trip.pay()
        eventually(
            lambda: fleet.sql(
                """select 1 from pg_stat_activity
                   where wait_event_type = 'Lock' and query like '%bookings_listing%'"""
            ),
            within=20,
        )
        fleet.kill("worker-core")
    assert trip.status() == "held"

    fleet.launch("worker-core")

    trip.await_confirmation()
    trip.assert_happened_once(mailbox[0])


def test_a_worker_is_killed_while_it_mails(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    box, _ = mailbox
    trip.start_payment()
    box.held.clear()
    box.hold = True
    trip.pay()
    assert box.held.wait(20)

    fleet.kill("worker-mail")
    box.hold = False
    fleet.launch("worker-mail")

    # The letter may have been taken for all we know: it is tried once more after a minute.
    eventually(lambda: box.to(trip.email), within=100)
    trip.assert_happened_once(box)


def test_the_webhook_is_dropped(fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]) -> None:
    fleet.chapa("POST", "faults", {"webhook": "off"})
    trip.start_payment()
    trip.pay()

    trip.await_confirmation(within=40)
    trip.assert_happened_once(mailbox[0])
    assert not fleet.sql(
        "select 1 from payments_incomingwebhook where tx_ref = %s", trip.payment["tx_ref"]
    )


def test_the_broker_is_down_while_a_payment_is_made(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    fleet.kill("valkey")

    started = time.monotonic()
    trip.start_payment()
    trip.pay()
    took = time.monotonic() - started
    eventually(
        lambda: fleet.sql(
            "select 1 from payments_incomingwebhook where tx_ref = %s", trip.payment["tx_ref"]
        ),
        within=20,
    )
    assert took < 5, "both answer as usual"
    fleet.launch("valkey")

    trip.await_confirmation()
    trip.assert_happened_once(mailbox[0])


def test_postgresql_is_restarted_under_everything(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    trip.start_payment()
    before = {each.name: each.pid for each in fleet.supervisor.processes()}
    postgres = fleet.process("postgres")
    os.kill(postgres.pid, signal.SIGINT)
    eventually(postgres.has_ended, within=20)
    postgres.reap()
    time.sleep(2)  # every process meets a database that is not there
    fleet.launch("postgres")

    eventually(lambda: _answers(trip), within=20)
    trip.pay()

    trip.await_confirmation(within=60)
    trip.assert_happened_once(mailbox[0])
    after = {each.name: each.pid for each in fleet.supervisor.processes()}
    assert {name for name in before if before[name] != after[name]} == {"postgres"}


def _answers(trip: Trip) -> bool:
    answer = trip.session.get(f"{trip.fleet.plan.web_url}/api/v1/bookings", timeout=10)
    return answer.status_code == 200


def test_a_worker_is_killed_again_and_again(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    trip.start_payment()
    trip.pay()
    for name in ("worker-core", "worker-chapa", "relay", "web"):
        fleet.kill(name)
        fleet.launch(name)

    trip.await_confirmation(within=60)
    trip.assert_happened_once(mailbox[0])


def test_no_log_tells_who_pays_or_how(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    trip.start_payment()
    trip.pay()
    trip.await_confirmation()
    trip.assert_happened_once(mailbox[0])

    secrets = [
        trip.email,
        "0900123456",
        str(trip.session.headers["Authorization"]).removeprefix("Bearer "),
        trip.payment["checkout_url"].rsplit("/", 1)[1],
        fleet.plan.environment["CHAPA_SECRET_KEY"],
        fleet.plan.environment["CHAPA_WEBHOOK_SECRETS"],
        fleet.plan.environment["SECRET_KEY"],
        "charge.success",
    ]
    told = {
        (log.name, secret)
        for log in fleet.logs.glob("*.log")
        # The far end is not ours: its pages are named in its own log.
        if log.name != "chapa.log"
        for secret in secrets
        if secret.encode() in log.read_bytes()
    }
    assert not told
    assert b"api/v1/bookings" in (fleet.logs / "web.log").read_bytes()
