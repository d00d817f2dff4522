from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from bookings.tests.mail_server import serve
from core.tests.threads import eventually
from workers.tests.crash.fleet import Fleet, running_fleet
from workers.tests.crash.mail_server import Mailbox

# Else a broken one would not say what it found.
pytest.register_assert_rewrite("workers.tests.crash.invariants")

_numbers = count(1)


@pytest.fixture(scope="session")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    server = serve(box)
    server.start()
    yield box, server.port
    box.hold = False
    server.stop()


@pytest.fixture(scope="session")
def shared_fleet(
    tmp_path_factory: pytest.TempPathFactory, mailbox: tuple[Mailbox, int]
) -> Iterator[Fleet]:
    with running_fleet(
        Path(tmp_path_factory.mktemp("fleet")),
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=str(mailbox[1]),
        SANDBOX_RETRY_S="1",
        # One traveller stands for a crowd here.
        HOLDS_PER_USER="100000/1m",
        OPEN_HOLDS_PER_USER="1000",
    ) as fleet:
        fleet.sql(
            """
            with host as (
                insert into core_user (id, password, is_superuser, email, first_name, last_name,
                    phone_number, language, is_active, is_staff, joined_at)
                values (gen_random_uuid(), '', false, 'host@guzo.et', 'Almaz', 'Bekele', '', 'en',
                    true, false, now())
                returning id
            )
            insert into bookings_listing (id, slug, name, kind, city, region, area, description,
                host_id, sleeps, nightly_price, currency, amenities, cancellation, is_listed,
                created_at)
            select gen_random_uuid(), 'place-' || n, 'Place ' || n, 'hotel', 'Gondar', 'Amhara',
                'Piazza', 'A room.', host.id, 4, 1500, 'ETB', '{}', 'flexible', true, now()
            from host, generate_series(1, 3) n
            """
        )
        yield fleet


@pytest.fixture
def fleet(shared_fleet: Fleet, mailbox: tuple[Mailbox, int]) -> Iterator[Fleet]:
    """The fleet, whole again after each test."""
    yield shared_fleet
    mailbox[0].hold = False
    shared_fleet.chapa("DELETE", "faults")
    for process in shared_fleet.supervisor.processes():
        if process.has_ended():
            process.reap()
            shared_fleet.launch(process.name)


@dataclass
class Trip:
    """One traveller's booking, followed through the public API."""

    fleet: Fleet
    email: str
    session: requests.Session
    booking: dict[str, Any] = field(default_factory=dict)
    payment: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, *expected: int, **options: Any) -> dict[str, Any]:
        answer = self.session.request(
            method, f"{self.fleet.plan.web_url}/api/v1/{path}", timeout=30, **options
        )
        assert answer.status_code in expected, f"{answer.status_code}: {answer.text}"
        return dict(answer.json())

    def start_payment(self) -> None:
        self.payment = self.call(
            "POST",
            f"bookings/{self.booking['id']}/payments",
            201,
            json={},
            headers={"Idempotency-Key": self.booking["id"]},
        )

    def pay(self) -> None:
        answer = requests.post(
            f"{self.payment['checkout_url']}/pay",
            data={"phone_number": "0900123456"},
            allow_redirects=False,
            timeout=20,
        )
        assert answer.is_redirect, answer.text

    def status(self) -> str:
        return str(self.call("GET", f"bookings/{self.booking['id']}", 200)["status"])

    def await_confirmation(self, within: float = 30) -> None:
        eventually(lambda: self.status() == "confirmed", within=within)

    def assert_happened_once(self, mailbox: Mailbox) -> None:
        """One capture, one confirmation, one mail, and nothing owed any more."""
        eventually(lambda: mailbox.to(self.email), within=20)
        subjects = [f"payment:{self.payment['id']}", f"booking:{self.booking['id']}"]
        eventually(lambda: not self._owed(subjects), within=20)
        captures = self.fleet.sql(
            "select kind, amount from payments_ledgerentry where payment_id = %s",
            self.payment["id"],
        )
        assert [kind for kind, _ in captures] == ["capture"]
        types = [
            kind
            for (kind,) in self.fleet.sql(
                "select type from events_event where subject = any(%s)", subjects
            )
        ]
        assert types.count("payment.succeeded") == 1
        assert types.count("booking.confirmed") == 1
        assert len(mailbox.to(self.email)) == 1

    def _owed(self, subjects: list[str]) -> list[tuple[Any, ...]]:
        return self.fleet.sql(
            """select handler, state from events_delivery d join events_event e on e.id = d.event_id
               where e.subject = any(%s) and handler <> 'rescue_checkout'""",
            subjects,
        )


@pytest.fixture
def trip(fleet: Fleet) -> Trip:
    """A traveller with a held stay on dates nobody else has."""
    number = next(_numbers)
    session = requests.Session()
    found = Trip(fleet, f"traveller{number}@guzo.et", session)
    login = {"email": found.email, "password": "kurs-buna-72-lalibela"}
    found.call("POST", "users", 201, json=login | {"first_name": "Selam", "last_name": "Tesfaye"})
    token = found.call("POST", "tokens", 201, json=login)["token"]
    session.headers["Authorization"] = f"Bearer {token}"
    listing = found.call("GET", "listings", 200)["results"][0]
    day = (datetime.now(UTC) + timedelta(days=10 + 3 * number)).date()
    found.booking = found.call(
        "POST",
        "bookings",
        201,
        json={
            "listing": listing["id"],
            "check_in": str(day),
            "check_out": str(day + timedelta(days=2)),
            "guests": 2,
        },
    )
    return found
