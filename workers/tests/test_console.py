"""What operators see, and who may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from knox.models import AuthToken

from bookings.services import holding
from bookings.services.holding import Stay
from bookings.tests.factories import ListingFactory
from core.models import User
from core.tests.factories import UserFactory
from events.models import LaneGroup
from payments.models import IncomingWebhook, Payment
from payments.services.checkout import open_payment
from payments.tests.cast import notify, post_webhook

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def _headers(user: User) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {AuthToken.objects.create(user)[1]}"}}


@pytest.fixture
def operator() -> User:
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_event"))
    return user


@pytest.fixture
def payment(settings: Any) -> Any:
    traveller = UserFactory.create()
    day = (NOW + timedelta(days=9)).date()
    stay = Stay(ListingFactory.create().id, day, day + timedelta(days=1), 1)
    with transaction.atomic():
        booking = holding.hold_booking(stay=stay, traveller=traveller, request_key=None, at=NOW)
        return open_payment(
            reference=booking.id,
            earlier=(),
            payer=traveller,
            owed=booking.total,
            title="A stay",
            expires_at=booking.hold_expires_at,
            at=NOW + timedelta(seconds=1),
        ).payment


def test_an_operator_reads_a_payments_story_in_order(
    client: Client, operator: User, payment: Any
) -> None:
    answer = client.get(f"/api/v1/ops/payments/{payment.id}/timeline", **_headers(operator))

    assert answer.status_code == 200
    entries = answer.json()["entries"]
    assert [entry["what"] for entry in entries] == [
        "booking.held",
        "payment.initiated",
        "still to handle payment.initiated",
    ]
    assert answer.json()["payment"]["checkout_url"] is None


@pytest.mark.parametrize("staff", [True, False])
def test_nobody_without_the_permission_looks(client: Client, payment: Any, staff: bool) -> None:
    someone = UserFactory.create(is_staff=staff)

    for path in ("ops/events", "ops/webhooks", f"ops/payments/{payment.id}/timeline"):
        assert client.get(f"/api/v1/{path}", **_headers(someone)).status_code == 403
        assert client.get(f"/api/v1/{path}").status_code == 401


def test_events_are_listed_newest_first_and_filtered(
    client: Client, operator: User, payment: Any
) -> None:
    login = _headers(operator)

    every = client.get("/api/v1/ops/events", **login).json()["results"]
    some = client.get("/api/v1/ops/events?type=booking.held", **login).json()["results"]

    assert [event["type"] for event in every] == ["payment.initiated", "booking.held"]
    assert [event["type"] for event in some] == ["booking.held"]
    assert every[0]["deliveries"] == [
        {"handler": "rescue_checkout", "state": "ready", "attempts": 0}
    ]
    assert client.get("/api/v1/ops/events?kind=x", **login).status_code == 400


def test_webhooks_are_listed_without_their_bodies_and_filtered(
    client: Client, operator: User, payment: Any
) -> None:
    login = _headers(operator)
    for tx_ref in (payment.tx_ref, "guzo-unknown"):
        notify(tx_ref, at=NOW)
    post_webhook(client, b'{"email":"stranger@guzo.et"}')

    def listed(query: str = "") -> list[tuple[str, str, str]]:
        page = client.get(f"/api/v1/ops/webhooks{query}", **login)
        assert page.status_code == 200
        assert all("body" not in each for each in page.json()["results"])
        return [(w["verdict"], w["matching"], w["tx_ref"]) for w in page.json()["results"]]

    refused = ("unsigned", "", "")
    matched = ("signed", "matched", payment.tx_ref)
    unmatched = ("signed", "unmatched", "guzo-unknown")
    assert sorted(listed()) == sorted([refused, matched, unmatched])
    assert listed("?verdict=unsigned") == [refused]
    assert listed("?matching=matched") == [matched]
    assert listed("?matching=unmatched&verdict=signed") == [unmatched]
    assert listed("?matching=parked") == []
    assert len(listed("?page_size=1")) == 1
    for wrong in ("?matching=lost", "?verdict=x", "?body=1", "?page_size=0"):
        assert client.get(f"/api/v1/ops/webhooks{wrong}", **login).status_code == 400


def test_a_type_that_does_not_exist_is_refused_with_those_that_do(
    client: Client, operator: User
) -> None:
    answer = client.get("/api/v1/ops/events?type=nope", **_headers(operator))

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/type"
    assert "booking.held, " in error["detail"]
    assert "webhook.received" in error["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=cD1nYXJiYWdl",  # p=garbage
        "cursor=cD0yMDI3LTAxLTAx",  # p=2027-01-01
        "page_size=0",
        "since=yesterday",
        "since=0000-01-01T00:00:00Z",
        "since=0001-01-01T00:00:00%2B14:00",
        "subject=%00",
        "type=booking.held&type=booking.held",
    ],
)
def test_an_absurd_question_about_events_is_refused(
    client: Client, operator: User, query: str
) -> None:
    assert client.get(f"/api/v1/ops/events?{query}", **_headers(operator)).status_code == 400


def test_what_strangers_wrote_is_text_in_the_admin_and_no_link_that_pays_is_shown(
    client: Client, payment: Any
) -> None:
    script = "<script>alert(1)</script>"
    webhook = IncomingWebhook.objects.create(
        received_at=NOW, verdict="signed", digest="0" * 64, length=9, body=b"a secret", event=script
    )
    User.objects.update(first_name=script)
    Payment.objects.update(title=script, checkout_url="https://checkout.chapa.co/checkout/pay/1")
    client.force_login(User.objects.create_superuser("almaz@guzo.et", first_name="A"))

    for address in (
        "core/user/",
        f"core/user/{payment.payer_id}/change/",
        "payments/incomingwebhook/",
        f"payments/incomingwebhook/{webhook.id}/change/",
        f"payments/payment/{payment.id}/change/",
    ):
        page = client.get(f"/admin/{address}").content.decode()
        assert "&lt;script&gt;alert(1)" in page, address
        assert "<script>alert" not in page
        assert "/checkout/" not in page
        assert "a secret" not in page


def test_metrics_tell_what_is_owed(client: Client, payment: Any) -> None:
    LaneGroup.objects.filter(name="core").update(relay_seen_at=NOW)

    page = client.get("/metrics").content.decode()

    assert 'guzo_deliveries{handler="rescue_checkout",state="ready"} 1.0' in page
    assert 'guzo_outbox_age_seconds{group="chapa"}' in page
    assert 'guzo_relay_seen_seconds{group="core"}' in page
