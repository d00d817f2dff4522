import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F, Q, Sum
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from bookings.models import Booking, Listing, Mail
from bookings.seeding.demonstration import Seeded, seed_demonstration
from bookings.seeding.history import plan_trips
from core.models import User
from events.models import Delivery, Event, Receipt
from payments.services import seeding, status

MORNING = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)
MIDNIGHT = MORNING.replace(hour=0, minute=0)
EVENING = MORNING + timedelta(hours=13)
Payment = status.Payment

pytestmark = [pytest.mark.crash, pytest.mark.django_db]


@pytest.fixture(scope="module", autouse=True)
def seeded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Seeded]:
    """Seed once for all tests here; each runs in a savepoint of this transaction."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield seed_demonstration(EVENING)
        transaction.set_rollback(True)


def _everything() -> list[Any]:
    models = (User, Listing, Booking, Payment, Event, Receipt)
    return [sorted(map(str, model.objects.values_list())) for model in models]


def test_the_catalogue_and_150_bookings_are_added(seeded: Seeded) -> None:
    assert seeded == Seeded(people=44, listings=60, bookings=150)
    assert Booking.objects.count() == 150


def test_bookings_and_payments_of_every_state_are_there() -> None:
    assert set(Booking.objects.values_list("status", flat=True)) == set(Booking.Status)
    assert set(Payment.objects.values_list("status", flat=True)) == set(Payment.Status) - {
        Payment.Status.PARTIALLY_REFUNDED  # Chapa reports only that all of it went back
    }


def test_money_goes_back_for_every_reason() -> None:
    refunds = Payment.objects.exclude(refunds=None).values_list("refunds__reason", "refunds__state")

    assert set(refunds) == {
        ("booking_cancelled", "requested"),
        ("booking_cancelled", "succeeded"),
        ("dates_taken", "requested"),
        ("surplus", "requested"),
    }
    by_terms = Booking.objects.filter(status="cancelled", paid_by__isnull=False)
    assert by_terms.count() == 10


def test_the_same_trips_are_planned_at_every_hour_of_a_day() -> None:
    morning, evening = (
        [trip for trip in plan_trips(random.Random(7), at) if trip.booked_at < MIDNIGHT]
        for at in (MORNING, EVENING)
    )

    assert morning == evening
    assert len(morning) == 137


def test_trips_are_planned_from_the_day_they_are_seeded() -> None:
    today, tomorrow = (
        plan_trips(random.Random(7), at) for at in (MORNING, MORNING + timedelta(days=1))
    )

    assert [trip.check_in + timedelta(days=1) for trip in today] == [
        trip.check_in for trip in tomorrow
    ]


def test_a_second_run_adds_and_changes_nothing() -> None:
    before = _everything()
    said = io.StringIO()

    call_command("seed_demo", stdout=said)

    assert _everything() == before
    assert said.getvalue() == "The sample data is there already.\n"


def test_what_was_taken_away_from_the_catalogue_comes_back() -> None:
    unused = Listing.objects.filter(bookings=None).first()
    assert unused is not None
    unused.delete()

    assert seed_demonstration(EVENING) == Seeded(people=0, listings=1, bookings=0)


def test_all_money_in_the_ledger_rests_on_answers_that_say_they_are_made_up() -> None:
    entered = Payment.objects.exclude(ledger=None).values_list(
        "ledger__gateway_call__evidence", flat=True
    )
    called = Payment.objects.exclude(gateway_calls=None).values_list(
        "gateway_calls__evidence", flat=True
    )

    assert len(entered) > 100
    assert all(evidence == {"seeded": True} for evidence in [*entered, *called])


def test_captures_add_up() -> None:
    captured = Payment.objects.filter(ledger__kind="capture").aggregate(
        entered=Sum("ledger__amount"), noted=Sum("captured_amount")
    )

    assert captured["entered"] == captured["noted"] > Decimal(1_000_000)
    assert not Booking.objects.filter(status="confirmed", paid_by=None).exists()


def test_nobody_is_owed_an_event_or_a_mail() -> None:
    assert not Delivery.objects.exists()
    assert not Mail.objects.exists()
    assert set(Receipt.objects.values_list("how", "worker")) == {("skipped", "seed_demo")}


def test_the_sweep_looks_at_none_of_the_payments() -> None:
    watched = Q(next_check_at__isnull=False) | Q(asking_until__isnull=False)

    assert not Payment.objects.filter(watched).exists()


def test_nothing_has_happened_that_is_still_to_come() -> None:
    assert not Event.objects.filter(occurred_at__gt=EVENING).exists()
    assert not Event.objects.exclude(actor="seed_demo").exists()


def test_what_is_held_is_held_now() -> None:
    held = Booking.objects.filter(status="held")

    assert held.count() == 11
    assert held.filter(hold_expires_at__gt=EVENING + timedelta(minutes=15)).count() == 11


def test_stays_are_booked_before_they_begin() -> None:
    assert not Booking.objects.filter(check_in__lt=F("created_at__date")).exists()


@pytest.mark.parametrize(
    ("email", "password", "is_operator"),
    [
        ("operator@guzo.et", "guzo-demo-operator", True),
        ("selam@guzo.et", "guzo-demo-traveller", False),
    ],
)
def test_two_people_can_log_in(email: str, password: str, *, is_operator: bool) -> None:
    person = User.objects.get(email=email)

    assert person.check_password(password)
    assert (person.is_staff, person.is_superuser) == (is_operator, is_operator)


def test_nobody_else_can_log_in() -> None:
    able = [user.email for user in User.objects.all() if user.has_usable_password()]

    assert sorted(able) == ["operator@guzo.et", "selam@guzo.et"]


def test_the_demo_traveller_sees_one_of_each_story_and_can_pay_for_what_is_held() -> None:
    stays = Booking.objects.filter(traveller__email="selam@guzo.et")

    assert set(stays.values_list("status", flat=True)) == set(Booking.Status)
    (held,) = stays.filter(status="held")
    assert not Payment.objects.filter(reference=held.id).exists()


@pytest.mark.parametrize(("name", "value"), [("CHAPA_MODE", "live"), ("ENVIRONMENT", "staging")])
def test_it_refuses_where_money_is_real(settings: Settings, name: str, value: str) -> None:
    setattr(settings, name, value)

    with pytest.raises(CommandError, match="not made up where money is real"):
        call_command("seed_demo")


def test_no_answer_is_made_up_where_money_is_real(settings: Settings) -> None:
    settings.CHAPA_MODE = "live"
    payment = Payment.objects.filter(status=Payment.Status.PENDING).first()
    assert payment is not None

    with pytest.raises(seeding.MoneyIsReal):
        seeding.write_made_up_answer(
            payment_id=payment.id, outcome=seeding.Outcome.PAID, at=EVENING
        )
    payment.refresh_from_db()
    assert payment.status == Payment.Status.PENDING
