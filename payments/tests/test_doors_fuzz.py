"""
Whatever bytes and headers come to Chapa's doors: a documented answer, and rows as promised.

More of it by hand: `make test ARGS="payments/tests/test_doors_fuzz.py --hypothesis-profile=long"`.
"""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from django.conf import settings as project
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from core.rates import Rate
from events.models import Event
from payments.chapa.signature import constant_of, sign
from payments.claim import read_claim
from payments.models import GatewayCall, IncomingWebhook, Payment
from payments.tests.factories import PaymentFactory

# Not in one transaction: the events' locks of 20,000 examples would not fit into it.
pytestmark = pytest.mark.django_db(transaction=True)

SECRET = str(project.CHAPA_WEBHOOK_SECRETS[0])
TX_REF = "guzo-6f1c0f5e9d8b4c2f8a7e3b1d0c9f8e7d"
CODES = {
    400: {"invalid", "not_an_object"},
    401: {"signature_rejected"},
    405: {"method_not_allowed"},
    415: {"unsupported_media_type"},
}

texts = st.text() | st.sampled_from([TX_REF, "success", "\x00", "\ud800", "ሰላም", "../../x"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)
claims = st.fixed_dictionaries(
    {},
    optional={name: anything for name in ("event", "tx_ref", "trx_ref", "status", "mode", "data")},
)
documents = (claims | anything).map(lambda value: json.dumps(value).encode())
bodies = st.one_of(
    documents,
    st.binary(max_size=300),
    st.binary(max_size=20).map(lambda junk: b'{"tx_ref":"' + junk + b'"}'),
    st.integers(0, 3000).map(lambda depth: b"[" * depth + b"]" * depth),
)
# gunicorn hands on any byte but these as Latin-1.
header_values = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=80)
content_types = header_values | st.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=latin-1",
        "multipart/form-data; boundary=x",
        "text/plain; charset=utf-16",
    ]
)
encodings = st.sampled_from(["identity"] * 9 + ["gzip", "br", "", "ä"])
methods = st.sampled_from(["POST"] * 9 + ["GET", "HEAD", "PUT", "OPTIONS"])


def assert_a_known_problem(answer: Any) -> None:
    assert answer.status_code in CODES
    assert answer["Content-Type"] == "application/problem+json"
    told = json.loads(answer.content)
    assert told["code"] in CODES[answer.status_code]
    assert set(told) <= {"type", "title", "status", "code", "detail"}
    assert not any(word in json.dumps(told) for word in ("Error", "Exception", "Traceback"))


def without_its_id(answer: Any) -> dict[str, str]:
    """Return an answer's headers but the one that differs for everybody."""
    return {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}


@pytest.fixture
def usual(client: Client) -> dict[str, str]:
    """The headers of the answer about a payment that is there."""
    payment = PaymentFactory.create(tx_ref=TX_REF)
    return without_its_id(client.get("/callbacks/chapa", {"trx_ref": payment.tx_ref}))


@pytest.fixture
def unlimited(settings: Settings) -> None:
    for limit in ("REJECTED_WEBHOOKS_PER_ADDRESS", "REJECTED_WEBHOOKS_KEPT", "REPEATED_WEBHOOKS"):
        setattr(settings, limit, Rate(10**8, timedelta(seconds=1)))


@pytest.mark.usefixtures("unlimited")
@given(body=bodies, headers=st.data(), method=methods, encoding=encodings, kind=content_types)
def test_the_webhook_door_keeps_what_is_signed_and_answers_what_is_documented(
    client: Client, body: bytes, headers: Any, method: str, encoding: str, kind: str
) -> None:
    right = sign(body, SECRET)
    signatures = st.sampled_from([right] * 4 + [constant_of(SECRET)]) | header_values
    one = headers.draw(signatures, label="x-chapa-signature")
    other = headers.draw(signatures, label="chapa-signature")
    webhooks, events = IncomingWebhook.objects.count(), Event.objects.count()

    answer = client.generic(
        method,
        "/webhooks/chapa",
        body,
        content_type=kind,
        headers={"x-chapa-signature": one, "chapa-signature": other, "content-encoding": encoding},
    )

    reached = method == "POST" and encoding == "identity"
    signed = reached and one == right
    understood = signed and read_claim(body) is not None
    if understood or method in ("GET", "HEAD"):
        assert answer.status_code == 200
    else:
        assert_a_known_problem(answer)
        assert (answer.status_code == 401) == (reached and not signed)
    assert IncomingWebhook.objects.count() == webhooks + reached
    assert Event.objects.count() == events + understood


@given(
    query=st.binary(max_size=60) | st.just(b"trx_ref=" + TX_REF.encode()),
    body=bodies | st.just(f"tx_ref={TX_REF}".encode()),
    kind=content_types,
    method=methods,
    encoding=encodings,
    known=st.booleans(),
)
def test_the_callback_door_always_gives_the_same_answer(
    client: Client,
    usual: dict[str, str],
    query: bytes,
    body: bytes,
    kind: str,
    method: str,
    encoding: str,
    known: bool,
) -> None:
    Payment.objects.update(tx_ref=TX_REF if known else "guzo-another", hinted_at=None)

    answer = client.generic(
        method,
        "/callbacks/chapa?" + quote_from_bytes(query, safe="=&;+%"),
        body,
        content_type=kind,
        headers={"content-encoding": encoding},
    )

    if method in ("GET", "HEAD", "POST"):
        assert answer.status_code == 200
        assert answer.content == (b"" if method == "HEAD" else b'{"status": "received"}')
        assert without_its_id(answer) == usual
    else:
        assert_a_known_problem(answer)
    assert Payment.objects.get().status == "pending"
    assert not IncomingWebhook.objects.exists()
    assert not GatewayCall.objects.exists()
    assert not Event.objects.exists()
