"""Chapa's door: what is believed, what is kept, what is answered."""

import hashlib
import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from events.models import Delivery, Event
from payments.chapa.signature import sign
from payments.models import IncomingWebhook, Payment
from payments.services.hints import Claim, read_claim
from payments.tests.factories import PaymentFactory

pytestmark = pytest.mark.django_db

URL = "/webhooks/chapa"
AMHARIC = '{"event": "charge.success", "first_name": "ሰላም", "tx_ref": "guzo-1"}'.encode()
ESCAPED = rb'{"event":"charge.success","first_name":"\u1230\u120b\u121d","meta":"a\/b"}'
PLAIN = b'{"event":"charge.success","tx_ref":"guzo-1","status":"success"}'


def secret() -> str:
    return str(settings.CHAPA_WEBHOOK_SECRETS[0])


def post(client: Client, body: bytes, signature: str | None = None, **headers: str) -> Any:
    signed = {} if signature is None else {"x-chapa-signature": signature}
    return client.post(URL, body, content_type="application/json", headers=signed | headers)


@pytest.mark.parametrize("body", [PLAIN, AMHARIC, ESCAPED, b"{}", b'{ "spaced" :  1 }'])
def test_a_body_signed_as_it_came_is_kept_byte_for_byte(client: Client, body: bytes) -> None:
    answer = post(client, body, sign(body, secret()))

    kept = IncomingWebhook.objects.get()
    assert answer.status_code == 200
    assert bytes(kept.body or b"") == body
    assert (kept.verdict, kept.secret_index, kept.length) == ("signed", 0, len(body))
    assert kept.digest == hashlib.sha256(body).hexdigest()
    assert Event.objects.get().type == "webhook.received"
    assert Delivery.objects.get().handler == "settle_notified_payment"


@pytest.mark.parametrize("body", [PLAIN, AMHARIC, ESCAPED])
@pytest.mark.parametrize(
    ("forgery", "verdict"),
    [
        ("absent", "unsigned"),
        ("empty", "unsigned"),
        ("not hex", "forged"),
        ("upper case", "forged"),
        ("another secret", "forged"),
        ("the API key", "forged"),
        ("another body", "forged"),
        ("written again", "forged"),
        ("the constant", "forged"),
        ("two values", "forged"),
    ],
)
def test_any_other_signature_is_refused_and_nothing_of_the_body_is_kept(
    client: Client, body: bytes, forgery: str, verdict: str
) -> None:
    signatures = {
        "absent": None,
        "empty": "",
        "not hex": "z" * 64,
        "upper case": sign(body, secret()).upper(),
        "another secret": sign(body, "somebody-else"),
        "the API key": sign(body, settings.CHAPA_SECRET_KEY),
        "another body": sign(body + b" ", secret()),
        # As a view does that parses first: `json.dumps(request.data)`.
        "written again": sign(json.dumps(json.loads(body)).encode(), secret()),
        "the constant": sign(secret().encode(), secret()),
        "two values": f"{sign(body, 'x')}, {sign(body, secret())}",
    }

    answer = post(client, body, signatures[forgery])

    kept = IncomingWebhook.objects.get()
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "signature_rejected"
    assert (kept.verdict, kept.body, kept.event, kept.tx_ref) == (verdict, None, "", "")
    assert (kept.digest, kept.length) == (hashlib.sha256(body).hexdigest(), len(body))
    assert not Event.objects.exists()


def test_the_constant_header_alone_is_no_signature(client: Client) -> None:
    constant = sign(secret().encode(), secret())

    answer = post(client, PLAIN, **{"chapa-signature": constant})

    assert answer.status_code == 401
    assert IncomingWebhook.objects.get().verdict == "unsigned"


def test_the_constant_header_does_not_disturb_a_good_signature(client: Client) -> None:
    constant = sign(secret().encode(), secret())

    answer = post(client, PLAIN, sign(PLAIN, secret()), **{"chapa-signature": constant})

    assert answer.status_code == 200


def test_while_a_secret_is_rotated_both_are_good(client: Client, settings: Settings) -> None:
    settings.CHAPA_WEBHOOK_SECRETS = ["the-new-one-of-today", "the-old-one-of-yesterday"]

    for each in settings.CHAPA_WEBHOOK_SECRETS:
        assert post(client, PLAIN, sign(PLAIN, each)).status_code == 200

    matched = IncomingWebhook.objects.order_by("received_at").values_list("secret_index", flat=True)
    assert list(matched) == [0, 1]


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
        b'{"a":' * 9000,
        b"[" * 60_000,
    ],
)
def test_signed_bytes_that_are_no_object_are_kept_and_refused(client: Client, body: bytes) -> None:
    answer = post(client, body, sign(body, secret()))

    kept = IncomingWebhook.objects.get()
    assert (answer.status_code, answer.json()["code"]) == (400, "not_an_object")
    assert bytes(kept.body or b"") == body
    assert kept.verdict == "signed"
    assert not Event.objects.exists()


@pytest.mark.parametrize(("length", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
def test_at_most_64_kib_are_read(client: Client, length: int, status: int) -> None:
    body = b'{"a":"' + b"x" * (length - 8) + b'"}'
    assert len(body) == length

    answer = post(client, body, sign(body, secret()))

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
    ],
)
def test_what_nobody_understands_is_taken_all_the_same(client: Client, body: bytes) -> None:
    assert post(client, body, sign(body, secret())).status_code == 200

    assert Event.objects.get().type == "webhook.received"


def test_chapas_checker_and_other_methods(client: Client) -> None:
    assert client.get(URL).status_code == 200
    assert client.head(URL).status_code == 200
    assert client.put(URL).status_code == 405
    assert client.delete(URL).status_code == 405
    assert not IncomingWebhook.objects.exists()


def test_no_csrf_token_and_no_login_are_asked_for() -> None:
    strict = Client(enforce_csrf_checks=True)

    assert post(strict, PLAIN, sign(PLAIN, secret())).status_code == 200


@pytest.mark.parametrize("tx_ref", ["guzo-unknown", "", "../../etc/passwd", "'; drop table x; --"])
def test_an_unknown_reference_is_answered_like_a_known_one(client: Client, tx_ref: str) -> None:
    payment = PaymentFactory.create()
    bodies = [
        json.dumps({"event": "charge.success", "tx_ref": ref, "status": "success"}).encode()
        for ref in (tx_ref, payment.tx_ref)
    ]

    unknown, known = (post(client, body, sign(body, secret())) for body in bodies)

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
    assert post(client, body, sign(body, secret())).status_code == 200

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

    post(client, body, sign(body, secret()))

    after = Payment.objects.get()
    assert (after.next_check_at is not None) == hints
    assert (after.hinted_at is not None) == hints


@pytest.mark.parametrize(
    ("body", "claim"),
    [
        (b'{"event":"e","tx_ref":"t","status":"s"}', Claim("e", "t", "s")),
        (b'{"event":"e","data":{"tx_ref":"t","status":"s"}}', Claim("e", "t", "s")),
        (b'{"tx_ref":"flat","data":{"tx_ref":"nested"}}', Claim("", "flat", "")),
        (b"{}", Claim("", "", "")),
        (b"[]", None),
    ],
)
def test_a_claim_is_read_flat_or_nested(body: bytes, claim: Claim | None) -> None:
    assert read_claim(body) == claim
