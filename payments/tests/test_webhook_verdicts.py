"""Who may speak as Chapa: one table of signatures and verdicts."""

import hashlib
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from core.rates import Rate
from events.models import Event
from payments.chapa.signature import constant_of, sign
from payments.models import IncomingWebhook
from payments.tests.cast import post_webhook

pytestmark = pytest.mark.django_db

SECRET = str(settings.CHAPA_WEBHOOK_SECRETS[0])
SECOND = "the-old-one-of-yesterday"
RETIRED = "the-one-before-that"

PLAIN = b'{"event":"charge.success","tx_ref":"guzo-1","status":"success"}'
AMHARIC = '{"event": "charge.success", "first_name": "ሰላም", "tx_ref": "guzo-1"}'.encode()
SLASHES = rb'{"event":"charge.failed\/cancelled","tx_ref":"guzo-1","meta":"a\/b"}'
LETTERS = rb'{"event":"charge.success","tx_ref":"guzo-1","first_name":"\u1230\u120b\u121d"}'
BODIES = {"plain": PLAIN, "amharic": AMHARIC, "slashes": SLASHES, "letters": LETTERS}

ONE = "x-chapa-signature"
OTHER = "chapa-signature"


def rewritten(body: bytes) -> bytes:
    """As a view does that parses first: `json.dumps(request.data)`."""
    return json.dumps(json.loads(body)).encode()


def right(body: bytes) -> str:
    return sign(body, SECRET)


# What a caller sends, which header signs the body here, and what is thought of it.
VERDICTS: list[tuple[str, Any, str, str]] = [
    ("right", lambda body: {ONE: right(body)}, ONE, "signed"),
    (
        "right, and the constant",
        lambda b: {ONE: right(b), OTHER: constant_of(SECRET)},
        ONE,
        "signed",
    ),
    ("right under the second secret", lambda body: {ONE: sign(body, SECOND)}, ONE, "signed"),
    ("no signature", lambda body: {}, ONE, "unsigned"),
    ("empty", lambda body: {ONE: ""}, ONE, "unsigned"),
    ("wrong", lambda body: {ONE: "0" * 64}, ONE, "forged"),
    ("not hex", lambda body: {ONE: "z" * 64}, ONE, "forged"),
    ("upper case", lambda body: {ONE: right(body).upper()}, ONE, "forged"),
    ("not ASCII", lambda body: {ONE: "ä" * 64}, ONE, "forged"),
    ("a digit short", lambda body: {ONE: right(body)[:-1]}, ONE, "forged"),
    ("two values", lambda b: {ONE: f"{sign(b, 'x')}, {right(b)}"}, ONE, "forged"),
    ("over the JSON written again", lambda b: {ONE: right(rewritten(b))}, ONE, "forged"),
    ("over another body", lambda body: {ONE: right(body + b" ")}, ONE, "forged"),
    ("under a retired secret", lambda body: {ONE: sign(body, RETIRED)}, ONE, "forged"),
    ("under the empty secret", lambda body: {ONE: sign(body, "")}, ONE, "forged"),
    ("under the API key", lambda b: {ONE: sign(b, settings.CHAPA_SECRET_KEY)}, ONE, "forged"),
    ("a retired constant", lambda body: {OTHER: constant_of(RETIRED)}, ONE, "unsigned"),
    ("the constant alone", lambda body: {OTHER: constant_of(SECRET)}, ONE, "constant_only"),
    (
        "wrong, and the constant",
        lambda b: {ONE: "0" * 64, OTHER: constant_of(SECRET)},
        ONE,
        "forged",
    ),
    ("the second constant", lambda body: {OTHER: constant_of(SECOND)}, ONE, "constant_only"),
    ("the constant elsewhere", lambda body: {ONE: constant_of(SECRET)}, ONE, "constant_only"),
    ("right in the other header", lambda body: {OTHER: right(body)}, ONE, "unsigned"),
    ("custom, right", lambda body: {OTHER: right(body)}, OTHER, "signed"),
    ("custom, wrong", lambda body: {OTHER: right(body + b" ")}, OTHER, "forged"),
    ("custom, right in the other", lambda body: {ONE: right(body)}, OTHER, "unsigned"),
    ("custom, the constant", lambda body: {OTHER: constant_of(SECRET)}, OTHER, "constant_only"),
]


@pytest.mark.parametrize(
    ("sent", "header", "verdict"), [pytest.param(*row, id=name) for name, *row in VERDICTS]
)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_webhook_is_believed_to_be_chapas_by_the_signature_over_its_bytes(
    client: Client, settings: Settings, body: bytes, sent: Any, header: str, verdict: str
) -> None:
    settings.CHAPA_WEBHOOK_SECRETS = [SECRET, SECOND, ""]
    settings.CHAPA_SIGNATURE_HEADER = header

    answer = post_webhook(client, body, **sent(body))

    kept = IncomingWebhook.objects.get()
    assert kept.verdict == verdict
    assert (kept.digest, kept.length) == (hashlib.sha256(body).hexdigest(), len(body))
    if verdict == "signed":
        assert (answer.status_code, answer.json()) == (200, {"status": "received"})
        assert (bytes(kept.body or b""), kept.tx_ref) == (body, "guzo-1")
        assert Event.objects.get().type == "webhook.received"
    else:
        assert (answer.status_code, answer.json()["code"]) == (401, "signature_rejected")
        assert answer["Content-Type"] == "application/problem+json"
        assert (kept.body, kept.event, kept.tx_ref, kept.matching) == (None, "", "", "")
        assert not Event.objects.exists()


def test_every_way_to_be_refused_gets_the_same_answer(client: Client) -> None:
    answers = {
        post_webhook(client, PLAIN, **sent(PLAIN)).content
        for _, sent, header, verdict in VERDICTS
        if header == ONE and verdict != "signed"
    }

    assert len(answers) == 1


def test_which_secret_signed_is_kept(client: Client, settings: Settings) -> None:
    settings.CHAPA_WEBHOOK_SECRETS = [SECRET, SECOND]

    for each in settings.CHAPA_WEBHOOK_SECRETS:
        post_webhook(client, PLAIN, **{ONE: sign(PLAIN, each)})

    matched = IncomingWebhook.objects.order_by("received_at").values_list("secret_index", flat=True)
    assert list(matched) == [0, 1]


@pytest.mark.parametrize(
    ("headers", "body", "alarm"),
    [
        ({OTHER: constant_of(SECRET)}, PLAIN, "webhook.constant_only"),
        ({ONE: sign(b'{"mode":"live"}', SECRET)}, b'{"mode":"live"}', "webhook.other_mode"),
        ({ONE: sign(b'{"mode":"test"}', SECRET)}, b'{"mode":"test"}', None),
        ({ONE: "0" * 64}, PLAIN, None),
    ],
)
def test_a_replayed_constant_and_the_other_mode_are_alarms(
    client: Client, caplog: pytest.LogCaptureFixture, headers: Any, body: bytes, alarm: str | None
) -> None:
    post_webhook(client, body, **headers)

    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [re.findall(r"webhook\.\w+", each)[0] for each in errors] == [alarm] * bool(alarm)


def test_verdicts_are_counted_apart(client: Client) -> None:
    post_webhook(client, PLAIN, **{ONE: "0" * 64})
    for _ in range(2):
        post_webhook(client, PLAIN, **{OTHER: constant_of(SECRET)})

    page = client.get("/metrics").content.decode()

    assert 'guzo_webhooks{verdict="forged"} 1.0' in page
    assert 'guzo_webhooks{verdict="constant_only"} 2.0' in page


def test_no_csrf_token_and_no_login_are_asked_for() -> None:
    strict = Client(enforce_csrf_checks=True)

    assert post_webhook(strict, PLAIN, **{ONE: right(PLAIN)}).status_code == 200


def test_a_flood_of_rejected_ones_fills_no_table_and_keeps_no_signed_one_out(
    client: Client, settings: Settings
) -> None:
    settings.REJECTED_WEBHOOKS_PER_ADDRESS = Rate(3, timedelta(hours=1))

    flood = [post_webhook(client, PLAIN, **{ONE: "0" * 64}) for _ in range(5)]

    assert [each.status_code for each in flood] == [401, 401, 401, 429, 429]
    assert flood[-1].json()["code"] == "throttled"
    assert 0 < int(flood[-1]["Retry-After"]) <= 3600
    assert IncomingWebhook.objects.count() == 3
    for _ in range(5):
        assert post_webhook(client, PLAIN, **{ONE: right(PLAIN)}).status_code == 200
    elsewhere = client.post("/webhooks/chapa", PLAIN, "application/json", REMOTE_ADDR="10.0.0.2")
    assert elsewhere.status_code == 401


def test_rejected_ones_from_ever_more_addresses_fill_no_table(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REJECTED_WEBHOOKS_KEPT = Rate(3, timedelta(hours=1))

    flood = [
        client.post("/webhooks/chapa", PLAIN, "application/json", REMOTE_ADDR=f"10.0.0.{each}")
        for each in range(5)
    ]

    assert [each.status_code for each in flood] == [401] * 5
    assert len({each.content for each in flood}) == 1
    assert IncomingWebhook.objects.count() == 3
    assert sum("webhook.rejected" in each.getMessage() for each in caplog.records) == 5
    assert post_webhook(client, PLAIN, **{ONE: right(PLAIN)}).status_code == 200
    assert IncomingWebhook.objects.filter(verdict="signed").count() == 1
