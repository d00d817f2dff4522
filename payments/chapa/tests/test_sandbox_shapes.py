"""Plain requests to the local Chapa, to see that it speaks as Chapa was seen to."""

import json
from decimal import Decimal

import pytest
import requests

from payments.chapa.client import ChapaClient
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.tests.cast import LIVE_KEY, TEST_KEY, a_checkout, captured


def ask(sandbox: RunningSandbox, method: str, path: str, **given: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {TEST_KEY}"}
    url = f"{sandbox.base_url}/transaction/{path}"
    options: dict[str, object] = {"headers": headers, "timeout": 5} | given
    return requests.request(method, url, **options)  # type: ignore[arg-type]


def complaint(sandbox: RunningSandbox, **fields: object) -> object:
    """Return what initialize complains of when these fields are in an otherwise good request."""
    request = {"amount": "10", "currency": "ETB", "tx_ref": "gz-1"} | fields
    answer = ask(sandbox, "POST", "initialize", json=request)
    assert answer.json()["status"] == ("success" if answer.ok else "failed")
    assert answer.status_code == (200 if answer.ok else 400)
    return None if answer.ok else answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Authorization required"),
        ({"Authorization": f"Bearer {LIVE_KEY}"}, "Invalid API Key or User doesn\u2019t exist"),
        ({"Authorization": TEST_KEY[:-1]}, "Invalid API Key or User doesn\u2019t exist"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "initialize"), ("GET", "verify/gz-1"), ("PUT", "cancel/gz-1")]
)
def test_a_call_without_the_right_key_is_refused(
    sandbox: RunningSandbox, method: str, path: str, headers: dict[str, str], message: str
) -> None:
    answer = ask(sandbox, method, path, headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"message": message, "status": "failed", "data": None}


def test_the_unpaid_answer_has_the_observed_shape(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    client.initialize(a_checkout(amount=Decimal(10)))

    answer = ask(sandbox, "GET", "verify/gz-1")

    observed = json.loads(captured("verify_pending"))
    assert answer.json()["message"] == observed["message"]
    data = answer.json()["data"]
    assert "reference" not in data
    for name in ("status", "mode", "method", "type", "currency", "amount", "charge"):
        assert data[name] == observed["data"][name]
    assert answer.headers["x-ratelimit-limit"]
    assert answer.headers["x-ratelimit-remaining"]


def test_the_paid_answer_has_the_documented_members(
    client: ChapaClient, sandbox: RunningSandbox
) -> None:
    client.initialize(a_checkout())
    requests.post(f"{sandbox.origin}/control/transactions/gz-1/pay", timeout=5)

    data = ask(sandbox, "GET", "verify/gz-1").json()["data"]

    documented = json.loads(captured("verify_paid"))["data"]
    assert set(data) == set(documented) | {"phone_number"}
    assert (data["amount"], data["charge"], data["type"]) == (1250.5, 43.77, "API")


def test_a_get_with_a_body_is_answered_in_html(sandbox: RunningSandbox) -> None:
    answer = ask(sandbox, "GET", "verify/gz-1", data=b"{}")

    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"amount": "0"}, {"amount": ["validation.min.numeric"]}),
        ({"amount": "-1"}, {"amount": ["validation.min.numeric"]}),
        ({"amount": "1,000"}, {"amount": ["validation.numeric"]}),
        ({"amount": "1e9999"}, {"amount": ["validation.numeric"]}),
        ({"amount": [1]}, {"amount": ["validation.numeric"]}),
        ({"amount": None}, {"amount": ["validation.required"]}),
        ({"amount": "999999999.99"}, {"amount": ["The amount must not exceed 1000000."]}),
        ({"currency": "XYZ"}, "Invalid currency, XYZ is not supported"),
        ({"tx_ref": "x" * 51}, {"tx_ref": ["The tx ref must not exceed 50 characters."]}),
        (
            {"amount": "", "tx_ref": "x" * 51},
            {
                "amount": ["validation.required"],
                "tx_ref": ["The tx ref must not exceed 50 characters."],
            },
        ),
        ({"email": "a@example.com"}, {"email": ["validation.email"]}),
        ({"phone_number": "+251911223344"}, {"phone_number": ["validation.phone_number"]}),
        ({"return_url": "javascript:alert(1)"}, {"return_url": ["validation.url"]}),
        ({"return_url": "https://[::1"}, {"return_url": ["validation.url"]}),
        (
            {"customization": {"title": "A title of 18 char"}},
            {"customization.title": ["The customization.title must not exceed 16 characters."]},
        ),
        (
            {"customization[title]": "A title of 18 char"},
            {"customization.title": ["The customization.title must not exceed 16 characters."]},
        ),
        (
            {"customization": {"description": "Room #7"}},
            {
                "customization.description": [
                    "The customization.description may only contain letters, numbers, hyphens, "
                    "underscores, spaces, and dots."
                ]
            },
        ),
        ({"amount": "1e2"}, None),
        ({"amount": "00010.50"}, None),
        ({"amount": "1.12345678901234567890"}, None),
        ({"amount": 10}, None),
        ({"amount": 10.5}, None),
        ({"tx_ref": "x" * 50}, None),
        ({"callback_url": "http://localhost/cb"}, None),
    ],
)
def test_a_request_is_judged_as_chapa_was_seen_to(
    sandbox: RunningSandbox, fields: dict[str, object], message: object
) -> None:
    assert complaint(sandbox, **fields) == message


def test_a_form_is_taken_too(sandbox: RunningSandbox) -> None:
    form = {"amount": "10", "currency": "ETB", "tx_ref": "gz-1", "customization[title]": "Guzo"}

    assert ask(sandbox, "POST", "initialize", data=form).status_code == 200
    transaction = sandbox.store.find("gz-1")
    assert transaction is not None
    assert transaction.title == "Guzo"


@pytest.mark.parametrize("body", [b"{}", b"", b"\xff"])
def test_another_content_type_is_refused(sandbox: RunningSandbox, body: bytes) -> None:
    answer = ask(sandbox, "POST", "initialize", data=body)

    assert answer.status_code == 400
    assert "content-type" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_json_that_is_no_object_lacks_everything(sandbox: RunningSandbox, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {TEST_KEY}", "Content-Type": "application/json"}
    answer = ask(sandbox, "POST", "initialize", data=body, headers=headers)

    assert answer.json()["message"] == {
        "amount": ["validation.required"],
        "currency": ["validation.required"],
        "tx_ref": ["validation.required"],
    }
