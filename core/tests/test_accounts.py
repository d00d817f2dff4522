import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from knox.models import AuthToken

from core.accounts import MOST_LOGINS
from core.models import User
from core.tests.factories import PASSWORD, UserFactory
from core.views import Users

pytestmark = pytest.mark.django_db

PERSON = {
    "email": "Selam.Tesfaye@Guzo.ET",
    "password": PASSWORD,
    "first_name": "Selam",
    "last_name": "Tesfaye",
}


def _register(client: Client, **changes: object) -> Any:
    return client.post("/api/v1/users", PERSON | changes, content_type="application/json")


def _log_in(client: Client, **changes: object) -> Any:
    body = {"email": PERSON["email"], "password": PASSWORD} | changes
    return client.post("/api/v1/tokens", body, content_type="application/json")


def _shape(response: Any) -> Any:
    """Return all of an answer but what is new in every one."""
    body = response.json()
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-Id"}
    return list(body), headers, {k: v for k, v in body.items() if k not in ("id", "joined_at")}


def _statements(queries: CaptureQueriesContext) -> list[str]:
    return [re.sub(r"'[^']*'", "?", query["sql"]) for query in queries]


def _token() -> str:
    token: str = AuthToken.objects.create(UserFactory.create())[1]
    return token


def _with(header: str) -> Any:
    return Client(raise_request_exception=False).get(
        "/api/v1/bookings", headers={"Authorization": header}
    )


def test_an_account_is_made_and_its_password_is_never_shown(client: Client) -> None:
    response = _register(client, phone_number="+251911223344", language="am")

    assert response.status_code == 201
    assert "password" not in response.json()
    assert PASSWORD not in response.content.decode()
    user = User.objects.get()
    assert user.password.startswith("argon2")
    assert (user.phone_number, user.language) == ("+251911223344", "am")


def test_nobody_registers_as_staff(client: Client) -> None:
    assert _register(client, is_staff=True).status_code == 400
    _register(client)

    assert not User.objects.get().is_staff


def test_an_address_is_one_account_in_whatever_case(client: Client) -> None:
    assert _register(client).json()["email"] == "selam.tesfaye@guzo.et"

    assert _log_in(client, email="sElAm.TeSfAyE@gUzO.eT").status_code == 201


def test_a_sign_up_does_not_tell_who_has_an_account(client: Client) -> None:
    with CaptureQueriesContext(connection) as fresh_queries:
        fresh = _register(client)
    with CaptureQueriesContext(connection) as taken_queries:
        taken = _register(client)

    assert fresh.status_code == taken.status_code == 201
    assert _shape(fresh) == _shape(taken)
    assert fresh.json()["id"] != taken.json()["id"]
    # The same work, and a hash of Argon2 in it each time.
    assert _statements(fresh_queries) == _statements(taken_queries)
    for queries in (fresh_queries, taken_queries):
        assert sum("argon2" in query["sql"] for query in queries) == 1


def test_a_sign_up_with_a_taken_address_changes_nothing(client: Client) -> None:
    UserFactory.create(email="selam.tesfaye@guzo.et")
    before = User.objects.values().get()

    taken = _register(client, password="mesob-gursha-41", first_name="Other")

    assert taken.json()["first_name"] == "Other"
    assert User.objects.values().get() == before
    refused = _log_in(client, password="mesob-gursha-41")
    assert refused.status_code == 401
    assert "had an account before keeps that account's password" in refused.json()["detail"]


def test_a_weak_password_is_judged_before_the_address(client: Client) -> None:
    UserFactory.create(email="selam.tesfaye@guzo.et")

    assert _register(client, password="short").json()["code"] == "weak_password"


def test_everything_wrong_with_a_password_is_said_at_once(client: Client) -> None:
    errors = _register(client, password="12345").json()["errors"]

    assert [error["pointer"] for error in errors] == ["/password"] * 3
    assert len({error["detail"] for error in errors}) == 3


@pytest.mark.parametrize("password", ["short", "password123", "19880411", "selam.tesfaye"])
def test_a_weak_password_is_refused_with_a_pointer(client: Client, password: str) -> None:
    response = _register(client, password=password)

    assert (response.status_code, response.json()["code"]) == (400, "weak_password")
    assert response.json()["errors"][0]["pointer"] == "/password"
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("number", "is_taken"),
    [
        ("0911223344", True),
        ("0711223344", True),
        ("251911223344", True),
        ("+251911223344", True),
        ("", True),
        ("911223344", False),
        ("0811223344", False),
        ("09112233445", False),
        ("+254711223344", False),
    ],
)
def test_a_phone_number_is_an_ethiopian_mobile_one_or_none(number: str, *, is_taken: bool) -> None:
    body = Users.Input(data=PERSON | {"phone_number": number})

    assert body.is_valid() is is_taken
    assert is_taken or list(body.errors) == ["phone_number"]


def test_a_login_does_not_tell_who_has_an_account(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(client)
    closed = UserFactory.create(is_active=False)
    closed.set_password(PASSWORD)
    closed.save()

    hashes: list[str] = []
    for way in ("encode", "verify"):
        done = getattr(Argon2PasswordHasher, way)

        def counted(*args: Any, done: Any = done, way: str = way) -> Any:
            hashes.append(way)
            return done(*args)

        monkeypatch.setattr(Argon2PasswordHasher, way, counted)

    wrong = _log_in(client, password="wrong-buna-72")
    unknown = _log_in(client, email="nobody@guzo.et")
    inactive = _log_in(client, email=closed.email)

    # Each costs one hash, checked or made.
    assert hashes == ["verify", "encode", "verify"]
    assert wrong.status_code == unknown.status_code == inactive.status_code == 401
    assert wrong.content == unknown.content == inactive.content


def test_a_login_is_a_token_for_thirty_days_that_nobody_caches(client: Client) -> None:
    _register(client)

    login = _log_in(client)

    assert login.headers["Cache-Control"] == "no-store"
    assert _with(f"Bearer {login.json()['token']}").status_code == 200
    left = AuthToken.objects.get().expiry - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)


def test_a_token_is_stored_hashed() -> None:
    token = _token()

    stored = AuthToken.objects.values().get()

    assert token not in {str(value) for value in stored.values()}


def test_a_token_opens_doors_until_it_is_given_back(client: Client) -> None:
    bearer = f"Bearer {_token()}"
    assert _with(bearer).status_code == 200

    gone = client.delete("/api/v1/tokens/current", headers={"Authorization": bearer})

    assert gone.status_code == 204
    assert _with(bearer).status_code == 401


def test_one_login_too_many_ends_the_oldest(client: Client) -> None:
    user = UserFactory.create(email=PERSON["email"].lower(), password=make_password(PASSWORD))
    tokens = [AuthToken.objects.create(user)[1] for _ in range(MOST_LOGINS)]
    others = _token()

    newest = _log_in(client).json()["token"]

    assert _with(f"Bearer {tokens[0]}").status_code == 401
    for token in (tokens[1], newest, others):
        assert _with(f"Bearer {token}").status_code == 200
    assert AuthToken.objects.filter(user=user).count() == MOST_LOGINS


def test_a_token_ends() -> None:
    token = _token()

    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))

    assert _with(f"Bearer {token}").status_code == 401


def test_a_closed_account_is_out_at_once() -> None:
    token = _token()

    User.objects.update(is_active=False)

    assert _with(f"Bearer {token}").status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer \xff",
        "Bearer " + "a" * 64,
        "Basic YTpi",
        "Token a",
    ],
)
def test_a_header_that_proves_nothing_is_a_401(header: str) -> None:
    response = _with(header)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "not_authenticated"


def test_a_person_is_made_on_the_command_line_with_a_lower_case_address() -> None:
    operator = User.objects.create_superuser("Operator@Guzo.et", PASSWORD, first_name="A")

    assert operator.email == "operator@guzo.et"
    assert operator.is_staff
    assert User.objects.get_by_natural_key("OPERATOR@guzo.et") == operator


@pytest.mark.parametrize("email", ["İ" * 200 + "@guzo.et", "a@bᲉc.com", "ሰላም@guzo.et"])
def test_an_address_beyond_ascii_is_pointed_at(client: Client, email: str) -> None:
    refused = _register(client, email=email)

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "/email"
