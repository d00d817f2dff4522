"""`migrate` comes before the new processes: those of the version before write on meanwhile."""

from datetime import datetime
from importlib import import_module
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from bookings.models import Mail
from bookings.tests.factories import BookingFactory
from core.ids import new_id
from payments.models import IncomingWebhook, Refund, StatementDifference
from payments.tests.factories import PaymentFactory

pytestmark = pytest.mark.django_db


def insert(table: str, columns: str, *values: str | int | bytes | datetime | UUID) -> None:
    """Write a row as a process does that knows these columns only."""
    places = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(f"insert into {table} ({columns}) values ({places})", values)


def webhook_of_the_version_before(tx_ref: str, number: int = 1) -> None:
    insert(
        "payments_incomingwebhook",
        "id, received_at, verdict, secret_index, digest, length, body, event, tx_ref",
        f"00000000-0000-0000-0000-{number:012}",
        timezone.now(),
        "signed",
        0,
        "0" * 64,
        2,
        b"{}",
        "charge.success",
        tx_ref,
    )


def test_the_version_before_can_keep_a_webhook() -> None:
    webhook_of_the_version_before("guzo-1")

    assert IncomingWebhook.objects.get().matching == ""


def test_the_version_before_can_order_a_refund() -> None:
    insert(
        "payments_refund",
        "id, payment_id, amount, currency, state, source, reason, requested_at",
        new_id(),
        PaymentFactory.create().id,
        1,
        "ETB",
        "requested",
        "operator",
        "goodwill",
        timezone.now(),
    )

    assert Refund.objects.get().resolutions == []


def test_the_version_before_can_queue_a_mail() -> None:
    insert(
        "bookings_mail",
        "event_id, kind, booking_id, message_id, state, created_at",
        1,
        "confirmation",
        BookingFactory.create().id,
        "<1@guzo.et>",
        "queued",
        timezone.now(),
    )

    assert Mail.objects.get().generation == 0


def test_the_version_before_can_note_a_difference() -> None:
    insert(
        "payments_statementdifference",
        "id, reference, kind, here, there, first_seen_at, last_seen_at, resolutions",
        new_id(),
        "AP1",
        "missing_here",
        "",
        "1250.50 ETB",
        timezone.now(),
        timezone.now(),
        "[]",
    )

    assert StatementDifference.objects.get().opened_in is None


def test_webhooks_of_before_are_matched_or_parked() -> None:
    payment = PaymentFactory.create()
    for number, tx_ref in enumerate((payment.tx_ref, "guzo-unknown", "")):
        webhook_of_the_version_before(tx_ref, number)
    migration = import_module("payments.migrations.0006_match_earlier_webhooks")

    for _ in range(2):
        migration.match(apps, None)

    found = IncomingWebhook.objects.order_by("id").values_list("matching", flat=True)
    assert list(found) == ["matched", "parked", ""]
