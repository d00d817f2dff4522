"""The check of what must always be true, as command and task, after a payment's whole way."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from bookings.services.holding import Stay, hold_booking
from bookings.tests.cast import RunningSandbox, at_chapa, start
from bookings.tests.factories import ListingFactory
from core.days import today
from core.tests.factories import UserFactory
from core.tests.threads import eventually
from payments.models import IncomingWebhook
from payments.services.status import Payment
from workers import tasks
from workers.invariants.base import Invariant, Scope
from workers.invariants.checking import INVARIANTS, check_invariants
from workers.models import InvariantCheck
from workers.tests.test_metrics import scrape


@pytest.fixture
def paid(chapa: RunningSandbox, drain: Callable[[], int], transactional_db: None) -> Payment:
    """A payment that went the whole way: held, paid at Chapa, told by webhook, confirmed."""
    at = timezone.now()
    day = today(at) + timedelta(days=30)
    booking = hold_booking(
        stay=Stay(ListingFactory.create().id, day, day + timedelta(days=2), guests=2),
        traveller=UserFactory.create(),
        request_key=None,
        at=at,
    )
    payment = start(booking, at)
    chapa.chapa.pay(at_chapa(chapa, payment))
    eventually(lambda: IncomingWebhook.objects.exists())
    drain()
    payment.refresh_from_db()
    assert payment.status == "succeeded"
    return payment


def test_the_command_says_that_all_holds_and_fails_once_it_does_not(
    paid: Payment, client: Client
) -> None:
    said = StringIO()

    call_command("check_invariants", stdout=said)

    assert len(re.findall(r"^ +holds  \w+", said.getvalue(), re.MULTILINE)) == len(INVARIANTS)
    assert "\033" not in said.getvalue()
    metrics = scrape(client)
    for invariant in INVARIANTS:
        assert metrics["guzo_invariant_violations", invariant.name, "ever"] == 0
        assert metrics["guzo_invariants_checked_seconds", invariant.name, "ever"] < 60

    Payment.objects.filter(id=paid.id).update(settled_at=None)
    said = StringIO()
    with pytest.raises(CommandError, match=f"{len(INVARIANTS) - 1} of {len(INVARIANTS)} "):
        call_command("check_invariants", json=True, lately=True, stdout=said)

    (wrong,) = [each for each in json.loads(said.getvalue())["invariants"] if each["violations"]]
    assert wrong["invariant"] == "status_fits_money"
    assert [sample["key"] for sample in wrong["samples"]] == [str(paid.id)]
    metrics = scrape(client)
    assert metrics["guzo_invariant_violations", "status_fits_money", "lately"] == 1
    assert metrics["guzo_invariant_violations", "status_fits_money", "ever"] == 0


@pytest.mark.django_db(transaction=True)
def test_all_are_checked_on_one_snapshot_that_cannot_write() -> None:
    modes = set()

    def watch(_: Invariant) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                """select current_setting('transaction_isolation'),
                          current_setting('transaction_read_only')"""
            )
            modes.add(cursor.fetchone())

    check_invariants(at=timezone.now(), scope=Scope.EVER, watch=watch)

    assert modes == {("repeatable read", "on")}


@pytest.mark.django_db(transaction=True)
def test_the_task_keeps_what_it_found_and_forgets_what_is_no_invariant_any_more() -> None:
    InvariantCheck.objects.create(
        invariant="gone", scope="lately", violations=1, checked_at=timezone.now()
    )

    for _ in range(2):
        tasks.check_invariants(scope="lately")

    kept = InvariantCheck.objects.values_list("invariant", "scope", "violations")
    assert sorted(kept) == sorted((each.name, "lately", 0) for each in INVARIANTS)
