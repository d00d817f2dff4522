"""The statement from outside: the command, the operators' API, the file, the metrics."""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework.test import APIClient

from bookings.tests.cast import client_of
from core.days import today
from core.ids import new_id
from core.tests.factories import UserFactory
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Statement, StatementDifference
from payments.services.checkout import open_checkout
from payments.tests.factories import NOW, PaymentFactory
from workers import tasks
from workers.celery import app
from workers.tests.people import staff

pytestmark = pytest.mark.django_db

DIFFERENCES = "/api/v1/ops/statement/differences"


def a_difference(**values: Any) -> StatementDifference:
    given = {
        "kind": "missing_here",
        "reference": f"AP{new_id().hex[:10]}",
        "there": "1250.50 ETB",
        "happened_at": NOW,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
    }
    return StatementDifference.objects.create(**(given | values))


@pytest.fixture
def finance() -> APIClient:
    return staff("view_event", "add_refund")


def ids(client: APIClient, query: str = "") -> list[str]:
    answer = client.get(f"{DIFFERENCES}{query}")
    assert answer.status_code == 200
    return [each["id"] for each in answer.json()["results"]]


def test_open_differences_are_listed_newest_first(finance: APIClient) -> None:
    older = a_difference()
    newer = a_difference(first_seen_at=NOW + timedelta(days=1), kind="amount")
    gone = a_difference(gone_at=NOW)
    resolved = a_difference(resolved_at=NOW)

    assert ids(finance) == [str(newer.id), str(older.id)]
    assert ids(finance, "?kind=amount") == [str(newer.id)]
    assert ids(finance, "?state=gone") == [str(gone.id)]
    assert ids(finance, "?state=resolved") == [str(resolved.id)]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?since=2026-05-04", True),
        ("?since=2026-05-05", False),
        ("?until=2026-05-04", True),
        ("?until=2026-05-03", False),
        ("?since=0001-01-01&until=9999-12-31", True),
    ],
)
def test_a_day_is_one_in_addis_ababa(finance: APIClient, query: str, shown: bool) -> None:
    a_difference(happened_at=datetime(2026, 5, 3, 21, 30, tzinfo=UTC))

    assert bool(ids(finance, query)) is shown


def test_pages_lead_on(finance: APIClient) -> None:
    for number in range(3):
        a_difference(first_seen_at=NOW + timedelta(hours=number))

    first = finance.get(f"{DIFFERENCES}?page_size=2").json()
    second = finance.get(first["next"]).json()

    assert (len(first["results"]), len(second["results"]), second["next"]) == (2, 1, None)


def test_one_is_resolved_with_a_reason_once(finance: APIClient) -> None:
    row = a_difference()
    resolve = f"{DIFFERENCES}/{row.id}/resolve"

    assert finance.post(resolve, {}, format="json").json()["code"] == "reason_missing"
    done = finance.post(resolve, {"reason": "a donation"}, format="json")
    again = finance.post(resolve, {"reason": "a donation"}, format="json")

    assert (done.status_code, done.json()["state"]) == (200, "resolved")
    (said,) = done.json()["resolutions"]
    assert (said["reason"], said["there"]) == ("a donation", "1250.50 ETB")
    assert said["person"].startswith("user:")
    assert (again.status_code, again.json()["code"]) == (409, "difference_not_open")


def test_who_may_look_may_not_resolve(finance: APIClient) -> None:
    row = a_difference()
    looker, stranger = staff("view_event"), client_of(UserFactory.create())

    assert ids(looker) == [str(row.id)]
    for client, path in ((looker, f"/{row.id}/resolve"), (stranger, f"/{row.id}/resolve")):
        answer = client.post(f"{DIFFERENCES}{path}", {"reason": "x"}, format="json")
        assert answer.status_code == 403
    for path in ("", ".csv"):
        assert stranger.get(f"{DIFFERENCES}{path}").status_code == 403
    nothing = finance.post(f"{DIFFERENCES}/{new_id()}/resolve", {"reason": "x"}, format="json")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "difference_unknown")


def downloaded(client: APIClient, query: str = "", **headers: Any) -> list[dict[str, str]]:
    answer: Any = client.get(f"{DIFFERENCES}.csv{query}", **headers)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(answer.getvalue().decode())))


def test_the_file_has_what_the_list_has(finance: APIClient) -> None:
    row = a_difference()
    a_difference(gone_at=NOW)

    (line,) = downloaded(finance, headers={"Accept": "text/csv"})

    assert (line["id"], line["reference"], line["there"]) == (
        str(row.id),
        row.reference,
        "1250.50 ETB",
    )
    assert (line["state"], line["resolved_at"], line["reason"]) == ("open", "", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_file_is_a_formula(finance: APIClient, start: str) -> None:
    formula = f'{start}HYPERLINK("http://evil.example/")'
    a_difference(
        reference="-1", resolved_at=NOW, resolutions=[{"reason": formula, "person": "user:1"}]
    )

    (line,) = downloaded(finance, "?state=resolved")

    assert (line["reason"], line["reference"]) == (f"'{formula}", "'-1")
    assert "user:1" not in line.values()


def test_a_refusal_of_the_file_is_a_problem(finance: APIClient) -> None:
    answer = finance.get(f"{DIFFERENCES}.csv?kind=odd", headers={"Accept": "text/csv"})

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert b'"code":"invalid"' in answer.content


def unpaid(chapa: RunningSandbox, count: int) -> None:
    for _ in range(count):
        open_checkout(PaymentFactory.create(checkout_url=""), at=NOW)


@pytest.mark.django_db(transaction=True)
def test_the_command_shows_its_way_and_what_it_counted(chapa: RunningSandbox) -> None:
    unpaid(chapa, 2)
    a_difference()
    said = StringIO()

    call_command("reconcile", stdout=said)

    lines = said.getvalue().splitlines()
    assert "4 of 4 days" in lines[0]
    assert "         2  listed" in lines
    assert lines[-2:] == ["  open, of all days:", "         1  missing_here"]


@pytest.mark.django_db(transaction=True)
def test_the_command_takes_days_and_fails_where_chapa_gives_no_page(
    chapa: RunningSandbox,
) -> None:
    days = ("--since", "2026-05-01", "--until", "2026-05-02")
    chapa.faults.set({"transactions": "500"})
    with pytest.raises(CommandError, match="HTTP 500"):
        call_command("reconcile", *days, stdout=StringIO())
    chapa.faults.set({"transactions": "ok"})

    call_command("reconcile", *days, stdout=StringIO())

    statement = Statement.objects.get()
    assert (statement.state, str(statement.since)) == ("compared", "2026-05-01")
    with pytest.raises(CommandError, match="cannot be compared"):
        call_command("reconcile", "--since", "2026-05-03", "--until", "2026-05-02")


@pytest.mark.django_db(transaction=True)
def test_the_task_compares_once_a_day(chapa: RunningSandbox) -> None:
    for _ in range(2):
        tasks.compare_statement()

    statement = Statement.objects.get()
    assert statement.state == "compared"
    assert statement.until - statement.since == timedelta(days=3)


@pytest.mark.django_db(transaction=True)
def test_beat_compares_many_days_too(chapa: RunningSandbox) -> None:
    for entry in PeriodicTask.objects.filter(task="compare_statement").order_by("id"):
        app.tasks[entry.task].apply(kwargs=json.loads(entry.kwargs), throw=True)

    statements = Statement.objects.order_by("started_at")
    assert [(each.until - each.since).days for each in statements] == [3, 60]


def test_metrics_count_what_is_open_and_the_time_since_it_was_compared() -> None:
    a_difference()
    a_difference(resolved_at=NOW)
    day = today(timezone.now())
    for days, until, hours in ((3, day, 1), (60, day, 100), (60, day - timedelta(days=30), 0)):
        Statement.objects.create(
            since=until - timedelta(days=days),
            until=until,
            mode="test",
            state="compared",
            started_at=NOW,
            reads_back_to=NOW,
            finished_at=timezone.now() - timedelta(hours=hours),
        )

    told = APIClient().get("/metrics").content.decode()

    assert 'guzo_statement_differences{kind="missing_here"} 1.0' in told
    assert 'guzo_statement_compared_seconds{days="any"} 36' in told
    assert 'guzo_statement_compared_seconds{days="many"} 3600' in told
