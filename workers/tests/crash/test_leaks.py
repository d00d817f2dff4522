"""What real processes write down and refuse with, while everything goes right and wrong."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import requests

from core.ids import new_id
from core.tests.threads import eventually
from payments.chapa.signature import sign
from workers.tests.crash.conftest import Trip
from workers.tests.crash.fleet import DATABASE_PASSWORD, Fleet
from workers.tests.crash.mail_server import Mailbox

pytestmark = pytest.mark.crash

PASSWORD = "kurs-buna-72-lalibela"
WRONG = "mesob-gursha-41-axum"
PHONE = "0911987654"
NAME = "Tesfanesh"
INTERNALS = ("Traceback", "psycopg2", "Error(", "LINE 1", "DETAIL", "core_user")


class Tour:
    """A client that keeps every refusal it is given."""

    def __init__(self, trip: Trip) -> None:
        self.web = trip.fleet.plan.web_url
        self.session = trip.session
        self.refusals: list[str] = []

    def call(
        self,
        method: str,
        path: str,
        expected: int,
        session: requests.Session | None = None,
        **kw: object,
    ) -> requests.Response:
        answer = (session or self.session).request(
            method,
            self.web + path,
            timeout=30,
            allow_redirects=False,
            **kw,  # type: ignore[arg-type]
        )
        assert answer.status_code == expected, f"{path}: {answer.status_code} {answer.text[:300]}"
        if expected >= 400:
            self.refusals.append(f"{answer.headers}\n{answer.text}")
        return answer

    def send_raw(self, request: str) -> None:
        """Send what no HTTP library would."""
        where = urlsplit(self.web)
        with socket.create_connection((str(where.hostname), int(where.port or 80)), 10) as line:
            line.sendall(request.encode("latin-1"))
            line.shutdown(socket.SHUT_WR)
            line.recv(65536)


def test_no_log_and_no_refusal_tells_a_person_or_a_secret(
    fleet: Fleet, trip: Trip, mailbox: tuple[Mailbox, int]
) -> None:
    tour = Tour(trip)
    token = str(trip.session.headers["Authorization"]).removeprefix("Bearer ")
    return_key = _pay_and_return(fleet, trip, tour, mailbox[0])
    ((reference,),) = fleet.sql(
        "select gateway_reference from payments_payment where id = %s", trip.payment["id"]
    )
    secrets = {
        # Opens a page with the payer's name and number.
        "reference of Chapa's": reference,
        "token": token,
        "e-mail": trip.email.partition("@")[0] + "@",
        "e-mail, encoded": quote(trip.email),
        "return key": return_key,
        "checkout link": str(trip.payment["checkout_url"]).rpartition("/")[2],
        "password": PASSWORD,
        "wrong password": WRONG,
        "hash of a password": "$argon2id$",
        "phone": PHONE,
        "phone of the payer": "0900123456",
        "name": NAME,
        "surname": "Tesfaye",
        "database password": DATABASE_PASSWORD,
        **{name: fleet.plan.environment[name] for name in ("SECRET_KEY", "CHAPA_SECRET_KEY")},
        "webhook secret": fleet.plan.environment["CHAPA_WEBHOOK_SECRETS"],
    }
    _knock_wrongly(tour, trip, token, return_key)
    secrets |= _operate(fleet, tour, trip)
    secrets["signature"] = _send_webhooks(fleet, tour, trip)
    _break(fleet, tour, trip)

    logs = {path.stem: path.read_text(errors="replace") for path in fleet.logs.glob("*.log")}
    assert {"web", "relay", "worker-core", "worker-chapa", "worker-mail", "beat"} <= set(logs)
    _assert_they_spoke(logs)
    found = [f"{what} in {log}" for what, log in _leaks(secrets, logs)]
    told = [what for what, _ in _leaks(secrets, {"refusals": "\n".join(tour.refusals)})]
    told += [word for word in INTERNALS if any(word in refusal for refusal in tour.refusals)]
    assert (found, told) == ([], [])


_CHAPAS_OWN = (("checkout link", "chapa"), ("reference of Chapa's", "chapa"))


def _leaks(secrets: dict[str, str], texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    for log, text in texts.items():
        for what, secret in secrets.items():
            # The local Chapa stands for someone else, whose own pages have these addresses.
            if secret in text and (what, log) not in _CHAPAS_OWN:
                yield what, log


def _assert_they_spoke(logs: dict[str, str]) -> None:
    """Each mishap is in a log: there was something to leak."""
    assert "request.failed" in logs["web"]
    assert "violates check constraint" in logs["web"]
    assert "Invalid request from" in logs["web"]
    assert "webhook.rejected" in logs["web"]
    assert "raised unexpected" in logs["worker-chapa"]
    assert "delivery.failed" in logs["worker-mail"]
    assert "violates check constraint" in logs["postgres"]


def _pay_and_return(fleet: Fleet, trip: Trip, tour: Tour, mailbox: Mailbox) -> str:
    """Pay, while the mail server knows no such address; return the key of the return page."""
    trip.start_payment()
    mailbox.to_recipient = f"550 no mailbox {trip.email} of Tesfaye"
    paid = requests.post(
        f"{trip.payment['checkout_url']}/pay",
        data={"phone_number": "0900123456"},
        allow_redirects=False,
        timeout=20,
    )
    trip.await_confirmation()
    dead = "select 1 from events_delivery where handler = 'send_confirmation' and state = 'dead'"
    eventually(lambda: fleet.sql(dead), within=20)
    mailbox.to_recipient = "250 OK"
    path = urlsplit(paid.headers["Location"]).path
    tour.call("GET", path, 200)
    tour.call("GET", f"/callbacks/chapa?trx_ref={trip.payment['tx_ref']}&email={trip.email}", 200)
    tour.call("POST", f"/api/v1/payments/{trip.payment['id']}/verify", 429, json={})
    return path.rpartition("/")[2]


def _knock_wrongly(tour: Tour, trip: Trip, token: str, return_key: str) -> None:
    stranger = requests.Session()
    person = {"email": trip.email, "password": PASSWORD, "first_name": NAME, "last_name": "T"}
    wrong = {"email": trip.email, "password": WRONG}
    tour.call("POST", "/api/v1/tokens", 401, json=wrong)
    tour.call("POST", "/api/v1/tokens", 400, json=wrong | {"phone": PHONE})
    tour.call("POST", "/api/v1/tokens", 400, data=f"{{{json.dumps(wrong)}", headers=_JSON)
    tour.call("POST", "/api/v1/users", 400, json=person | {"password": "12345"})
    tour.call("POST", "/api/v1/users", 400, json=person | {"phone_number": f"{PHONE}0"})
    # Its body is not read to the end, so the connection ends.
    tour.call("POST", "/api/v1/users", 413, stranger, data=trip.email * 8000, headers=_JSON)
    stranger.close()
    tour.call("GET", f"/api/v1/nothing/{token}?email={trip.email}&phone={PHONE}", 404)
    tour.call("GET", f"/api/v1/bookings?cursor={token}", 400)
    tour.call("GET", f"/api/v1/payments/{new_id()}?password={PASSWORD}", 404)
    tour.call("GET", f"/return/{return_key}{return_key}", 404)
    tour.call("POST", f"/return/{return_key}", 403, stranger)
    tour.call("GET", f"/return/{return_key}", 400, headers={"Host": trip.email.replace("@", ".")})
    bearer = {"Authorization": f"Bearer {token[:-1]}x{token}"}
    tour.call("GET", "/api/v1/bookings", 401, stranger, headers=bearer)
    tour.send_raw(f"GET /return/{return_key}?email={trip.email} HTTP/9.9\r\n\r\n")
    tour.send_raw(f"GET /return/{return_key} {trip.email}\r\n\r\n")
    tour.send_raw(f"GET / HTTP/1.1\r\nAuthorization : Bearer {token}\r\n\r\n")
    tour.send_raw(f"GET /return/{return_key}{'a' * 5000} HTTP/1.1\r\n\r\n")


_JSON = {"Content-Type": "application/json"}


def _operate(fleet: Fleet, tour: Tour, trip: Trip) -> dict[str, str]:
    """Log in at the admin, wrongly and rightly, and look; return its cookies."""
    fleet.sql(
        "update core_user set is_staff = true, is_superuser = true where email = %s", trip.email
    )
    operator = requests.Session()
    page = tour.call("GET", "/admin/login/", 200, operator)
    form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert form
    login = {"username": trip.email, "password": WRONG, "csrfmiddlewaretoken": form[1]}
    tour.call("POST", "/admin/login/", 403, requests.Session(), data=login)
    tour.call("POST", "/admin/login/", 200, operator, data=login)
    tour.call("POST", "/admin/login/", 302, operator, data=login | {"password": PASSWORD})
    tour.call("GET", f"/admin/core/user/?q={trip.email}", 200, operator)
    tour.call("GET", f"/admin/payments/payment/{trip.payment['id']}/change/", 200, operator)
    tour.call("GET", f"/admin/core/user/{trip.email}/change/", 302, operator)
    return {f"cookie {name}": str(value) for name, value in operator.cookies.items()}


def _send_webhooks(fleet: Fleet, tour: Tour, trip: Trip) -> str:
    """Send signed, forged and broken ones that name a person; return a good signature."""
    person = {"first_name": NAME, "email": trip.email, "mobile": PHONE, "status": "success"}
    good = json.dumps(person | {"tx_ref": trip.payment["tx_ref"]}).encode()
    broken = f"[{trip.email}".encode()
    secret = fleet.plan.environment["CHAPA_WEBHOOK_SECRETS"]

    def signed(body: bytes) -> dict[str, str]:
        return {"x-chapa-signature": sign(body, secret), **_JSON}

    tour.call("POST", "/webhooks/chapa", 200, data=good, headers=signed(good))
    tour.call("POST", "/webhooks/chapa", 400, data=broken, headers=signed(broken))
    tour.call("POST", "/webhooks/chapa", 401, data=good, headers=signed(broken))
    tour.call("POST", "/webhooks/chapa", 401, data=good)
    return sign(good, secret)


def _break(fleet: Fleet, tour: Tour, trip: Trip) -> None:
    """Take away what requests and workers need, so that they fail with the values in hand."""
    person = {
        **{"email": f"new.{trip.email}", "password": PASSWORD, "phone_number": PHONE},
        **{"first_name": NAME, "last_name": "Tesfaye"},
    }
    rule = f"check (first_name <> '{NAME}') not valid"
    fleet.sql(f"alter table core_user add constraint nobody {rule}")
    tour.call("POST", "/api/v1/users", 500, json=person)
    fleet.sql("alter table core_user drop constraint nobody")
    with _missing(fleet, "core_throttle"):
        tour.call("POST", "/api/v1/tokens", 500, json={"email": trip.email, "password": PASSWORD})
    with _missing(fleet, "payments_payment"):
        tour.call("POST", f"/api/v1/payments/{trip.payment['id']}/verify", 500, json={})
        log = Path(fleet.logs / "worker-chapa.log")
        eventually(lambda: "raised unexpected" in log.read_text(), within=30)


@contextmanager
def _missing(fleet: Fleet, table: str) -> Iterator[None]:
    fleet.sql(f"alter table {table} rename to missing")
    try:
        yield
    finally:
        fleet.sql(f"alter table missing rename to {table}")
