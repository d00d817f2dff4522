"""Travellers who are logged in and hold stays that they have not begun to pay."""

import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import requests

from workers.bench.servers import Servers

_PEOPLE = """
with person as (
    insert into core_user (id, password, is_superuser, email, first_name, last_name, phone_number,
        language, is_active, is_staff, joined_at)
    select gen_random_uuid(), '', false, 'bench' || n || '@guzo.et', 'Almaz', 'Bekele', '', 'en',
        true, false, now() from generate_series(1, %s) n
    returning id, email
), place as (
    insert into bookings_listing (id, slug, name, kind, city, region, area, description, host_id,
        sleeps, nightly_price, currency, amenities, cancellation, is_listed, created_at)
    select gen_random_uuid(), 'bench-' || email, 'Place', 'hotel', 'Gondar', 'Amhara', 'Piazza',
        'A room.', id, 4, 1500, 'ETB', '{}', 'flexible', true, now() from person
    returning id, host_id
)
select host_id, id from place
"""
_LOGIN = """
insert into knox_authtoken (digest, token_key, user_id, created, expiry)
values (%s, %s, %s, now(), now() + interval '1 day')
"""


@dataclass(frozen=True)
class HeldStay:
    """A booking and the token of the one who may pay for it."""

    booking_id: str
    token: str


def hold_stays(servers: Servers, people: int, each: int) -> list[list[HeldStay]]:
    """
    Return `each` lists of stays, one of every traveller in each list.

    People and their logins are written past the API, which counts sign-ups by address.
    """
    with ThreadPoolExecutor(4) as pool:
        held = pool.map(
            lambda row: _hold_for(servers, row[0], row[1], each), servers.sql(_PEOPLE, people)
        )
        return [list(stays) for stays in zip(*held, strict=True)]


def _hold_for(servers: Servers, person: str, listing: str, each: int) -> list[HeldStay]:
    token = secrets.token_hex(32)
    digest = hashlib.sha512(token.encode()).hexdigest()
    servers.sql(_LOGIN, digest, token[:15], person)
    first = datetime.now(UTC).date() + timedelta(days=20)
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        nights = (first + timedelta(days=night) for night in range(each))
        return [
            HeldStay(_hold(session, servers.plan.web_url, listing, night), token)
            for night in nights
        ]


def _hold(session: requests.Session, web_url: str, listing: str, night: date) -> str:
    stay = {
        "listing": listing,
        "check_in": str(night),
        "check_out": str(night + timedelta(days=1)),
        "guests": 1,
    }
    answer = session.post(f"{web_url}/api/v1/bookings", json=stay, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["id"])
