"""What Chapa tells by itself comes wrong, late, twice or never: docs/chapa.md, Trouble."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as project_settings
from django.core import mail
from django.utils import timezone
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from bookings.models import Booking
from events.delivery import drain_all
from payments.chapa.sandbox.config import SandboxConfig
from payments.chapa.sandbox.server import RunningSandbox, running_sandbox
from payments.services.reconciling import check_due_payments
from payments.services.refunding import check_due_refunds
from workers.simulation.world import HandClock
from workers.tests.journeys.cases import Case, Expected
from workers.tests.journeys.cast import QUIET, SWEEP, clock_at
from workers.tests.journeys.conftest import PAYS, Client
from workers.tests.journeys.observing import heard_by, state_of, trouble
from workers.tests.journeys.troubles import REFUND_END, SIGNALS

pytestmark = pytest.mark.crash

# Longer than a delivery or a payment is late, and than a refund takes, at the local Chapa.
LONG_ENOUGH = timedelta(seconds=20)


@pytest.fixture(scope="module")
def clock() -> HandClock:
    """The time at the local Chapa, which stands still: there nothing happens by itself."""
    return HandClock(timezone.now())


@pytest.fixture(scope="module")
def sandbox(live_server: LiveServer, clock: HandClock) -> Iterator[RunningSandbox]:
    config = SandboxConfig(
        secret_keys=(project_settings.CHAPA_SECRET_KEY,),
        webhook_secrets=tuple(project_settings.CHAPA_WEBHOOK_SECRETS),
        public_url=live_server.url,
    )
    with running_sandbox(config, clock) as running:
        yield running


@pytest.fixture(autouse=True)
def the_time_is_now(clock: HandClock) -> None:
    clock.now = timezone.now()


def catch_up(chapa: RunningSandbox, clock: HandClock) -> None:
    chapa.chapa.catch_up()
    # Our server has a clock of its own, and what it wrote just now is due.
    at = clock_at(max(clock(), timezone.now()))
    drain_all(at)
    # A callback only makes the next look an early one.
    check_due_payments(at)
    drain_all(at)


def came_in(chapa: RunningSandbox, tx_ref: str) -> str:
    """Return what Guzo was told, and how it answered, in the order in which it came."""
    came = [each for each in chapa.store.attempts(tx_ref) if each.http_status is not None]
    named = [each.event if each.kind == "webhook" else each.kind for each in came]
    return (
        ", ".join(f"{name}: {each.http_status}" for name, each in zip(named, came, strict=True))
        or "nothing"
    )


@pytest.mark.parametrize("case", SIGNALS, ids=str)
def test_a_booking_is_confirmed_once_however_its_payment_is_told_of(
    traveller: Client,
    booking: Booking,
    chapa: RunningSandbox,
    settings: Settings,
    clock: HandClock,
    case: Case,
) -> None:
    chapa.faults.set(QUIET)
    traveller.start_payment(str(booking.id))
    (opened,) = chapa.store.transactions()

    with trouble(chapa, settings, case):
        if case.switch == "payment":
            chapa.faults.set({"webhook": "on"})
        if case.position == "reorder":
            chapa.chapa.decline(opened)
            chapa.faults.set({"webhook": "on"})
        chapa.chapa.page.pay(opened, PAYS)
        catch_up(chapa, clock)
        heard, then = came_in(chapa, opened.tx_ref), state_of(booking)
        clock.forward(LONG_ENOUGH)
        catch_up(chapa, clock)
        by_itself = state_of(booking)

    if case.position in ("delay", "late", "fail_first"):
        assert by_itself == case.expected.ends
    clock.forward(SWEEP)
    check_due_payments(clock)
    drain_all(clock)
    assert Expected(heard, None, then, state_of(booking)) == case.expected
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("case", REFUND_END, ids=str)
def test_a_refund_ends_as_chapa_ends_it(
    traveller: Client,
    booking: Booking,
    chapa: RunningSandbox,
    settings: Settings,
    clock: HandClock,
    case: Case,
) -> None:
    chapa.faults.set(QUIET)
    traveller.start_payment(str(booking.id))
    assert traveller.post(f"bookings/{booking.id}/cancel").status_code == 200
    (opened,) = chapa.store.transactions()
    chapa.chapa.pay(opened)
    later = clock_at(clock() + timedelta(hours=2))

    with trouble(chapa, settings, case):
        check_due_payments(later)
        drain_all(later)
        then = state_of(booking)
        clock.forward(LONG_ENOUGH)
        catch_up(chapa, clock)
        check_due_refunds(clock_at(later() + timedelta(minutes=2)))

    heard = heard_by("refund_check")
    assert Expected(heard, None, then, state_of(booking)) == case.expected
