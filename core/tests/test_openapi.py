"""The OpenAPI document of the whole project, as clients get it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import resolve
from openapi_spec_validator import OpenAPIV31SpecValidator

Document = dict[str, Any]

CONTRACT = {
    ("post", "/api/v1/users"),
    ("post", "/api/v1/tokens"),
    ("delete", "/api/v1/tokens/current"),
    ("get", "/api/v1/listings"),
    ("get", "/api/v1/listings/{listing_id}"),
    ("post", "/api/v1/bookings"),
    ("get", "/api/v1/bookings"),
    ("get", "/api/v1/bookings/{booking_id}"),
    ("post", "/api/v1/bookings/{booking_id}/cancel"),
    ("post", "/api/v1/bookings/{booking_id}/payments"),
    ("get", "/api/v1/bookings/{booking_id}/payments"),
    ("get", "/api/v1/payments/{payment_id}"),
    ("post", "/api/v1/payments/{payment_id}/verify"),
    ("get", "/api/v1/ops/events"),
    ("get", "/api/v1/ops/webhooks"),
    ("get", "/api/v1/ops/payments/{payment_id}/timeline"),
    ("get", "/api/v1/ops/replays"),
    ("post", "/api/v1/ops/replays"),
    ("get", "/api/v1/ops/replays/{replay_id}"),
    ("post", "/api/v1/ops/replays/{replay_id}/execute"),
    ("post", "/api/v1/ops/replays/{replay_id}/pause"),
    ("post", "/api/v1/ops/replays/{replay_id}/cancel"),
}
PUBLIC = {
    ("post", "/api/v1/users"),
    ("post", "/api/v1/tokens"),
    ("get", "/api/v1/listings"),
    ("get", "/api/v1/listings/{listing_id}"),
}


@pytest.fixture(scope="module")
def document() -> Document:
    response = Client().get("/api/v1/schema")
    assert response.status_code == 200
    found: Document = response.json()
    return found


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _resolved(document: Document, schema: Document) -> Document:
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def test_it_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_it_is_made_without_a_warning() -> None:
    call_command("spectacular", "--fail-on-warn", "--file", "/dev/null")


def test_it_has_every_call_of_the_contract(document: Document) -> None:
    assert {(method, path) for method, path, _ in _operations(document)} >= CONTRACT


@pytest.mark.parametrize(
    "path",
    [
        "/webhooks/chapa",
        "/callbacks/chapa",
        "/return/key",
        "/api/v1/schema",
        "/api/v1/docs",
        "/admin/",
        "/metrics",
    ],
)
def test_the_doors_that_are_no_api_calls_are_there(path: str) -> None:
    assert resolve(path)


def test_every_refusal_of_a_call_is_a_problem_with_its_status_and_codes(
    document: Document,
) -> None:
    for method, path, operation in _operations(document):
        refused = {code: each for code, each in operation["responses"].items() if code >= "400"}
        assert {"406", "500"} <= set(refused), (method, path)
        for code, answer in refused.items():
            assert list(answer["content"]) == ["application/problem+json"], (method, path)
            general, exact = answer["content"]["application/problem+json"]["schema"]["allOf"]
            assert general == {"$ref": "#/components/schemas/Problem"}
            assert exact["properties"]["status"] == {"const": int(code)}
            assert exact["properties"]["code"]["enum"]
    assert document["components"]["schemas"]["Problem"]["required"] == [
        "type",
        "title",
        "status",
        "code",
    ]


def test_a_call_says_what_can_go_wrong_with_it(document: Document) -> None:
    held = document["paths"]["/api/v1/bookings"]["post"]["responses"]

    assert {"201", "400", "401", "404", "409", "413", "415", "422", "429"} <= set(held)
    assert held["409"]["description"] == "`dates_unavailable`: Some of these nights are taken."
    bad = held["400"]["content"]["application/problem+json"]["schema"]["allOf"][1]
    assert bad["properties"]["code"]["enum"] == ["invalid", "stay_invalid"]


def test_bodies_are_closed(document: Document) -> None:
    for method, path, operation in _operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            shape = _resolved(document, content["schema"])
            assert shape.get("additionalProperties") is False or shape["maxProperties"] == 0, (
                method,
                path,
            )


def test_every_call_but_the_public_ones_asks_for_a_bearer_token(document: Document) -> None:
    open_calls = {
        (method, path)
        for method, path, operation in _operations(document)
        if operation.get("security") != [{"bearer": []}]
    }

    assert open_calls == PUBLIC
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer"}
    }


def test_every_body_with_members_has_an_example(document: Document) -> None:
    for method, path, operation in _operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if _resolved(document, content["schema"]).get("properties"):
                assert content["examples"], (method, path)


def test_every_call_has_a_name_of_its_own(document: Document) -> None:
    names = [operation["operationId"] for _, _, operation in _operations(document)]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_shapes_inside_views_are_not_mistaken_for_each_other(document: Document) -> None:
    schemas = document["components"]["schemas"]

    assert set(schemas["UsersInputRequest"]["required"]) == {
        "email",
        "password",
        "first_name",
        "last_name",
    }
    assert set(schemas["TokensInputRequest"]["properties"]) == {"email", "password"}
    assert set(schemas["TokensOutput"]["properties"]) == {"token", "expires_at"}


def test_starting_a_payment_needs_a_key_and_has_three_good_answers(document: Document) -> None:
    start = document["paths"]["/api/v1/bookings/{booking_id}/payments"]["post"]

    (key,) = [each for each in start["parameters"] if each["name"] == "Idempotency-Key"]
    assert (key["in"], key["required"]) == ("header", True)
    assert {"200", "201", "202"} <= set(start["responses"])


def test_chapas_webhook_is_described(document: Document) -> None:
    webhook = document["webhooks"]["chapa_charge"]["post"]

    assert "signed over the raw body" in webhook["description"]
    assert set(webhook["responses"]) >= {"200", "400", "401", "413"}
    assert [each["name"] for each in webhook["parameters"]] == ["x-chapa-signature"]
    assert webhook["requestBody"]["content"]["application/json"]["examples"]


def test_the_page_to_read_it_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/v1/docs")

    assert page.status_code == 200
    assert not re.search(rb'(src|href)="(https?:)?//', page.content)


def test_the_type_of_each_problem_leads_to_what_its_code_means(
    client: Client, document: Document
) -> None:
    page = client.get("/api/v1/docs").content.decode()
    codes = {
        code
        for operations in document["paths"].values()
        for operation in operations.values()
        for answer in operation["responses"].values()
        for code in re.findall(r"`(\w+)`: ", answer.get("description", ""))
    }
    refused = client.get("/api/v1/listings", {"guests": "0"}).json()

    assert refused["type"].endswith("/api/v1/docs#invalid")
    assert '<p class="code" id="stay_invalid"><b>stay_invalid</b> (400): This stay cannot' in page
    assert codes > {"invalid", "stay_invalid"}
    assert {code for code in codes if f'id="{code}"' not in page} == set()
