"""What `/metrics` says of events, read by the parser of the library that Prometheus publishes."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from core.ids import new_id
from events.models import Delivery, Event, Replay, ReplayItem
from events.timing import time_handler
from payments.chapa.wire import Outcome
from payments.models import GatewayCall, Payment, Refund
from payments.services.deciding import resolve_refund
from payments.services.refund_rows import fail_refund, lock_refund
from payments.services.refunds import request_operator_refund
from payments.tests.cast import answer_about, write
from payments.tests.factories import NOW, PaymentFactory
from workers.console.metric_queries import QUERIES

Sample = tuple[str, ...]


def scrape(client: Client) -> dict[Sample, float]:
    """Return the value of each sample, by its name and the values of its labels."""
    page = client.get("/metrics").content.decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def owe(state: str, *, subject: int = 1, at: datetime, **values: Any) -> Delivery:
    event = Event.objects.create(
        type="step.taken",
        version=1,
        subject=f"story:{subject}",
        data={},
        actor="test",
        correlation_id=new_id(),
        occurred_at=at,
    )
    return Delivery.objects.create(
        **{"handler": "note_step", "group": "core", "lane": 1, "ordered": True, "next_at": at},
        **values,
        event=event,
        state=state,
        subject_key=subject,
    )


def replay(state: str, *outcomes: str) -> None:
    made = Replay.objects.create(
        selection={},
        summary={},
        mode="redeliver",
        actor="test",
        created_at=timezone.now(),
        state=state,
    )
    for number, outcome in enumerate(outcomes):
        ReplayItem.objects.create(
            replay=made, event_id=number, handler="note_step", found="dead", outcome=outcome
        )


def order_back(payment: Payment, amount: int | None = None) -> Refund:
    refund = request_operator_refund(
        payment_id=payment.id,
        amount=None if amount is None else Decimal(amount),
        reason="goodwill",
        person="user:1",
        at=NOW,
    )
    with transaction.atomic():
        fail_refund(lock_refund(refund.id), "refund_refused", NOW)
    return refund


def resolve(refund: Refund, *, sent: bool) -> None:
    resolve_refund(refund_id=refund.id, sent=sent, reason="so", person="user:1", at=NOW)


@pytest.mark.django_db
def test_a_failed_refund_is_counted_until_somebody_decided(client: Client) -> None:
    def waiting() -> float:
        return scrape(client).get(("guzo_refunds", "failed"), 0)

    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID))
    first, again = order_back(payment), order_back(payment, 700)
    assert waiting() == 2

    resolve(again, sent=False)
    assert waiting() == 1

    last = order_back(payment)
    assert waiting() == 2
    resolve(last, sent=True)
    assert waiting() == 0
    assert Refund.objects.get(id=first.id).state == "failed"


@pytest.mark.django_db
def test_what_is_stuck_is_counted_with_its_age(client: Client) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    owe("dead", at=now - 3 * hour)
    owe("dead", at=now - 2 * hour, subject=2)
    for subject in (1, 1, 2):
        owe("blocked", at=now - hour, subject=subject)
    for late in (-hour, hour):
        owe("in_flight", at=now, deadline=now + late)

    told = scrape(client)

    states = {"dead": 2, "blocked": 3, "in_flight": 2}
    for state, count in states.items():
        assert told["guzo_deliveries", "note_step", state] == count
    for state, hours in (("dead", 3), ("blocked", 1), ("in_flight", 0)):
        age = told["guzo_deliveries_oldest_seconds", "note_step", state]
        assert age == pytest.approx(hours * 3600, abs=60)
    assert told["guzo_subjects_blocked", "note_step"] == 2
    assert told["guzo_deliveries_overdue", "note_step"] == 1


@pytest.mark.django_db
def test_replays_are_counted_with_what_they_have_still_to_do(client: Client) -> None:
    replay("running", "", "", "revived")
    replay("running", "")
    replay("paused", "")
    replay("done", "revived")
    # It will not go on, so it has nothing left to do.
    replay("cancelled", "", "skipped")

    told = scrape(client)

    expected = {"running": (2, 3), "paused": (1, 1), "done": (1, 0), "cancelled": (1, 0)}
    for state, (count, left) in expected.items():
        assert told["guzo_replays", state] == count
        assert told["guzo_replay_items_left", state] == left


@pytest.fixture
def other(db: None) -> Iterator[Any]:
    """A session of somebody else's."""
    raw = connection.get_new_connection(connection.get_connection_params())
    yield raw
    raw.close()


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_that_is_held_grows_old(client: Client, other: Any) -> None:
    before = scrape(client)
    # PostgreSQL's own processes hold one for a moment, too.
    assert before[("guzo_oldest_snapshot_seconds",)] < 1
    with other.cursor() as cursor:
        cursor.execute("begin isolation level repeatable read; select count(*) from events_event")
    time.sleep(1)
    for subject in range(5):
        owe("ready", at=timezone.now(), subject=subject)

    told = scrape(client)

    assert 1 < told[("guzo_oldest_snapshot_seconds",)] < 60
    assert told[("guzo_oldest_xmin_transactions",)] >= 5
    other.rollback()
    assert scrape(client)[("guzo_oldest_snapshot_seconds",)] < 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("outcomes", "silent_s"),
    [
        ([], 0),
        (["transient", "pending"], 0),
        (["paid", "transient", "unknown"], 200),
        (["unknown", "unrecognised", "transient"], 100),
        (["transient", "transient", "transient"], 300),
    ],
)
def test_how_long_chapa_is_silent(client: Client, outcomes: list[str], silent_s: int) -> None:
    """One question every 100 s, the last one 100 s ago."""
    for number, outcome in enumerate(reversed(outcomes), start=1):
        GatewayCall.objects.create(
            payment=PaymentFactory.create(),
            kind="verify",
            asked_at=timezone.now() - timedelta(seconds=100 * number),
            took_ms=1,
            outcome=outcome,
            evidence={},
            actor="test",
        )

    assert scrape(client)[("guzo_chapa_silent_seconds",)] == pytest.approx(silent_s, abs=30)


@pytest.mark.django_db(transaction=True)
def test_deliveries_that_are_paid_are_counted(client: Client) -> None:
    name = ("guzo_deliveries_paid_total",)
    for _ in range(3):
        owe("ready", at=timezone.now())
    before = scrape(client)[name]
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from events_delivery where id = (select min(id) from events_delivery)"
        )
        cursor.execute("select pg_stat_force_next_flush()")

    after = scrape(client)[name]

    assert after == before + 1


@pytest.mark.django_db
def test_the_page_is_what_prometheus_reads(client: Client) -> None:
    with time_handler("scraped"):
        pass

    page = client.get("/metrics").content.decode()

    families = {family.name: family for family in text_string_to_metric_families(page)}
    for query in QUERIES:
        for name in query.metrics:
            family = families[name.removesuffix("_total")]
            assert family.documentation
            assert family.type == ("counter" if name.endswith("_total") else "gauge")
    assert families["guzo_handler_seconds"].type == "histogram"
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in families["guzo_handler_seconds"].samples
        if sample.name.endswith("_bucket") and sample.labels["handler"] == "scraped"
    }
    # They add up, and the last holds all.
    assert list(buckets.values()) == sorted(buckets.values())
    assert buckets[float("inf")] == 1
