from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import transaction
from django.utils import timezone
from knox.models import AuthToken
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from bookings.models import Booking
from bookings.tests.factories import ListingFactory
from core.ids import new_id
from core.models import User
from core.rates import Rate
from core.tests.factories import UserFactory
from events.models import Delivery
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Transaction
from workers.invariants.base import Scope
from workers.invariants.checking import INVARIANTS, find_violations

PAYS = "0900123456"


class Client:
    """A traveller's client, over a real socket."""

    def __init__(self, origin: str, user: User, token: str) -> None:
        self.user = user
        self.origin = origin
        self.token = token
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token}"

    def again(self) -> "Client":
        """Return another client of the same traveller: a session is for one thread."""
        return Client(self.origin, self.user, self.token)

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.origin}/api/v1/{path}", timeout=10)

    def post(
        self, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.session.post(
            f"{self.origin}/api/v1/{path}", json=body or {}, headers=headers, timeout=30
        )

    def hold(self, listing: Any, check_in: str, check_out: str) -> dict[str, Any]:
        answer = self.post(
            "bookings",
            {"listing": str(listing.id), "check_in": check_in, "check_out": check_out, "guests": 2},
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def start_payment(self, booking_id: str, key: str | None = None) -> requests.Response:
        return self.post(f"bookings/{booking_id}/payments", key=key or str(new_id()))


def logged_in(live_server: LiveServer) -> Client:
    user = UserFactory.create()
    return Client(live_server.url, user, AuthToken.objects.create(user)[1])


@pytest.fixture(autouse=True)
def all_invariants_hold(transactional_db: None) -> Iterator[None]:
    """Wherever a journey leads, what must always be true is true at its end."""
    yield
    with transaction.atomic():
        found = find_violations(INVARIANTS, at=timezone.now(), scope=Scope.EVER)
    assert [finding for finding in found if finding.violations != 0] == []


@pytest.fixture
def traveller(live_server: LiveServer, transactional_db: None) -> Client:
    return logged_in(live_server)


@pytest.fixture
def stranger(live_server: LiveServer, transactional_db: None) -> Client:
    return logged_in(live_server)


@pytest.fixture
def booking(traveller: Client) -> Booking:
    """A stay that the traveller holds and has not begun to pay."""
    return held_booking(traveller)


Pay = Callable[[str], None]


@pytest.fixture
def pay() -> Pay:
    """Pay on the checkout page, as a person would."""

    def click(checkout_url: str) -> None:
        page = requests.post(
            f"{checkout_url}/pay", data={"phone_number": PAYS}, allow_redirects=False, timeout=10
        )
        assert page.status_code in (302, 303), page.text

    return click


def hasten() -> None:
    """Let every delivery that waits for its time be due."""
    Delivery.objects.filter(state__in=["ready", "retry"]).update(next_at=timezone.now())


def held_stay(traveller: Client) -> dict[str, Any]:
    day = timezone.now().date() + timedelta(days=20)
    return traveller.hold(ListingFactory.create(), str(day), str(day + timedelta(days=2)))


def held_booking(traveller: Client) -> Booking:
    return Booking.objects.get(id=held_stay(traveller)["id"])


def transaction_of(chapa: RunningSandbox, payment: dict[str, Any]) -> Transaction:
    """Return what the local Chapa has of a payment as our API shows it."""
    found = chapa.store.find(payment["tx_ref"])
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def all_the_turns_it_wants(settings: Settings) -> None:
    """A clock that is held still would never bring the sweep its next turn."""
    settings.SWEEP_CALLS = Rate(10_000, timedelta(seconds=1))
