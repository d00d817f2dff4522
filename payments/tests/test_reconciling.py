"""The sweep: every payment whose time has come is asked about, in whatever state it is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event, current_thread, main_thread

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from core.causality import Cause, caused_by
from core.rates import Rate
from core.tests.threads import at_once, eventually
from payments import states
from payments.chapa.wire import Outcome
from payments.models import GatewayCall, Payment
from payments.services.checkout import open_checkout
from payments.services.leasing import LEASE, claim_due, take_lease
from payments.services.reconciling import check_due_payments, count_due_payments
from payments.tests.cast import RunningSandbox, answer_about, at_chapa, write
from payments.tests.factories import NOW, PaymentFactory

LATER = NOW + timedelta(seconds=61)


@pytest.fixture(autouse=True)
def often_and_four_at_once(settings: Settings) -> None:
    settings.SWEEP_CALLS = Rate(10_000, timedelta(seconds=1))
    settings.SWEEP_CONCURRENCY = 4


def clock_at(at: datetime) -> Callable[[], datetime]:
    return lambda: at


def opened(chapa: RunningSandbox, **values: object) -> Payment:
    payment = PaymentFactory.create(checkout_url="", **values)
    open_checkout(payment, at=NOW)
    assert at_chapa(chapa, payment)
    return payment


def verified(chapa: RunningSandbox, payment: Payment) -> int:
    return chapa.store.calls(payment.tx_ref)["verify"]


def test_what_was_paid_in_the_other_mode_does_not_hold_up_a_sweep(chapa: RunningSandbox) -> None:
    other = PaymentFactory.create(mode="live", next_check_at=NOW)
    payment = opened(chapa)

    assert check_due_payments(clock_at(LATER)) == {"Waiting": 1}

    assert (verified(chapa, other), verified(chapa, payment)) == (0, 1)


@pytest.mark.parametrize("status", [*states.TRANSITIONS])
def test_a_due_payment_is_asked_about_in_every_state(chapa: RunningSandbox, status: str) -> None:
    due = opened(chapa, status=status, next_check_at=LATER)
    not_due = opened(chapa, next_check_at=LATER + timedelta(seconds=1))

    assert check_due_payments(clock_at(LATER)) == {"Waiting": 1}

    assert (verified(chapa, due), verified(chapa, not_due)) == (1, 0)
    due.refresh_from_db()
    assert due.next_check_at is not None
    assert due.next_check_at > LATER


def test_money_that_nobody_told_of_is_found(chapa: RunningSandbox) -> None:
    chapa.faults.set({"webhook": "off", "callback": "off"})
    payment = opened(chapa, status="expired")
    chapa.chapa.pay(at_chapa(chapa, payment))

    assert check_due_payments(clock_at(LATER)) == {"Paid": 1}

    payment.refresh_from_db()
    assert payment.status == "succeeded"


def test_the_longest_due_is_asked_about_first(chapa: RunningSandbox) -> None:
    second = opened(chapa, next_check_at=NOW + timedelta(seconds=2))
    first = opened(chapa, next_check_at=NOW + timedelta(seconds=1))

    check_due_payments(clock_at(LATER), limit=1)

    assert (verified(chapa, first), verified(chapa, second)) == (1, 0)


def test_two_sweeps_at_once_ask_about_a_payment_once(chapa: RunningSandbox) -> None:
    payments = [opened(chapa) for _ in range(24)]
    chapa.faults.set({"latency_s": 0.02})

    swept = at_once(3, lambda _: check_due_payments(clock_at(LATER)))
    check_due_payments(clock_at(LATER))

    assert [verified(chapa, payment) for payment in payments] == [1] * 24
    assert sum(verdicts.total() for verdicts in swept) == 24


@pytest.mark.parametrize("fault", ["500", "html", "502"])
def test_three_silent_answers_end_a_sweep(chapa: RunningSandbox, fault: str) -> None:
    for _ in range(5):
        opened(chapa)
    chapa.faults.set({"verify": fault})

    assert check_due_payments(clock_at(LATER)) == {"NoAnswer": 3}

    assert Payment.objects.filter(next_check_at__lte=LATER).count() == 2
    assert set(Payment.objects.values_list("status", flat=True)) == {"pending"}


@pytest.mark.parametrize("fault", ["401", "429", "429 later"])
def test_a_refused_key_and_a_wish_to_be_left_alone_end_a_sweep_at_once(
    chapa: RunningSandbox, fault: str
) -> None:
    for _ in range(3):
        opened(chapa)
    chapa.faults.set({"verify": fault})

    assert check_due_payments(clock_at(LATER)) == {"NoAnswer": 1}


def test_silence_about_some_does_not_end_a_sweep(chapa: RunningSandbox, settings: Settings) -> None:
    settings.SWEEP_CONCURRENCY = 1
    for _ in range(5):
        opened(chapa)
    # The clock is read at the start, before each question, and when there is none left.
    answers = iter(["ok", "500", "500", "ok", "500", "500", "ok"])

    def clock() -> datetime:
        chapa.faults.set({"verify": next(answers)})
        return LATER

    assert check_due_payments(clock) == {"NoAnswer": 4, "Waiting": 1}


def test_a_sweep_ends_with_its_time_slice(chapa: RunningSandbox, settings: Settings) -> None:
    settings.SWEEP_CONCURRENCY = 1
    for _ in range(4):
        opened(chapa)
    ticks = iter(LATER + timedelta(seconds=10 * n) for n in range(100))

    verdicts = check_due_payments(lambda: next(ticks), time_slice=timedelta(seconds=35))

    assert verdicts.total() == 3


def test_a_payment_someone_is_asking_about_is_left_to_them(chapa: RunningSandbox) -> None:
    payment, other = opened(chapa), opened(chapa)
    take_lease(payment.id, LATER - timedelta(seconds=1))

    assert check_due_payments(clock_at(LATER)) == {"Waiting": 1}

    assert (verified(chapa, payment), verified(chapa, other)) == (0, 1)


def test_one_that_cannot_be_settled_does_not_stop_the_others(chapa: RunningSandbox) -> None:
    broken = PaymentFactory.create(tx_ref="not a reference", next_check_at=NOW)
    payment = opened(chapa)

    assert check_due_payments(clock_at(LATER)) == {"failed": 1, "Waiting": 1}

    assert verified(chapa, payment) == 1
    broken.refresh_from_db()
    assert (broken.status, broken.asking_until) == ("pending", None)
    assert broken.next_check_at is not None
    assert broken.next_check_at > LATER
    assert check_due_payments(clock_at(LATER)) == {}


@pytest.mark.django_db
def test_without_a_due_payment_nobody_is_asked() -> None:
    payment = PaymentFactory.create(next_check_at=None)
    write(answer_about(payment, Outcome.PENDING, asked_at=NOW + timedelta(days=7)))

    assert check_due_payments(clock_at(NOW + timedelta(days=30))) == {}
    assert GatewayCall.objects.count() == 1


def test_a_payment_that_someone_has_locked_is_passed_over(chapa: RunningSandbox) -> None:
    locked, other = opened(chapa), opened(chapa)

    with transaction.atomic():
        Payment.objects.select_for_update().get(id=locked.id)
        at_once(1, lambda _: check_due_payments(clock_at(LATER)))

    assert (verified(chapa, locked), verified(chapa, other)) == (0, 1)
    assert check_due_payments(clock_at(LATER)) == {"Waiting": 1}


def test_what_a_dead_sweep_had_claimed_is_asked_about_when_its_lease_is_over(
    chapa: RunningSandbox,
) -> None:
    payment = opened(chapa)
    claimed = claim_due(LATER, due_by=LATER, most=5)

    assert [claim.payment.id for claim in claimed] == [payment.id]
    assert check_due_payments(clock_at(LATER + LEASE - timedelta(seconds=1))) == {}
    assert check_due_payments(clock_at(LATER + LEASE)) == {"Waiting": 1}


def test_chapa_is_asked_about_one_until_it_answers_and_then_about_four_at_once(
    chapa: RunningSandbox,
) -> None:
    for _ in range(9):
        opened(chapa)
    chapa.faults.set({"latency_s": 0.1})

    check_due_payments(timezone.now)

    open_at_once = []
    calls = list(GatewayCall.objects.filter(kind="verify").order_by("asked_at"))
    for call in calls:
        ends = [each.asked_at + timedelta(milliseconds=each.took_ms) for each in calls]
        asked = zip(calls, ends, strict=True)
        open_at_once.append(sum(each.asked_at <= call.asked_at < end for each, end in asked))
    assert open_at_once[0] == 1
    assert max(open_at_once) == 4


def test_one_that_waited_too_long_for_its_turn_is_claimed_anew(chapa: RunningSandbox) -> None:
    """Of five the last waits behind four, and the clock says that these took long."""
    for _ in range(6):
        opened(chapa)
    chapa.faults.set({"latency_s": 0.05})
    began, first_read = timezone.now(), Event()

    def clock() -> datetime:
        # Whoever waited for its turn reads it in a thread of the sweep.
        if current_thread() is main_thread() or first_read.is_set():
            return began
        first_read.set()
        return began + LEASE

    # By this sweep or the next: there may be nothing left to claim when it is given back.
    verdicts = check_due_payments(clock) + check_due_payments(clock)

    assert verdicts == {"Waiting": 6, "too_late": 1}
    assert GatewayCall.objects.filter(kind="verify").count() == 6


def test_two_sweeps_together_ask_no_more_often_than_one_may(
    chapa: RunningSandbox, settings: Settings
) -> None:
    settings.SWEEP_CALLS = Rate(2, timedelta(milliseconds=100))
    payments = [opened(chapa) for _ in range(6)]

    at_once(2, lambda _: check_due_payments(timezone.now))

    assert [verified(chapa, payment) for payment in payments] == [1] * 6
    asked = GatewayCall.objects.filter(kind="verify").order_by("asked_at")
    asked_at = list(asked.values_list("asked_at", flat=True))
    # Two at once, and then one every 50 ms.
    assert asked_at[-1] - asked_at[0] >= timedelta(milliseconds=200)


def test_a_sweep_whose_turn_does_not_come_in_its_time_leaves_the_rest_to_the_next(
    chapa: RunningSandbox, settings: Settings
) -> None:
    settings.SWEEP_CALLS = Rate(2, timedelta(hours=1))
    for _ in range(3):
        opened(chapa)

    assert check_due_payments(timezone.now, time_slice=timedelta(seconds=1)) == {"Waiting": 2}

    assert count_due_payments(timezone.now()) == 1


def test_a_clock_that_is_held_still_does_not_hold_a_sweep(
    chapa: RunningSandbox, settings: Settings
) -> None:
    settings.SWEEP_CALLS = Rate(2, timedelta(milliseconds=20))
    for _ in range(3):
        opened(chapa)

    assert check_due_payments(clock_at(LATER)) == {"Waiting": 2}


def test_a_sweep_says_how_far_it_is_and_acts_for_who_started_it(chapa: RunningSandbox) -> None:
    for _ in range(3):
        opened(chapa)
    seen: list[int] = []

    with caused_by(Cause(actor="operator")):
        check_due_payments(clock_at(LATER), tell=lambda verdicts: seen.append(verdicts.total()))

    assert seen == sorted(seen)
    assert seen[-1] == 3
    verifications = GatewayCall.objects.filter(kind="verify")
    assert set(verifications.values_list("actor", flat=True)) == {"operator"}


def test_a_sweep_leaves_no_connection_behind(chapa: RunningSandbox) -> None:
    for _ in range(6):
        opened(chapa)
    chapa.faults.set({"latency_s": 0.02})
    before = _connections()

    check_due_payments(clock_at(LATER))

    eventually(lambda: _connections() <= before)


def _connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where datname = current_database()")
        return int(cursor.fetchone()[0])
