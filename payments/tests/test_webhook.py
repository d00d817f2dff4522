"""Chapa's door: what is kept of a signed webhook, and what it moves."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from core.rates import Rate
from events.models import Delivery, Event
from payments.claim import Claim, read_claim
from payments.models import IncomingWebhook, Payment
from payments.tests.cast import post_webhook, signed
from payments.tests.factories import PaymentFactory

pytestmark = pytest.mark.django_db

URL = "/webhooks/chapa"


def post(client: Client, body: bytes) -> Any:
    return post_webhook(client, body, **signed(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b"a=b",
        b'{"amount": NaN}',
        b'{"tx_ref": "a", "tx_ref": "b"}',
        b'{"amount": -Infinity}',
        b'{"deep": {"tx_ref": "a", "tx_ref": "a"}}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"name": "\xe1\x88"}',
        b'{"a":' * 9000,
        b"[" * 60_000,
        b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_signed_bytes_that_are_no_object_are_kept_and_refused(client: Client, body: bytes) -> None:
    answer = post(client, body)

    kept = IncomingWebhook.objects.get()
    assert (answer.status_code, answer.json()["code"]) == (400, "not_an_object")
    assert bytes(kept.body or b"") == body
    assert kept.verdict == "signed"
    assert not Event.objects.exists()


@pytest.mark.parametrize(("length", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
def test_at_most_64_kib_are_read(client: Client, length: int, status: int) -> None:
    body = b'{"a":"' + b"x" * (length - 8) + b'"}'
    assert len(body) == length

    answer = post(client, body)

    assert answer.status_code == status
    assert IncomingWebhook.objects.exists() == (status == 200)


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"payout.success","reference":"merchant-1","status":"success"}',
        b'{"event":"charge.invented","tx_ref":"guzo-1","status":"surprised"}',
        b'{"event":7,"tx_ref":["guzo-1"],"status":null}',
        b'{"event":"\\u0000","tx_ref":"\\ud800","status":"\\udfff\\u0000"}',
        b'{"event":"' + b"e" * 300 + b'","tx_ref":"' + b"t" * 300 + b'"}',
        b'{"data":"text"}',
        b'{"a":' + b"[" * 19 + b"]" * 19 + b"}",
        b'{"amount": 1e999}',
    ],
)
def test_what_nobody_understands_is_taken_all_the_same(client: Client, body: bytes) -> None:
    assert post(client, body).status_code == 200

    assert Event.objects.get().type == "webhook.received"
    assert Delivery.objects.get().handler == "settle_notified_payment"


def test_chapas_checker_may_look(client: Client) -> None:
    assert client.get(URL).status_code == 200
    assert client.head(URL).status_code == 200
    assert not IncomingWebhook.objects.exists()


@pytest.mark.parametrize("url", [URL, "/callbacks/chapa"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_no_other_method_is_known(client: Client, url: str, method: str) -> None:
    answer = client.generic(method, url)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("tx_ref", ["guzo-unknown", "", "../../etc/passwd", "'; drop table x; --"])
def test_an_unknown_reference_is_answered_like_a_known_one(client: Client, tx_ref: str) -> None:
    payment = PaymentFactory.create()
    bodies = [
        json.dumps({"event": "charge.success", "tx_ref": ref, "status": "success"}).encode()
        for ref in (tx_ref, payment.tx_ref)
    ]

    unknown, known = (post(client, body) for body in bodies)

    assert (unknown.status_code, unknown.content) == (known.status_code, known.content)
    assert unknown.status_code == 200


@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_a_webhook_changes_only_when_the_payment_is_looked_at(client: Client, shape: str) -> None:
    payment = PaymentFactory.create()
    claim: dict[str, Any] = {"tx_ref": payment.tx_ref, "status": "success", "amount": "1.00"}
    if shape == "nested":
        claim = {"data": claim}
    body = json.dumps({"event": "charge.success"} | claim).encode()

    before = timezone.now()
    assert post(client, body).status_code == 200

    after = Payment.objects.get()
    assert after.status == "pending"
    assert after.hinted_at is not None
    assert after.hinted_at >= before
    # It was due in the past; a hint never makes a look later.
    assert after.next_check_at == payment.next_check_at
    assert IncomingWebhook.objects.get().tx_ref == payment.tx_ref


@pytest.mark.parametrize(
    ("status", "claims", "hints"),
    [
        ("pending", "success", True),
        ("pending", "failed/cancelled", True),
        ("failed", "success", True),
        ("failed", "failed/cancelled", False),
        ("cancelled", "failed", False),
        ("expired", "success", True),
        ("succeeded", "success", False),
        ("succeeded", "failed/cancelled", False),
        ("succeeded", "refunded", True),
        ("succeeded", "reversed", True),
        ("in_review", "success", False),
        ("refunded", "success", False),
    ],
)
def test_only_what_may_be_news_hints(client: Client, status: str, claims: str, hints: bool) -> None:
    payment = PaymentFactory.create(status=status, next_check_at=None)
    body = json.dumps({"tx_ref": payment.tx_ref, "status": claims}).encode()

    post(client, body)

    after = Payment.objects.get()
    assert (after.next_check_at is not None) == hints
    assert (after.hinted_at is not None) == hints


@pytest.fixture
def three_repeats(settings: Settings) -> None:
    settings.REPEATED_WEBHOOKS = Rate(3, timedelta(hours=1))


@pytest.mark.usefixtures("three_repeats")
def test_one_that_is_repeated_without_end_only_hints(client: Client) -> None:
    payment = PaymentFactory.create()
    body = json.dumps({"tx_ref": payment.tx_ref, "status": "success"}).encode()
    answers = [post(client, body) for _ in range(3)]
    Payment.objects.update(next_check_at=None, hinted_at=None)

    answers += [post(client, body) for _ in range(2)]

    assert {(each.status_code, each.content) for each in answers} == {(200, answers[0].content)}
    counts = [model.objects.count() for model in (IncomingWebhook, Event, Delivery)]
    assert counts == [3, 3, 3]
    after = Payment.objects.get()
    assert None not in (after.hinted_at, after.next_check_at)


@pytest.mark.usefixtures("three_repeats")
def test_signed_bytes_that_are_no_object_are_kept_no_oftener(client: Client) -> None:
    answers = [post(client, b"[]") for _ in range(5)]

    assert {(each.status_code, each.json()["code"]) for each in answers} == {(400, "not_an_object")}
    assert IncomingWebhook.objects.count() == 3


@pytest.mark.usefixtures("three_repeats")
def test_another_body_is_no_repeat(client: Client) -> None:
    for number in range(5):
        assert post(client, b'{"tx_ref":"guzo-%d"}' % number).status_code == 200

    assert IncomingWebhook.objects.count() == 5


@pytest.mark.parametrize(
    ("body", "claim"),
    [
        (b'{"event":"e","tx_ref":"t","status":"s","mode":"m"}', Claim("e", "t", "s", "m")),
        (b'{"event":"e","data":{"tx_ref":"t","status":"s"}}', Claim("e", "t", "s", "")),
        (b'{"tx_ref":"flat","data":{"tx_ref":"nested"}}', Claim(tx_ref="flat")),
        (b"{}", Claim()),
        (b"[]", None),
        (b'{"data":[{"tx_ref":"t"}]}', Claim()),
    ],
)
def test_a_claim_is_read_flat_or_nested(body: bytes, claim: Claim | None) -> None:
    assert read_claim(body) == claim
