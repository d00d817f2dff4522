import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from core.errors import Refusal
from core.problems import CODES, TITLES

pytestmark = pytest.mark.django_db

ASKED = {
    "email": "liya@guzo.et",
    "password": "kurs-buna-72-lalibela",
    "first_name": "Liya",
    "last_name": "Desta",
}


@pytest.fixture
def http() -> Client:
    return Client(raise_request_exception=False)


def _post(http: Client, body: Any, content_type: str = "application/json") -> Any:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return http.post("/api/v1/users", data, content_type=content_type)


def _problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(f"#{code}")
    assert body["title"]
    return body


def test_an_unknown_address_is_a_problem(http: Client) -> None:
    _problem(http.get("/api/v1/nothing"), 404, "not_found")
    _problem(http.get("/nothing"), 404, "not_found")


def test_a_trailing_slash_is_another_address(http: Client) -> None:
    _problem(http.get("/api/v1/listings/"), 404, "not_found")


def test_another_method_is_a_problem_that_names_the_allowed_ones(http: Client) -> None:
    response = http.put("/api/v1/users")

    _problem(response, 405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


def test_a_body_that_is_not_json_by_its_type_is_a_problem(http: Client) -> None:
    _problem(
        _post(http, "email=a", "application/x-www-form-urlencoded"), 415, "unsupported_media_type"
    )


def test_an_answer_that_is_not_json_cannot_be_had(http: Client) -> None:
    _problem(http.get("/api/v1/listings", headers={"accept": "text/html"}), 406, "not_acceptable")


@pytest.mark.parametrize(
    "body",
    ["{", "", '{"email": NaN}', b"\xff\xfe{}", "[" * 30_000, '{"a": ' + "9" * 5000 + "}"],
    ids=["cut off", "empty", "NaN", "not UTF-8", "nested deeply", "endless number"],
)
def test_a_body_that_is_not_json_is_a_problem(http: Client, body: str | bytes) -> None:
    _problem(_post(http, body), 400, "invalid")


@pytest.mark.parametrize("body", [[], [1], "text", 7, None])
def test_json_that_is_not_an_object_is_a_problem(http: Client, body: object) -> None:
    _problem(_post(http, body), 400, "invalid")


def test_a_body_over_64_kib_is_a_problem(http: Client) -> None:
    _problem(_post(http, ASKED | {"first_name": "x" * 70_000}), 413, "too_large")


def test_errors_point_into_the_body(http: Client) -> None:
    body = _problem(_post(http, {"email": "nobody", "password": "x"}), 400, "invalid")

    found = {error["pointer"]: error["code"] for error in body["errors"]}
    assert found == {"/email": "invalid", "/first_name": "required", "/last_name": "required"}


def test_what_a_request_does_not_know_is_refused_and_pointed_at(http: Client) -> None:
    body = _problem(_post(http, ASKED | {"is_staff": True, "a/b~c": 1}), 400, "invalid")

    found = {error["pointer"]: error["code"] for error in body["errors"]}
    assert found == {"/is_staff": "unknown_field", "/a~1b~0c": "unknown_field"}


@pytest.mark.parametrize("name", ["\x00", "\ud800"], ids=["NUL", "a lone surrogate"])
def test_text_that_the_database_cannot_hold_is_a_problem(http: Client, name: str) -> None:
    body = _problem(_post(http, ASKED | {"first_name": name}), 400, "invalid")

    assert body["errors"][0]["pointer"] == "/first_name"


def test_an_unknown_host_is_a_problem(http: Client) -> None:
    _problem(http.get("/api/v1/listings", headers={"host": "evil.example"}), 400, "invalid")


def _kinds(of: type[Refusal]) -> Iterator[type[Refusal]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


def test_a_code_has_one_status_and_one_title() -> None:
    assert get_resolver().url_patterns  # each door is read, and with it what it may refuse
    meanings = defaultdict(set, {CODES[status]: {(status, TITLES[status])} for status in CODES})
    for kind in _kinds(Refusal):
        meanings[kind.code].add((kind.status, kind.title))

    assert len(meanings) > 40
    assert {code: told for code, told in meanings.items() if len(told) > 1} == {}


@pytest.mark.urls("core.tests.urls")
class TestOfFailingDoors:
    @pytest.mark.parametrize("door", ["api", "plain"])
    def test_a_bug_is_a_500_that_says_nothing_of_itself(self, http: Client, door: str) -> None:
        response = http.get(f"/{door}/bug")

        _problem(response, 500, "internal_error")
        assert b"hunter2" not in response.content

    @pytest.mark.parametrize("door", ["api", "plain"])
    @pytest.mark.parametrize(
        ("how", "status", "code"),
        [("denied", 403, "permission_denied"), ("missing", 404, "not_found")],
    )
    def test_a_framework_refusal_keeps_its_text_to_itself(
        self, http: Client, door: str, how: str, status: int, code: str
    ) -> None:
        response = http.get(f"/{door}/{how}")

        _problem(response, status, code)
        assert b"hunter2" not in response.content

    def test_a_refusal_says_its_title_detail_and_pointers(self, http: Client) -> None:
        body = _problem(http.get("/api/conflict"), 409, "seat_taken")

        assert body["title"] == "Someone sits there"
        assert body["detail"] == "Take another."
        assert body["errors"] == [
            {"pointer": "/seat", "detail": "It is taken.", "code": "seat_taken"}
        ]

    def test_a_refusal_says_in_whole_seconds_when_to_come_back(self, http: Client) -> None:
        response = http.get("/api/unavailable")

        _problem(response, 503, "unavailable")
        assert response.headers["Retry-After"] == "2"

    def test_so_does_a_throttle(self, http: Client) -> None:
        response = http.get("/api/throttled")

        _problem(response, 429, "throttled")
        assert response.headers["Retry-After"] == "30"
