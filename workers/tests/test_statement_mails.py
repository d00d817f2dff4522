"""What operators are told of a statement, through a real mail server."""

import csv
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from email.message import EmailMessage
from io import StringIO

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from bookings.tests.cast import deliver_at
from bookings.tests.letters import part
from bookings.tests.mail_server import Postbox
from core.days import today
from events.base import Group
from events.models import Delivery, Event, Receipt
from events.replay import Selection
from events.tests.cast import run_replay
from payments.chapa.sandbox.server import RunningSandbox
from payments.chapa.sandbox.transactions import Status
from payments.models import Statement, StatementDifference
from payments.services.differences import resolve_difference
from payments.services.statement import compare_days
from payments.tests.cast import listed
from workers import statement_mails
from workers.models import OperatorMail

pytestmark = pytest.mark.django_db

OPERATORS = ["almaz@guzo.et", "Bekele <bekele@guzo.et>"]
# The local Chapa writes the machine's time; what it has now is settled by then.
LATER = timezone.now() + timedelta(hours=3)


@pytest.fixture(autouse=True)
def operators(chapa: RunningSandbox, settings: Settings) -> None:
    settings.OPERATOR_EMAILS = OPERATORS
    chapa.faults.set({"webhook": "off", "callback": "off"})


def compare(hours: int = 0) -> Statement:
    """Compare so many hours later, and let the letter go."""
    at = LATER + timedelta(hours=hours)
    until = today(at)
    made = compare_days(since=until - timedelta(days=3), until=until, clock=lambda: at)
    deliver_at(at, Group.MAIL)
    return made


def resolve() -> None:
    row = StatementDifference.objects.get()
    resolve_difference(difference_id=row.id, reason="a donation", person="user:1", at=LATER)


def attached(letter: EmailMessage) -> list[dict[str, str]]:
    (file,) = letter.iter_attachments()
    assert (file.get_content_type(), file.get_filename()) == ("text/csv", "differences.csv")
    return list(csv.DictReader(StringIO(str(file.get_content()))))


def test_what_differs_is_told_once_with_a_file_and_where_to_look(
    chapa: RunningSandbox, postbox: Postbox, settings: Settings, admin_client: Client
) -> None:
    listed(chapa, reference="-APelse1")
    listed(chapa, 2, currency="USD")
    made = compare()
    Receipt.objects.filter(handler="mail_differences").delete()
    run_replay(Selection(type="statement.differed"), at=LATER)
    compare(1)

    (letter,) = postbox.letters
    assert letter["To"] == ", ".join(OPERATORS)
    assert letter["Subject"] == f"Statement of {made.since} to {made.until}: 2 new or open again"
    assert letter["Message-ID"] == OperatorMail.objects.get().message_id
    text = part(letter, "plain")
    assert "missing_here        2" in text
    assert f"{made.since:%-d %b %Y} to {made.until:%-d %b %Y}" in text
    assert f"{settings.PUBLIC_URL}/api/v1/ops/statement/differences" in text.split()
    (page,) = (line.strip() for line in text.splitlines() if "/admin/" in line)
    shown = admin_client.get(page.removeprefix(settings.PUBLIC_URL)).content.decode()
    assert "2 statement differences" in shown
    assert b"statement differs" in admin_client.get("/admin/workers/operatormail/").content
    first, second = sorted(attached(letter), key=lambda row: row["there"])
    assert (first["reference"], first["state"]) == ("'-APelse1", "open")
    assert (second["reference"], second["there"]) == ("APelse2", "1250.50 USD")
    assert not Delivery.objects.exists()


def test_where_nothing_differs_nobody_writes(chapa: RunningSandbox, postbox: Postbox) -> None:
    assert compare().state == "compared"

    assert postbox.letters == []
    assert not Event.objects.filter(type="statement.differed").exists()


def test_what_is_open_again_is_told_again(chapa: RunningSandbox, postbox: Postbox) -> None:
    line = listed(chapa)
    compare()
    resolve()
    chapa.store.change(line, lambda it: replace(it, amount=Decimal(2000)))
    compare(1)
    chapa.store.change(line, lambda it: replace(it, status=Status.PENDING))
    compare(2)
    assert StatementDifference.objects.get().state == "gone"
    chapa.store.change(line, lambda it: replace(it, status=Status.SUCCESS))
    assert compare(3).counts["reopened"] == 1

    assert [attached(letter)[0]["there"] for letter in postbox.letters] == [
        "1250.50 ETB",
        "2000.00 ETB",
        "2000.00 ETB",
    ]


def test_what_was_resolved_before_its_turn_is_not_told(
    chapa: RunningSandbox, postbox: Postbox, settings: Settings
) -> None:
    up, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    listed(chapa)
    compare()
    resolve()
    settings.EMAIL_PORT = up

    deliver_at(LATER + timedelta(minutes=1), Group.MAIL)

    assert (postbox.letters, OperatorMail.objects.get().state) == ([], "skipped")


def test_without_operators_no_letter_is_owed(
    chapa: RunningSandbox, postbox: Postbox, settings: Settings
) -> None:
    settings.OPERATOR_EMAILS = []
    listed(chapa)
    compare()

    assert postbox.letters == []
    assert not OperatorMail.objects.exists()
    assert Receipt.objects.get(handler="mail_differences").how == "done"


def test_a_file_that_no_server_would_take_is_cut_and_says_so(
    chapa: RunningSandbox, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_mails, "MOST_ATTACHED", 1)
    for number in range(2):
        listed(chapa, number)
    compare()

    (letter,) = postbox.letters
    assert len(attached(letter)) == 1
    assert "The first 1 are attached" in part(letter, "plain")
