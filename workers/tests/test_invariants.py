"""What must always be true: of a healthy history it is, and each breach of it is named."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from bookings.cancellation import TERMS, refundable
from bookings.models import Booking
from bookings.services.ending import cancel_booking
from core.days import today
from core.money import Money
from events.base import Group
from events.delivery import drain_group
from events.models import Delivery
from payments.models import Refund
from payments.services.deciding import resolve_refund
from payments.services.refunds import request_operator_refund
from payments.services.status import Payment
from workers.invariants.base import Invariant, Scope
from workers.invariants.bookings import share_given_back
from workers.invariants.checking import INVARIANTS, find_violations
from workers.invariants.guards import DATABASE, GUARDS
from workers.tests.invariant_breaches import BREACHES, Breach, commit_breach
from workers.tests.invariant_stories import NOW, Story, tell_stories

PAGE = Path(__file__).parents[2] / "docs" / "invariants.md"


@pytest.fixture(scope="module")
def told(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Story]]:
    """Tell the stories once; each test runs in a savepoint of this transaction."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield tell_stories()
        transaction.set_rollback(True)


@pytest.fixture
def stories(told: dict[str, Story], db: None) -> dict[str, Story]:
    return told


def violations(scope: Scope, invariants: Sequence[Invariant] = INVARIANTS) -> dict[str, list[str]]:
    """Return the keys of the rows that offend, by invariant."""
    found = find_violations(invariants, at=NOW, scope=scope)
    assert None not in [finding.violations for finding in found]
    return {
        finding.invariant.name: [violation.key for violation in finding.samples]
        for finding in found
        if finding.violations
    }


@pytest.mark.parametrize("scope", Scope)
def test_a_healthy_history_offends_against_nothing(stories: dict[str, Story], scope: Scope) -> None:
    assert set(Payment.objects.values_list("status", flat=True)) == set(Payment.Status)

    assert violations(scope) == {}


@pytest.mark.parametrize("breach", BREACHES, ids=str)
def test_a_breach_is_named_with_its_row(stories: dict[str, Story], breach: Breach) -> None:
    breached = [invariant for invariant in INVARIANTS if invariant.name == breach.invariant]

    key = commit_breach(breach, stories)

    ever, lately = violations(Scope.EVER), violations(Scope.LATELY, breached)
    assert list(ever) == [breach.invariant]
    assert key in ever[breach.invariant]
    assert lately == ever


_TAKE_DOWN = """
do $$
declare at record;
begin
    for at in select conrelid::regclass as place from pg_constraint where conname = '{guard}' loop
        execute 'alter table ' || at.place || ' drop constraint {guard}';
        return;
    end loop;
    for at in select tgrelid::regclass as place from pg_trigger where tgname = '{guard}' loop
        execute 'alter table ' || at.place || ' disable trigger {guard}';
        return;
    end loop;
    drop index {guard};
end $$
"""


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_was_taken_down_is_missed(stories: dict[str, Story], guard: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        if "." in guard:
            table, column = guard.split(".")
            cursor.execute(f"alter table {table} alter {column} drop not null")
        else:
            cursor.execute(_TAKE_DOWN.format(guard=guard))

    assert violations(Scope.LATELY, DATABASE) == {"guards_stand": [guard]}


@pytest.mark.django_db
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("days_left", range(16))
def test_the_terms_are_the_same_in_sql(terms: str, days_left: int) -> None:
    # In Addis Ababa this is the next day.
    ended_at = datetime(2027, 3, 1, 22, 0, tzinfo=UTC)
    check_in = today(ended_at) + timedelta(days=days_left)
    paid = Money(Decimal("1850.01"), "ETB")

    with connection.cursor() as cursor:
        cursor.execute(
            f"""select trunc(%s * {share_given_back("b")}, 2)
                from (values (%s, %s::date, %s::timestamptz))
                     b (cancellation, check_in, ended_at)""",
            [paid.amount, terms, check_in, ended_at],
        )
        (owed,) = cursor.fetchone()

    assert (
        owed == refundable(terms=terms, paid=paid, check_in=check_in, today=today(ended_at)).amount
    )


def test_a_handler_that_is_about_to_order_what_the_terms_owe_is_waited_for(
    stories: dict[str, Story],
) -> None:
    story = stories["pay_just_now"]
    (payment,) = story.payments
    order = request_operator_refund(
        payment_id=payment.id, reason="twice booked", person="user:1", at=NOW
    )
    drain_group(Group.CORE, lambda: NOW)
    traveller = Booking.objects.get(id=story.booking.id).traveller
    cancel_booking(booking_id=story.booking.id, traveller=traveller, at=NOW)
    resolve_refund(refund_id=order.id, sent=False, reason="no", person="user:1", at=NOW)

    assert violations(Scope.EVER) == {}
    drain_group(Group.CORE, lambda: NOW)
    assert violations(Scope.EVER) == {}

    Refund.objects.filter(payment=payment, source="customer").delete()
    assert list(violations(Scope.LATELY)) == ["terms_give_back"]


def test_every_invariant_has_a_breach() -> None:
    names = [invariant.name for invariant in INVARIANTS]

    assert len(set(names)) == len(names)
    assert {breach.invariant for breach in BREACHES} | {"guards_stand"} == set(names)


def test_what_is_old_is_found_only_among_everything(stories: dict[str, Story]) -> None:
    Payment.objects.filter(id=stories["pay"].payments[0].id).update(settled_at=None)
    later = NOW + timedelta(days=10)
    totals = [each for each in INVARIANTS if each.name == "status_fits_money"]

    (lately,) = find_violations(totals, at=later, scope=Scope.LATELY)
    (ever,) = find_violations(totals, at=later, scope=Scope.EVER)

    assert (lately.violations, ever.violations) == (0, 1)


def test_a_handler_that_came_later_is_owed_nothing_of_before(stories: dict[str, Story]) -> None:
    owed = Delivery.objects.filter(handler="confirm_paid_booking").order_by("event_id")
    first, *others = owed.values_list("event_id", flat=True)
    newest = others[-1]

    owed.exclude(event_id=newest).delete()

    assert first < newest
    assert violations(Scope.EVER) == {}


def test_one_that_cannot_be_checked_does_not_hide_the_others(stories: dict[str, Story]) -> None:
    broken = Invariant("broken", "It cannot be asked.", "select 'x', (1 / 0)::text")
    offended = Invariant("offended", "Nothing is there.", "select 'x', 'it is there'")

    with structlog.testing.capture_logs() as lines:
        first, second = find_violations([broken, offended], at=NOW, scope=Scope.EVER)

    assert (first.violations, second.violations) == (None, 1)
    assert lines == [
        {
            "event": "invariant.not_checked",
            "log_level": "error",
            "invariant": "broken",
            "scope": "ever",
            "error": "DivisionByZero",
        }
    ]


def test_no_check_runs_for_ever(stories: dict[str, Story]) -> None:
    asks = Invariant("asks", "", "select 'timeout', current_setting('statement_timeout')")

    for scope, longest in ((Scope.LATELY, "30s"), (Scope.EVER, "5min")):
        (found,) = find_violations([asks], at=NOW, scope=scope)
        assert found.samples[0].why == longest


def test_the_page_tells_of_every_invariant_and_guard() -> None:
    page = PAGE.read_text()

    for invariant in INVARIANTS:
        assert f"| `{invariant.name}` | {invariant.sentence} |" in page
    assert set(GUARDS) <= set(re.findall(r"`([\w.]+)`", page.split("## Each check")[0]))
