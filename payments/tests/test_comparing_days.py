"""Statements over a real socket: the local Chapa's list against our ledger."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import structlog
from django.db import transaction
from django.utils import timezone

from core.days import ADDIS_ABABA, today
from core.errors import ReasonMissing
from core.tests.threads import at_once
from core.transactions import NetworkInTransaction
from payments import gateway
from payments.chapa.sandbox.transactions import Status, Transaction
from payments.chapa.wire import Outcome, TransactionPage
from payments.models import Payment, Refund, Statement, StatementDifference, StatementPage
from payments.services.checkout import open_checkout
from payments.services.comparing import compare_latest_days, compare_many_days
from payments.services.differences import (
    DifferenceNotOpen,
    DifferenceUnknown,
    differences_in,
    resolve_difference,
)
from payments.services.retention import prune_statements
from payments.services.seeding import write_made_up_answer
from payments.services.settling import settle_payment
from payments.services.statement import DaysInvalid, compare_days
from payments.tests.cast import RunningSandbox, at_chapa, listed
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db(transaction=True)

# The local Chapa writes the machine's time; what it has now is settled by then.
LATER = timedelta(hours=3)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def quiet(chapa: RunningSandbox) -> None:
    chapa.faults.set({"webhook": "off", "callback": "off"})


def paid(chapa: RunningSandbox) -> Payment:
    at = timezone.now()
    payment = PaymentFactory.create(checkout_url="", created_at=at)
    open_checkout(payment, at=at)
    chapa.chapa.pay(at_chapa(chapa, payment))
    settle_payment(payment_id=payment.id, at=at)
    payment.refresh_from_db()
    return payment


def compared(after: timedelta = LATER, **options: Any) -> Statement:
    at = timezone.now() + after
    until = today(at)
    return compare_days(since=until - timedelta(days=3), until=until, clock=lambda: at, **options)


def found() -> list[tuple[str, str, str, str]]:
    rows = StatementDifference.objects.order_by("kind", "there")
    return [(each.kind, each.here, each.there, each.state) for each in rows]


def test_where_both_say_the_same_nothing_is_found(chapa: RunningSandbox) -> None:
    paid(chapa)
    listed(chapa, status=Status.PENDING, reference=None)

    statement = compared()

    assert (statement.state, found()) == ("compared", [])
    assert statement.counts == {
        "listed": 2,
        "paid": 1,
        "unpaid": 1,
        "payouts": 0,
        "without_reference": 0,
        "payments": 1,
        "differences": 0,
        "new": 0,
        "reopened": 0,
        "gone": 0,
    }


def test_each_side_is_asked_what_the_other_does_not_know(chapa: RunningSandbox) -> None:
    listed(chapa)
    ours = paid(chapa)
    wrong = paid(chapa)
    chapa.store.change(at_chapa(chapa, wrong), lambda it: replace(it, amount=Decimal(1)))
    Payment.objects.filter(id=ours.id).update(gateway_reference="APgone")

    with structlog.testing.capture_logs() as lines:
        compared()

    assert found() == [
        ("amount", "3700.00 ETB", "1.00 ETB", "open"),
        ("missing_here", "", "1250.50 ETB", "open"),
        ("missing_here", "", "3700.00 ETB", "open"),
        ("missing_there", "3700.00 ETB", "", "open"),
    ]
    assert StatementDifference.objects.get(kind="amount").payment_id == wrong.id
    assert {line["event"] for line in lines} >= {"statement.differs", "statement.compared"}


def test_what_chapa_sent_back_unnoticed_is_a_difference_until_it_is_noticed(
    chapa: RunningSandbox,
) -> None:
    payment = paid(chapa)
    chapa.chapa.reverse(at_chapa(chapa, payment))
    compared()
    assert found() == [("status", "succeeded", "reversed", "open")]

    settle_payment(payment_id=payment.id, at=timezone.now() + HOUR)
    compared(LATER + HOUR)

    assert found() == [("status", "succeeded", "reversed", "gone")]


@pytest.mark.parametrize("way", ["refund", "reverse"])
def test_money_that_came_and_went_before_we_looked_is_no_difference(
    chapa: RunningSandbox, way: str
) -> None:
    at = timezone.now()
    payment = PaymentFactory.create(checkout_url="", created_at=at)
    open_checkout(payment, at=at)
    chapa.chapa.pay(at_chapa(chapa, payment))
    getattr(chapa.chapa, way)(at_chapa(chapa, payment))
    settle_payment(payment_id=payment.id, at=at)

    statement = compared()

    assert (statement.counts["payments"], found()) == (1, [])


def test_what_chapa_takes_back_is_put_before_a_person(chapa: RunningSandbox) -> None:
    payment = paid(chapa)
    chapa.chapa.reverse(at_chapa(chapa, payment))
    settle_payment(payment_id=payment.id, at=timezone.now() + HOUR)
    chapa.store.change(at_chapa(chapa, payment), lambda it: replace(it, status=Status.SUCCESS))

    with structlog.testing.capture_logs() as lines:
        settle_payment(payment_id=payment.id, at=timezone.now() + 2 * HOUR)
    compared()

    assert "settlement.contradicts" in [line["event"] for line in lines]
    assert found() == [("status", "reversed", "success", "open")]


def test_a_refund_of_ours_that_is_under_way_is_no_difference(chapa: RunningSandbox) -> None:
    payment = paid(chapa)
    Refund.objects.create(
        payment=payment,
        amount=payment.amount,
        currency="ETB",
        source="operator",
        state="submitted",
        reason="goodwill",
        requested_at=timezone.now(),
    )
    chapa.chapa.refund(at_chapa(chapa, payment))

    compared()

    assert found() == []


def test_what_is_young_may_be_under_way(chapa: RunningSandbox) -> None:
    listed(chapa)

    compared(timedelta(minutes=90))
    assert found() == []
    compared(timedelta(hours=2, minutes=1))
    assert [kind for kind, *_ in found()] == ["missing_here"]


def test_the_same_days_twice_update_what_is_there(chapa: RunningSandbox) -> None:
    listed(chapa)
    compared()
    first = StatementDifference.objects.get()

    again = compared(LATER + HOUR)

    row = StatementDifference.objects.get()
    assert (row.id, row.first_seen_at) == (first.id, first.first_seen_at)
    assert row.last_seen_at - first.last_seen_at >= HOUR
    assert (again.counts["differences"], again.counts["new"]) == (1, 0)


def resolve(reason: str = "a donation box") -> StatementDifference:
    row = StatementDifference.objects.get()
    return resolve_difference(
        difference_id=row.id, reason=reason, person="user:1", at=timezone.now()
    )


def test_what_is_resolved_stays_so_until_its_facts_change(chapa: RunningSandbox) -> None:
    line = listed(chapa)
    compared()
    resolve()
    compared(LATER + HOUR)
    assert found() == [("missing_here", "", "1250.50 ETB", "resolved")]

    chapa.store.change(line, lambda it: replace(it, amount=Decimal(2000)))
    statement = compared(LATER + 2 * HOUR)

    assert found() == [("missing_here", "", "2000.00 ETB", "open")]
    assert statement.counts["reopened"] == 1
    resolve("another one")
    reasons = [each["reason"] for each in StatementDifference.objects.get().resolutions]
    assert reasons == ["a donation box", "another one"]


def test_only_what_is_open_is_resolved_and_with_a_reason(chapa: RunningSandbox) -> None:
    listed(chapa)
    compared()

    with pytest.raises(ReasonMissing):
        resolve(" ")
    resolve()
    with pytest.raises(DifferenceNotOpen):
        resolve()
    with pytest.raises(DifferenceUnknown):
        resolve_difference(
            difference_id=Statement.objects.get().id,
            reason="x",
            person="user:1",
            at=timezone.now(),
        )
    assert [differences_in(state).count() for state in ("open", "resolved", "gone")] == [0, 1, 0]


class ReaderDies(BaseException):
    pass


@pytest.fixture
def many(chapa: RunningSandbox) -> int:
    now = timezone.now()
    for number in range(250):
        listed(chapa, number, created_at=now - timedelta(seconds=250 - number))
    return 250


def test_a_reader_that_dies_goes_on_behind_the_pages_it_has(
    chapa: RunningSandbox, many: int
) -> None:
    def die(page: StatementPage) -> None:
        if page.number == 2:
            raise ReaderDies

    with pytest.raises(ReaderDies):
        compared(tell=die)
    assert Statement.objects.get().state == "reading"
    assert found() == []
    # What came in between shifts the pages: some are read twice, none is left out.
    for number in range(many, many + 30):
        listed(chapa, number, created_at=timezone.now() + 2 * HOUR)
    read: list[int] = []

    statement = compared(LATER + timedelta(minutes=1), tell=lambda page: read.append(page.number))

    assert Statement.objects.get() == statement
    assert (statement.state, read) == ("compared", [3])
    assert StatementDifference.objects.filter(kind="missing_here").count() == many


def test_pages_that_are_too_old_are_read_anew(chapa: RunningSandbox, many: int) -> None:
    chapa.faults.set({"transactions": "500"})
    assert compared().state == "reading"
    chapa.faults.set({"transactions": "ok"})

    assert compared(LATER + HOUR + timedelta(minutes=1)).state == "compared"

    assert list(Statement.objects.order_by("started_at").values_list("state", flat=True)) == [
        "given_up",
        "compared",
    ]


@pytest.mark.parametrize(
    ("fault", "problem", "status"),
    [("500", "unknown", 500), ("html", "unknown", 200), ("401", "config_error", 401)],
)
def test_without_all_pages_nothing_is_compared(
    chapa: RunningSandbox, fault: str, problem: str, status: int
) -> None:
    paid(chapa)
    chapa.faults.set({"transactions": fault})

    statement = compared()

    assert (statement.state, statement.problem, statement.http_status) == (
        "reading",
        problem,
        status,
    )
    assert found() == []


class ReadTooLong(BaseException):
    pass


@pytest.mark.parametrize(
    ("is_numbered", "pages", "state", "problem"),
    [
        (False, 1, "reading", "repeated"),
        # What came in meanwhile pushed the whole page onto the next one.
        (True, 3, "compared", ""),
    ],
)
def test_a_list_that_gives_one_page_for_ever_is_no_answer(
    chapa: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    is_numbered: bool,
    pages: int,
    state: str,
    problem: str,
) -> None:
    listed(chapa)
    real, asked = gateway.list_transactions, []

    def repeated(page: int) -> tuple[TransactionPage, int]:
        asked.append(page)
        if len(asked) > 5:
            raise ReadTooLong
        answer, took_ms = real(1)
        leads_on = page < 3 or not is_numbered
        return replace(answer, page=page, has_next=leads_on, is_numbered=is_numbered), took_ms

    monkeypatch.setattr(gateway, "list_transactions", repeated)

    statement = compared()

    assert (statement.pages.count(), statement.state, statement.problem) == (pages, state, problem)


def test_no_more_is_read_than_is_needed(chapa: RunningSandbox, many: int) -> None:
    """150 are older than these days: the second page of them is not read."""

    def made_earlier(it: Transaction) -> Transaction:
        return replace(it, created_at=it.created_at - timedelta(days=9))

    for each in chapa.store.transactions()[:150]:
        chapa.store.change(each, made_earlier)
    assert compared().pages.count() == 2

    for each in chapa.store.transactions()[150:]:
        chapa.store.change(each, made_earlier)
    assert compared(LATER + HOUR).pages.count() == 1


def test_a_list_in_another_order_is_read_to_its_end(chapa: RunningSandbox, many: int) -> None:
    """The oldest first: nothing of these days is on the first page."""
    begins = timezone.now() - timedelta(days=9)
    for number, each in enumerate(chapa.store.transactions()):
        made_at = timezone.now() if number == 0 else begins - timedelta(minutes=number)
        chapa.store.change(each, partial(replace, created_at=made_at))

    statement = compared()

    assert statement.pages.count() == 3
    assert [kind for kind, *_ in found()] == ["missing_here"]


def test_late_money_is_looked_for_as_far_back_as_it_was_asked_for(chapa: RunningSandbox) -> None:
    payment = paid(chapa)
    long_ago = timezone.now() - timedelta(days=6)
    Payment.objects.update(created_at=long_ago)
    chapa.store.change(at_chapa(chapa, payment), lambda it: replace(it, created_at=long_ago))
    for number in range(100):
        listed(chapa, number, created_at=timezone.now() - timedelta(days=5))

    statement = compared()

    assert [kind for kind, *_ in found()] == ["late"]
    assert statement.pages.count() == 2


def test_no_page_names_a_person(chapa: RunningSandbox) -> None:
    paid(chapa)
    compared()

    (page,) = StatementPage.objects.all()
    assert set(page.lines[0]) == {
        "reference",
        "status",
        "type",
        "amount",
        "currency",
        "created_at",
    }


def test_many_at_once_write_each_difference_once(chapa: RunningSandbox) -> None:
    listed(chapa)
    paid(chapa)

    at_once(6, lambda _: compared())

    assert [kind for kind, *_ in found()] == ["missing_here"]


def test_the_list_is_never_asked_for_inside_a_transaction(chapa: RunningSandbox) -> None:
    with pytest.raises(NetworkInTransaction), transaction.atomic():
        gateway.list_transactions(1)


def test_the_latest_days_are_compared_once_a_day(chapa: RunningSandbox) -> None:
    at = datetime(2026, 5, 4, 21, 30, tzinfo=ADDIS_ABABA)
    chapa.faults.set({"transactions": "500"})
    left = compare_latest_days(lambda: at)
    assert left is not None
    chapa.faults.set({"transactions": "ok"})
    done = compare_latest_days(lambda: at + timedelta(minutes=30))

    assert done is not None
    assert (done.id, done.state) == (left.id, "compared")
    assert (done.since, done.until) == (date(2026, 5, 1), date(2026, 5, 4))
    assert compare_latest_days(lambda: at + HOUR) is None
    assert compare_latest_days(lambda: at + 3 * HOUR) is not None


def has_compared(since: date, until: date, **values: Any) -> None:
    Statement.objects.create(
        since=since,
        until=until,
        started_at=NOW,
        reads_back_to=NOW,
        **({"mode": "test", "state": "compared"} | values),
    )


@pytest.mark.parametrize(
    ("compared_days", "since"),
    [
        ([], "06-27"),
        ([("06-23", "06-29")], "06-27"),
        ([("06-20", "06-23")], "06-23"),
        # What was compared by hand since then leaves the days between out.
        ([("06-10", "06-14"), ("06-28", "06-30"), ("06-29", "06-30")], "06-14"),
        ([("06-10", "06-14"), ("06-12", "06-18"), ("06-18", "06-19"), ("06-11", "06-13")], "06-19"),
        ([("02-01", "02-04")], "05-01"),
        ([("02-01", "02-04"), ("04-28", "06-22")], "06-22"),
        ([("02-01", "02-04"), ("05-02", "06-22")], "05-01"),
    ],
)
def test_days_that_were_never_compared_are_caught_up(
    chapa: RunningSandbox, compared_days: list[tuple[str, str]], since: str
) -> None:
    for begins, ends in compared_days:
        has_compared(date.fromisoformat(f"2026-{begins}"), date.fromisoformat(f"2026-{ends}"))
    has_compared(date(2026, 6, 1), date(2026, 6, 30), state="given_up")
    has_compared(date(2026, 6, 1), date(2026, 6, 30), mode="live")
    at = datetime(2026, 6, 30, 12, tzinfo=ADDIS_ABABA)

    statement = compare_latest_days(lambda: at)

    assert statement is not None
    assert (statement.since, statement.until) == (
        date.fromisoformat(f"2026-{since}"),
        date(2026, 6, 30),
    )
    assert compare_latest_days(lambda: at) is None


def at_night(at: datetime) -> None:
    """Do what Beat asks for every night."""
    compare_latest_days(lambda: at)
    compare_many_days(lambda: at)


def test_money_of_days_on_which_chapa_gave_no_list_is_found_later(chapa: RunningSandbox) -> None:
    begins = timezone.now()
    at_night(begins)
    listed(chapa, created_at=begins + timedelta(hours=12))
    chapa.faults.set({"transactions": "500"})
    for days in range(1, 6):
        at_night(begins + timedelta(days=days))
    chapa.faults.set({"transactions": "ok"})

    at_night(begins + timedelta(days=6))

    assert [kind for kind, *_ in found()] == ["missing_here"]


def test_many_days_are_compared_once_a_week(chapa: RunningSandbox) -> None:
    begins = datetime(2026, 5, 4, 5, tzinfo=ADDIS_ABABA)
    chapa.faults.set({"transactions": "500"})
    at_night(begins)
    chapa.faults.set({"transactions": "ok"})

    for days in range(1, 10):
        at_night(begins + timedelta(days=days))
        at_night(begins + timedelta(days=days))

    done = Statement.objects.filter(state="compared").order_by("until", "-since")
    assert [(each.until.day, (each.until - each.since).days) for each in done] == [
        (5, 3),
        (5, 60),
        *((day, 3) for day in range(6, 12)),
        (12, 3),
        (12, 60),
        (13, 3),
    ]


def test_what_went_back_weeks_later_is_found(chapa: RunningSandbox) -> None:
    payment, kept = paid(chapa), paid(chapa)
    at = timezone.now() + timedelta(days=20)
    at_night(at)
    chapa.chapa.reverse(at_chapa(chapa, payment))

    for days in range(1, 8):
        at_night(at + timedelta(days=days))

    assert found() == [("status", "succeeded", "reversed", "open")]
    assert StatementDifference.objects.get().payment_id == payment.id
    assert kept.status == "succeeded"


def test_money_that_came_after_the_last_look_is_found(chapa: RunningSandbox) -> None:
    at = timezone.now()
    payment = PaymentFactory.create(checkout_url="", created_at=at)
    open_checkout(payment, at=at)
    Payment.objects.update(status="expired", next_check_at=None)
    at_night(at + timedelta(days=8))
    chapa.chapa.pay(at_chapa(chapa, payment))

    for days in range(9, 16):
        at_night(at + timedelta(days=days))

    assert found() == [("missing_here", "", "3700.00 ETB", "open")]


def test_sample_data_is_not_missed_at_chapa(chapa: RunningSandbox) -> None:
    payment = PaymentFactory.create(created_at=timezone.now())
    with transaction.atomic():
        write_made_up_answer(payment_id=payment.id, outcome=Outcome.PAID, at=timezone.now())

    assert compared().counts["payments"] == 0
    assert found() == []


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-05-02", "2026-05-01"), ("2026-05-04", "2026-05-05"), ("0001-01-01", "2026-05-01")],
)
def test_days_that_are_none_are_refused(since: str, until: str) -> None:
    at = datetime(2026, 5, 4, 12, tzinfo=ADDIS_ABABA)
    first, last = date.fromisoformat(since), date.fromisoformat(until)

    with pytest.raises(DaysInvalid):
        compare_days(since=first, until=last, clock=lambda: at)


def test_pages_are_kept_for_ninety_days(chapa: RunningSandbox) -> None:
    listed(chapa)
    statement = compared()
    read_at = statement.started_at

    assert prune_statements(at=read_at + timedelta(days=90)) == {"statement_pages": 0}
    assert prune_statements(at=read_at + timedelta(days=90, seconds=1)) == {"statement_pages": 1}
    assert StatementDifference.objects.count() == 1
