import logging
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from core.causality import Cause, current_cause
from core.middleware import RequestLog

KEY = "Zk3-9_xQabcdefghijklmn"


def _told(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (line,) = [record.msg for record in caplog.records if record.name == "core.middleware"]
    assert isinstance(line, dict)
    return line


@pytest.fixture(autouse=True)
def _listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.django_db
def test_a_request_is_one_line_with_the_route_and_never_the_path(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get(f"/return/{KEY}?trx_ref={KEY}")

    line = _told(caplog)
    assert line["route"] == "return/<str:key>"
    assert (line["method"], line["status"]) == ("GET", 404)
    assert KEY not in caplog.text


@pytest.mark.django_db
def test_an_unknown_path_is_not_told_either(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get(f"/retrun/{KEY}")

    assert _told(caplog)["route"] == "unknown"
    assert KEY not in caplog.text


@pytest.mark.urls("core.tests.urls")
def test_a_request_that_fails_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    Client(raise_request_exception=False).get("/plain/bug")

    assert (_told(caplog)["route"], _told(caplog)["status"]) == ("plain/<str:how>", 500)


def test_the_answer_bears_the_id_that_stands_in_the_line(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    request_id = client.get("/healthz").headers["X-Request-Id"]

    assert UUID(request_id)
    assert _told(caplog)["request_id"] == request_id
    assert client.get("/healthz").headers["X-Request-Id"] != request_id


def test_what_a_request_causes_is_told_by_the_same_id() -> None:
    causes: list[Cause] = []

    def view(_: HttpRequest) -> HttpResponse:
        causes.append(current_cause())
        return HttpResponse()

    response = RequestLog(view)(RequestFactory().get("/"))

    assert causes[0].actor == "api"
    assert str(causes[0].correlation_id) == response.headers["X-Request-Id"]
    assert current_cause().actor == "system"
