"""One stay booked and paid, through the public API only, as a client and a traveller would."""

import email
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

import requests

from workers.devstack.progress import Progress

# Chapa's test number that pays; the local Chapa knows it too (docs/chapa.md).
_PAYING_NUMBER = "0900123456"
_OPERATOR = {"email": "operator@guzo.et", "password": "guzo-demo-operator"}
_CITY = "Lalibela"
_EFFECT_SECONDS = 15.0
_POLL_SECONDS = 0.1
# Django's file backend ends each message with this line.
_MAIL_END = b"\n" + b"-" * 79 + b"\n"


class JourneyFailed(Exception):
    """One step did not go as it should; the text says which, and what came instead."""


@dataclass(frozen=True)
class Journey:
    """What was there at the end, as the API and the mail folder tell it."""

    booking: dict[str, Any]
    payment: dict[str, Any]
    timeline: list[dict[str, str]]
    mails: list[EmailMessage]


def travel(*, web_url: str, mail: Path, progress: Progress) -> Journey:
    """
    Book a stay in Lalibela and pay for it; return once it is confirmed and the mail is there.

    Each run is a new traveller on other dates, so repeating is safe.

    :raises JourneyFailed: naming the step.
    """
    desk = _Desk(web_url)
    with _step("sign up", progress):
        traveller = _sign_up(desk)
    with _step("find a stay", progress):
        stay = _find_stay(desk)
    with _step("book it", progress):
        booking = desk.call("POST", "/api/v1/bookings", 201, json=stay)
    with _step("start payment", progress):
        key = {"Idempotency-Key": secrets.token_hex(16)}
        path = f"/api/v1/bookings/{booking['id']}/payments"
        payment = desk.call("POST", path, 201, json={}, headers=key)
    with _step("pay at Chapa", progress):
        _pay(payment["checkout_url"])
    with _step("be confirmed", progress):
        booking = _await_confirmation(desk, booking["id"])
    with _step("get the mail", progress):
        mails = _await_mail(mail, traveller)
    with _step("read timeline", progress):
        payment = desk.call("GET", f"/api/v1/payments/{payment['id']}", 200)
        desk.log_in(**_OPERATOR)
        timeline = desk.call("GET", f"/api/v1/ops/payments/{payment['id']}/timeline", 200)
    return Journey(booking, payment, timeline["entries"], mails)


def read_mails(folder: Path, recipient: str) -> list[EmailMessage]:
    """Return the mails to one address in the folder of Django's file backend."""
    mails = (
        email.message_from_bytes(text, policy=default)
        for file in sorted(folder.glob("*.log"))
        for text in file.read_bytes().split(_MAIL_END)
        if text.strip()
    )
    return [mail for mail in mails if recipient in str(mail["To"])]


class _Desk:
    """The API as one logged-in person sees it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def log_in(self, **credentials: str) -> None:
        token = self.call("POST", "/api/v1/tokens", 201, json=credentials)["token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, expected: int, **options: Any) -> dict[str, Any]:
        answer = self._session.request(method, self._url + path, timeout=30, **options)
        if answer.status_code != expected:
            said = f"{answer.status_code}, not {expected}: {answer.text[:500]}"
            raise JourneyFailed(f"{method} {path} answered {said}")
        return cast("dict[str, Any]", answer.json())


@contextmanager
def _step(name: str, progress: Progress) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    except (JourneyFailed, requests.RequestException) as failure:
        raise JourneyFailed(f"{name}: {failure}") from failure
    except (KeyError, TypeError, json.JSONDecodeError) as surprise:
        raise JourneyFailed(f"{name}: an answer of another shape: {surprise!r}") from surprise
    progress.step(name, "done", time.monotonic() - started)


def _sign_up(desk: _Desk) -> str:
    credentials = {
        "email": f"abebe.{secrets.token_hex(4)}@guzo.et",
        "password": secrets.token_urlsafe(18),
    }
    names = {"first_name": "Abebe", "last_name": "Bikila", "phone_number": _PAYING_NUMBER}
    desk.call("POST", "/api/v1/users", 201, json=credentials | names)
    desk.log_in(**credentials)
    return credentials["email"]


def _find_stay(desk: _Desk) -> dict[str, Any]:
    """Look at other dates while all are taken, as they may be after many runs."""
    today = datetime.now(UTC).date()
    for _ in range(20):
        check_in = today + timedelta(days=28 + secrets.randbelow(90))
        dates = {
            "check_in": check_in.isoformat(),
            "check_out": (check_in + timedelta(days=2)).isoformat(),
        }
        found = desk.call(
            "GET", "/api/v1/listings", 200, params={"city": _CITY, "guests": 2, **dates}
        )
        if found["results"]:
            return {"listing": found["results"][0]["id"], "guests": 2, **dates}
    raise JourneyFailed(f"nothing is free in {_CITY}")


def _pay(checkout_url: str) -> None:
    """Fill in the form of the checkout page and send it, as a browser would."""
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.get(checkout_url, timeout=30)
        form = _FirstForm()
        form.feed(page.text)
        if not page.ok or form.action is None:
            raise JourneyFailed(f"no form to pay with; {page.status_code}: {page.text[:500]}")
        answer = browser.post(
            urljoin(page.url, form.action), data={"phone_number": _PAYING_NUMBER}, timeout=30
        )
        if not answer.ok:
            raise JourneyFailed(f"{answer.url} answered {answer.status_code}")


class _FirstForm(HTMLParser):
    action: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form" and self.action is None:
            self.action = dict(attrs).get("action")


def _await_confirmation(desk: _Desk, booking_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + _EFFECT_SECONDS
    while True:
        booking = desk.call("GET", f"/api/v1/bookings/{booking_id}", 200)
        if booking["status"] == "confirmed":
            return booking
        if time.monotonic() > deadline:
            raise JourneyFailed(f"still {booking['status']} after {_EFFECT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _await_mail(folder: Path, recipient: str) -> list[EmailMessage]:
    deadline = time.monotonic() + _EFFECT_SECONDS
    while not (mails := read_mails(folder, recipient)):
        if time.monotonic() > deadline:
            raise JourneyFailed(f"none to {recipient} in {folder} after {_EFFECT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
    return mails
