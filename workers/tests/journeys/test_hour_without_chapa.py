"""
Chapa is down, and all goes on when Beat starts it: docs/running.md, An hour without Chapa.

Time is held, and put forward by ten seconds.
"""

import random
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
import requests
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from bookings.models import Booking
from core.rates import Rate
from events.models import Delivery
from payments.chapa.sandbox.refunds import RefundState
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.tests.servers import hanging_up_after_each, http_answer
from payments.models import GatewayCall, Refund
from workers.simulation import loops
from workers.simulation.verdict import find_wrong
from workers.simulation.world import HandClock, World
from workers.tests.journeys.conftest import Client, held_booking, logged_in, transaction_of

pytestmark = pytest.mark.crash

MINUTE = timedelta(minutes=1)
# However many payments wait: three in half a minute about them, and a few about links and refunds.
MOST_QUESTIONS_AN_HOUR = 400
UNAVAILABLE = (503, "gateway_unavailable", "10")
STARTED, OPEN_ALREADY = (202, None, "3"), (200, None, None)


@contextmanager
def refusing() -> Iterator[str]:
    """Nobody listens."""
    yield "http://127.0.0.1:9/v1"


@contextmanager
def silent() -> Iterator[str]:
    """Somebody listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@contextmanager
def unavailable() -> Iterator[str]:
    """What stands in front of Chapa answers."""
    page = http_answer(b"<h1>503 Service Unavailable</h1>", status="503 Service Unavailable")
    with hanging_up_after_each(page) as server:
        yield server.base_url


Down = Callable[[], AbstractContextManager[str]]


@dataclass
class Stay:
    """A traveller with a booking, and what their client was last told of its payment."""

    client: Client
    booking: Booking
    payment: dict[str, str] = field(default_factory=dict)

    def start(self) -> tuple[int, str | None, str | None]:
        answer = self.client.start_payment(str(self.booking.id))
        if answer.ok:
            self.payment = answer.json()
        return told(answer)

    def ask(self) -> tuple[int, str | None, str | None]:
        return told(self.client.post(f"payments/{self.payment['id']}/verify"))

    def cancel(self) -> None:
        assert self.client.post(f"bookings/{self.booking.id}/cancel").status_code == 200

    @property
    def shown(self) -> tuple[str, str]:
        """The booking and its payment, as the API shows them."""
        payment = self.client.get(f"payments/{self.payment['id']}").json()
        return self.shown_booking["status"], payment["status"]

    @property
    def hold_ends(self) -> datetime:
        return datetime.fromisoformat(self.shown_booking["hold_expires_at"])

    @property
    def shown_booking(self) -> dict[str, str]:
        return dict(self.client.get(f"bookings/{self.booking.id}").json())


def told(answer: requests.Response) -> tuple[int, str | None, str | None]:
    return answer.status_code, answer.json().get("code"), answer.headers.get("Retry-After")


@dataclass
class Outage:
    """The world around one, its clock, and all that Beat and the workers run meanwhile."""

    clock: HandClock
    chapa: RunningSandbox
    settings: Settings
    server: LiveServer

    def __post_init__(self) -> None:
        self.chapa.reset()
        self.chapa.faults.set({"test_refunds": "on", "webhook": "off", "callback": "off"})
        self.world = World(0, self.clock, self.chapa, random.Random(0))
        self.began = self.clock.now + 60 * MINUTE
        self.second = -3600

    def go_on_until(self, minutes: float, *, tick_s: int = 10) -> None:
        """Let it be so many minutes after Chapa went down."""
        for second in range(self.second + tick_s, int(minutes * 60) + 1, tick_s):
            self.second = second
            self.clock.now = self.began + timedelta(seconds=second)
            self.chapa.chapa.catch_up()
            loops.sweep(self.world)
            if second % 30 == 0:
                loops.expire(self.world)
            if second % 60 == 0:
                loops.look_at_refunds(self.world)
            loops.deliver(self.world)

    @contextmanager
    def down(self, how: Down) -> Iterator[None]:
        there, patience = self.settings.CHAPA_BASE_URL, self.settings.CHAPA_TIMEOUTS_S
        with how() as address:
            self.settings.CHAPA_BASE_URL = address
            self.settings.CHAPA_TIMEOUTS_S = (0.02, 0.02)
            yield
        self.settings.CHAPA_BASE_URL, self.settings.CHAPA_TIMEOUTS_S = there, patience

    def held(self) -> Stay:
        client = logged_in(self.server)
        return Stay(client, held_booking(client))

    def opened(self) -> Stay:
        stay = self.held()
        assert stay.start() == (201, None, None)
        return stay

    def confirmed(self) -> Stay:
        stay = self.opened()
        self.pay(stay)
        assert stay.ask() == (200, None, None)
        loops.deliver(self.world)
        assert stay.shown == ("confirmed", "succeeded")
        return stay

    def pay(self, stay: Stay) -> None:
        """The money arrives at Chapa, and nobody tells us."""
        self.chapa.chapa.pay(transaction_of(self.chapa, stay.payment))

    def page(self, stay: Stay) -> str:
        """Return what the page says that the traveller comes back to."""
        address = transaction_of(self.chapa, stay.payment).return_url or ""
        answer = requests.get(address, timeout=10)
        assert answer.status_code == 200
        (says,) = re.findall(r"</h1><p>(.*?)\.", answer.text)
        return str(says)

    @property
    def silent_for(self) -> float:
        page = requests.get(f"{self.server.url}/metrics", timeout=10).text
        return float(re.findall(r"^guzo_chapa_silent_seconds (.+)$", page, re.MULTILINE)[0])


@pytest.fixture
def outage(
    held_time: HandClock, still_chapa: RunningSandbox, settings: Settings, live_server: LiveServer
) -> Outage:
    settings.SWEEP_CALLS = Rate(5, timedelta(seconds=1))
    return Outage(held_time, still_chapa, settings, live_server)


def assert_nothing_is_owed() -> None:
    assert list(Delivery.objects.values_list("handler", "state")) == []


def test_an_hour_without_chapa(outage: Outage) -> None:
    going_back, given_up, late_refund = (outage.confirmed() for _ in range(3))
    going_back.cancel()
    outage.go_on_until(-25, tick_s=60)
    unpaid, paid = outage.opened(), outage.opened()
    outage.go_on_until(-5, tick_s=60)
    paid_meanwhile, link, untouched = outage.opened(), outage.opened(), outage.held()
    outage.go_on_until(0)
    lost = outage.held()
    outage.chapa.faults.set({"initialize": "lose"})
    assert lost.start() == STARTED
    outage.chapa.faults.set({"initialize": "ok"})
    outage.pay(paid)
    notified = outage.opened()
    outage.pay(notified)
    there = transaction_of(outage.chapa, notified.payment)
    assert outage.chapa.chapa.deliveries.send_again(there, times=1, at_once=False) == [200]
    given_up.cancel()
    (under_way,) = outage.chapa.store.refunds()
    asked_before = GatewayCall.objects.count()
    opened, unopened = (paid, unpaid, paid_meanwhile, notified), [lost]

    for how, minute in ((refusing, 20), (silent, 40), (unavailable, 60)):
        with outage.down(how):
            outage.go_on_until(minute - 15)
            unopened.append(outage.held())
            assert unopened[-1].start() == STARTED
            outage.go_on_until(minute - 10)
            if how is silent:
                outage.pay(paid_meanwhile)
                outage.chapa.chapa.settle_refund(under_way, RefundState.REFUNDED)
            if how is unavailable:
                link.cancel()
                late_refund.cancel()
            outage.go_on_until(minute)
            # Not within the five seconds after somebody asked.
            outage.clock.forward(timedelta(seconds=6))
            for each in opened:
                assert each.ask() == UNAVAILABLE
                assert each.start() == OPEN_ALREADY
                assert each.payment["checkout_url"] is not None
                assert outage.page(each) == "Chapa does not answer us at the moment"
            for each in unopened:
                assert each.start() == STARTED
                assert each.payment["checkout_url"] is None
            for each in (*opened, *unopened):
                assert each.shown == ("held", "pending")
                assert each.hold_ends > outage.clock.now + 14 * MINUTE
                assert each.hold_ends <= outage.began + 75 * MINUTE

    assert GatewayCall.objects.count() - asked_before <= MOST_QUESTIONS_AN_HOUR
    assert outage.silent_for > 3500
    assert not Delivery.objects.filter(state="dead").exists()
    # What nobody began to pay ended with its time, and what was given up stays so.
    assert untouched.start() == (409, "booking_not_payable", None)
    assert untouched.shown_booking["status"] == "expired"
    assert link.shown == ("cancelled", "cancelled")
    assert len(outage.chapa.store.refunds()) == 1

    # A minute later everybody has heard of their money, and can pay.
    outage.go_on_until(61)
    for each in (paid, paid_meanwhile, notified):
        assert each.shown == ("confirmed", "succeeded")
    assert outage.silent_for == 0
    assert lost.shown == ("held", "cancelled")
    assert lost.start() == (201, None, None)
    for each in unopened:
        each.start()
        assert each.payment["checkout_url"] is not None
    outage.go_on_until(70)
    for each in unopened:
        outage.pay(each)
        assert each.ask() == (200, None, None)
    assert unpaid.shown == ("held", "pending")

    # After a quarter of the time it was away all is caught up.
    outage.go_on_until(76)
    assert_nothing_is_owed()
    assert {each.shown for each in unopened} == {("confirmed", "succeeded")}
    assert unpaid.shown == ("expired", "expired")
    assert not outage.chapa.chapa.is_payable(transaction_of(outage.chapa, link.payment))
    assert len(outage.chapa.store.refunds()) == 3
    states = Refund.objects.order_by("submitted_at").values_list("state", flat=True)
    assert list(states) == ["succeeded", "submitted", "submitted"]
    outage.go_on_until(60 + 3 * 24 * 60, tick_s=3600)
    assert find_wrong(outage.world) == []


def test_an_outage_that_is_longer_than_holds_are_kept(outage: Outage) -> None:
    outage.settings.HOLD_OUTAGE_CAP = 20 * MINUTE
    stays = paid, taken, unpaid = [outage.opened() for _ in range(3)]
    outage.second = -20 * 60
    ends = paid.hold_ends
    outage.began = outage.clock.now + 20 * MINUTE
    with outage.down(unavailable):
        outage.go_on_until(5)
        for each in (paid, taken):
            outage.pay(each)
        outage.go_on_until(29)
        for each in stays:
            assert (each.shown, each.hold_ends) == (("held", "pending"), ends + 20 * MINUTE)
        outage.go_on_until(31)
        for each in stays:
            assert each.shown == ("expired", "expired")
            assert each.start() == (409, "booking_not_payable", None)
        booking = Booking.objects.select_related("listing").get(id=taken.booking.id)
        new = Stay(logged_in(outage.server), booking)
        new.client.hold(booking.listing, str(booking.check_in), str(booking.check_out))
        outage.go_on_until(60)

    outage.go_on_until(76)

    assert paid.shown == ("confirmed", "succeeded")
    assert taken.shown == ("expired", "succeeded")
    assert unpaid.shown == ("expired", "expired")
    refund = Refund.objects.get()
    assert (str(refund.payment_id), refund.reason) == (taken.payment["id"], "dates_taken")
    assert refund.state == "submitted"
    assert_nothing_is_owed()
    outage.go_on_until(60 + 3 * 24 * 60, tick_s=3600)
    assert taken.shown == ("expired", "refunded")
    assert find_wrong(outage.world) == []
