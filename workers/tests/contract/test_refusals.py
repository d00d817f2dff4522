"""Hostile requests over a real socket, at gunicorn as production runs it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from knox.models import AuthToken
from pytest_django import DjangoDbBlocker

from core.tests.factories import UserFactory
from workers.tests.contract.gunicorn import Answer, Web, running_web

pytestmark = pytest.mark.crash

LISTINGS = "/api/v1/listings"
BOOKINGS = "/api/v1/bookings"
USERS = "/api/v1/users"
UUID = "3f2c6a1e-9b7d-4c58-8a3e-1d2f4b6c8e90"
STAY = {"listing": UUID, "check_in": "2027-01-05", "check_out": "2027-01-07", "guests": 2}


@pytest.fixture(scope="module")
def web(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Web]:
    with django_db_blocker.unblock(), running_web() as web:
        yield web


@pytest.fixture
def token(transactional_db: None) -> str:
    return f"Authorization: Bearer {AuthToken.objects.create(UserFactory.create())[1]}"


def assert_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    for secret in ("Traceback", "Exception", "Error", "django", "gunicorn", "psycopg"):
        assert secret not in answer.body.decode()
    return body


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/nothing/",
        "/api/v1/nothing",
        "/api/v1/nothing/",
        "/api/v1/listings/",
        "//api/v1/listings",
        "/api/v1//listings",
        "/api/v1/%2e%2e/admin/",
        "/../../etc/passwd",
        "/api/v1/listings%00",
        "/api/v1/%ff%fe",
        "/api/v1/listings;jsessionid=1",
        "/api/v1/listings/" + UUID.upper(),
        "/api/v1/listings/" + UUID.replace("-", ""),
        "/api/v1/listings/{" + UUID + "}",
        "/api/v1/listings/" + "a" * 3000,
    ],
)
def test_an_address_that_is_not_there_is_a_problem(web: Web, path: str) -> None:
    assert_problem(web.ask("GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, LISTINGS) for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO")),
        ("PUT", "/webhooks/chapa"),
        ("DELETE", "/callbacks/chapa"),
        ("OPTIONS", "/webhooks/chapa"),
    ],
)
def test_another_method_is_a_problem_that_names_the_allowed_ones(
    web: Web, method: str, path: str
) -> None:
    answer = web.ask(method, path)

    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/return/Zk3-9_xQabcdef"])
def test_a_post_from_another_site_is_a_problem(web: Web, path: str) -> None:
    assert_problem(web.ask("POST", path), 403, "permission_denied")


def test_a_method_in_a_header_is_not_heard(web: Web, token: str) -> None:
    answer = web.ask(
        "POST", "/api/v1/tokens/current", token, "X-HTTP-Method-Override: DELETE", body=b"{}"
    )

    assert_problem(answer, 405, "method_not_allowed")
    assert AuthToken.objects.count() == 1


def test_head_is_get_without_the_body(web: Web) -> None:
    answer = web.ask("HEAD", LISTINGS)

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*"])
def test_only_json_can_be_had(web: Web, accept: str) -> None:
    assert_problem(web.ask("GET", LISTINGS, f"Accept: {accept}"), 406, "not_acceptable")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application", "é"],
)
def test_only_json_is_understood(web: Web, content_type: str) -> None:
    answer = web.ask("POST", USERS, f"Content-Type: {content_type}", body=b"{}")

    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"guests": 2',
        b'{"guests": 2,}',
        b"{'guests': 2}",
        b'{"guests": 1, "guests": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"guests": NaN}',
        b'{"guests": Infinity}',
        b'{"guests": -Infinity}',
        b'{"guests": 1e400}',
        b'{"guests": ' + b"9" * 5000 + b"}",
        b'{"guests": "\xff"}',
        b'{"guests": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        json.dumps(STAY).encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"{} {}",
        b"// a comment\n{}",
        b"\x00",
        b"null",
        b"[]",
        b'[{"guests": 2}]',
        b'"{}"',
        b"7",
        b"true",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_object_of_json_is_a_problem(web: Web, token: str, body: bytes) -> None:
    assert_problem(web.ask("POST", BOOKINGS, token, body=body), 400, "invalid")


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"guests": "2"}, "/guests"),
        ({"guests": True}, "/guests"),
        ({"guests": 1.5}, "/guests"),
        ({"guests": 10**30}, "/guests"),
        ({"guests": None}, "/guests"),
        ({"guests": [2]}, "/guests"),
        ({"listing": 5}, "/listing"),
        ({"listing": {"id": UUID}}, "/listing"),
        ({"listing": "' or 1=1 --"}, "/listing"),
        ({"check_in": "0000-01-01"}, "/check_in"),
        ({"check_in": "10000-01-01"}, "/check_in"),
        ({"check_in": "2027-02-30"}, "/check_in"),
        ({"check_in": "2027-01-05T00:00:00Z"}, "/check_in"),
        ({"check_in": 20270105}, "/check_in"),
        ({"status": "confirmed"}, "/status"),
    ],
)
def test_a_member_that_does_not_fit_is_pointed_at(
    web: Web, token: str, changed: dict[str, Any], pointer: str
) -> None:
    answer = web.ask("POST", BOOKINGS, token, body=json.dumps(STAY | changed).encode())

    body = assert_problem(answer, 400, "invalid")
    assert [error["pointer"] for error in body["errors"]] == [pointer]


def test_a_body_over_64_kib_is_refused_before_it_is_read(web: Web) -> None:
    answer = web.ask("POST", USERS, "Content-Length: 65537", "Content-Type: application/json")

    assert_problem(answer, 413, "too_large")


def _chunked(web: Web, path: str, *chunks: bytes) -> Answer:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return web.send(head.encode() + body)


def test_a_body_in_chunks_is_a_body(web: Web) -> None:
    body = assert_problem(_chunked(web, USERS, b'{"is_sta', b'ff": true}'), 400, "invalid")

    assert body["errors"][0]["pointer"] == "/is_staff"


@pytest.mark.parametrize("path", [USERS, "/webhooks/chapa"])
def test_a_body_in_chunks_has_the_same_limit(web: Web, path: str) -> None:
    assert_problem(_chunked(web, path, *[b"x" * 1024] * 65), 413, "too_large")


def test_a_chunk_that_lies_about_its_length_is_a_problem(web: Web) -> None:
    head = f"POST {USERS} HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n"
    answer = web.send(f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n".encode())

    assert_problem(answer, 400, "invalid")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Authorization:"],
        ["Authorization: Bearer"],
        ["Authorization: Bearer "],
        ["Authorization: Bearer a b"],
        ["Authorization: Bearer " + "a" * 8000],
        [b"Authorization: Bearer \xff\xfe"],
        ["Authorization: Basic c2VsYW1AZ3V6by5ldDpndXpv"],
        ["Authorization: Token abc"],
        ["Authorization: Bearer a", "Authorization: Bearer b"],
        ["Authorization: Bearer ' or 1=1 --"],
    ],
    ids=lambda headers: repr(headers)[:40],
)
def test_whoever_has_no_login_is_told_how_to_get_one(web: Web, headers: list[str | bytes]) -> None:
    answer = web.ask("GET", BOOKINGS, *headers)

    assert_problem(answer, 401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.usefixtures("transactional_db")
def test_a_wrong_password_is_a_401_that_says_so(web: Web) -> None:
    login = json.dumps({"email": "nobody@guzo.et", "password": "x"}).encode()

    answer = web.ask("POST", "/api/v1/tokens", body=login)

    assert_problem(answer, 401, "credentials_rejected")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_second_login_does_not_help_the_first(web: Web, token: str) -> None:
    assert_problem(web.ask("GET", BOOKINGS, token, token), 401, "not_authenticated")


@pytest.mark.parametrize("key", [b"", b'""', b"\xff", "schlüssel".encode(), b"k" * 256, b"a\tb"])
def test_a_key_that_is_not_printable_ascii_is_a_problem(web: Web, token: str, key: bytes) -> None:
    answer = web.ask(
        "POST", BOOKINGS, token, b"Idempotency-Key: " + key, body=json.dumps(STAY).encode()
    )

    assert_problem(answer, 400, "invalid")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=garbage", "cursor_invalid"),
        ("cursor=cD1nYXJiYWdl", "cursor_invalid"),  # p=garbage
        ("cursor=cD05OTk5OTk5OTk5OTk5", "cursor_invalid"),
        ("cursor=%ff", "cursor_invalid"),
        ("cursor=%00", "invalid"),
        ("cursor=" + "a" * 401, "invalid"),
        ("page_size=0", "invalid"),
        ("page_size=-1", "invalid"),
        ("page_size=101", "invalid"),
        ("page_size=1e2", "invalid"),
        ("guests=" + "9" * 1000, "invalid"),
        ("max_price=NaN", "invalid"),
        ("max_price=Infinity", "invalid"),
        ("max_price=1e400", "invalid"),
        ("max_price=-1", "invalid"),
        ("max_price=%D9%A3", "invalid"),
        ("check_in=0000-01-01&check_out=0000-01-02", "invalid"),
        ("check_in=9999-12-31&check_out=10000-01-01", "invalid"),
        ("check_in=2027-01-05", "stay_invalid"),
        ("check_in=2027-01-05&check_out=2027-01-05", "stay_invalid"),
        ("city=%00", "invalid"),
        ("city=Gondar&city=Axum", "invalid"),
        ("format=xml", "invalid"),
        ("city[$ne]=Gondar", "invalid"),
        ("=1", "invalid"),
    ],
)
def test_an_absurd_query_is_a_problem(web: Web, query: str, code: str) -> None:
    assert_problem(web.ask("GET", f"{LISTINGS}?{query}"), 400, code)


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400, "invalid"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "invalid"),
        (b"nonsense\r\n\r\n", 400, "invalid"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "invalid"),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414, "address_too_long"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431, "headers_too_long"),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 61 + b"\r\n", 431, "headers_too_long"),
        (b"GET / HTTP/1.1\r\nBad Name: a\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/1.1\r\nContent-Length: abc\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "invalid"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "invalid"),
        ("GET /\u202e HTTP/1.1\r\n\r\n".encode(), 400, "invalid"),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "invalid",
        ),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_what_gunicorn_refuses_itself_is_a_problem_too(
    web: Web, raw: bytes, status: int, code: str
) -> None:
    assert_problem(web.send(raw), status, code)


@pytest.mark.parametrize("path", ["cancel", "payments"])
def test_nothing_is_as_good_as_an_empty_object(web: Web, token: str, path: str) -> None:
    for body in (None, b"{}"):
        answer = web.ask(
            "POST", f"{BOOKINGS}/{UUID}/{path}", token, "Idempotency-Key: k", body=body
        )
        assert_problem(answer, 404, "booking_unknown")


@pytest.mark.parametrize("path", [BOOKINGS, f"{LISTINGS}?page_size=1", "/api/v1/schema"])
def test_no_answer_is_kept_by_a_cache(web: Web, token: str, path: str) -> None:
    answer = web.ask("GET", path, token)

    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "json" in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"
