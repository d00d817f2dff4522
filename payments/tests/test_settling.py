from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog
from django.db import OperationalError, transaction
from django.db.models import Q

from core.failpoints import Failpoint, listening
from core.ids import new_id
from payments import states
from payments.chapa.wire import Outcome
from payments.models import GatewayCall, Payment, Refund
from payments.services.leasing import PaymentBusy, release_lease, take_lease
from payments.services.refund_rows import complete_refund
from payments.services.refunds import request_operator_refund
from payments.services.settling import PaymentUnknown, ask_chapa
from payments.settlement import NoAnswer, NotOurs, Waiting
from payments.tests.cast import answer_about, events_of, ledger_of, write
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db

CAPTURE = ("capture", Decimal("3700.00"), "ETB")
UNPAID = [states.PENDING, states.FAILED, states.CANCELLED, states.EXPIRED]


def test_success_is_captured_once_and_tied_to_its_call() -> None:
    payment = PaymentFactory.create()
    first = answer_about(payment, Outcome.PAID)

    write(first)
    write(answer_about(payment, Outcome.PAID, asked_at=NOW + timedelta(seconds=9)))
    write(first)

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert payment.captured_amount == Decimal("3700.00")
    assert payment.settled_at == NOW
    assert payment.gateway_reference == first.seen.reference
    assert payment.ledger.get().gateway_call_id == first.call.id
    assert ledger_of(payment) == [CAPTURE]
    assert events_of(payment) == ["payment.succeeded"]


@pytest.mark.parametrize("changed", [{}, {"amount": Decimal(37)}])
def test_a_reference_that_comes_after_the_money_is_kept(changed: dict[str, Any]) -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID, reference="", **changed))

    for seconds, reference in ((9, "AP0123456789"), (19, ""), (29, "APanother01")):
        asked_at = NOW + timedelta(seconds=seconds)
        write(
            answer_about(payment, Outcome.PAID, asked_at=asked_at, reference=reference, **changed)
        )

    payment.refresh_from_db()
    assert payment.gateway_reference == "AP0123456789"


@pytest.mark.parametrize("status", UNPAID)
def test_late_money_is_still_money(status: str) -> None:
    payment = PaymentFactory.create(status=status, failure_reason="superseded")

    write(answer_about(payment, Outcome.PAID))

    payment.refresh_from_db()
    assert (payment.status, payment.failure_reason) == ("succeeded", "")
    assert ledger_of(payment) == [CAPTURE]
    assert events_of(payment) == ["payment.succeeded"]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_a_no_fails_a_pending_payment_once(outcome: Outcome) -> None:
    payment = PaymentFactory.create()

    write(answer_about(payment, outcome))
    write(answer_about(payment, outcome, asked_at=NOW + timedelta(seconds=9)))

    payment.refresh_from_db()
    assert (payment.status, payment.failure_reason) == ("failed", f"chapa_{outcome.value}")
    assert ledger_of(payment) == []
    assert events_of(payment) == ["payment.failed"]


def test_failed_is_not_final() -> None:
    payment = PaymentFactory.create()

    write(answer_about(payment, Outcome.FAILED))
    write(answer_about(payment, Outcome.PAID, asked_at=NOW + timedelta(seconds=9)))

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert events_of(payment) == ["payment.failed", "payment.succeeded"]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.PENDING])
def test_no_later_answer_takes_a_success_away(outcome: Outcome) -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID))

    write(answer_about(payment, outcome, asked_at=NOW + timedelta(minutes=5)))

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert events_of(payment) == ["payment.succeeded"]


HALF = {"amount": Decimal(1850)}


@pytest.mark.parametrize(
    ("said", "then", "is_contradiction"),
    [
        ((Outcome.PAID, {}), (Outcome.PAID, {}), False),
        ((Outcome.PAID, {}), (Outcome.PENDING, {}), False),
        ((Outcome.PAID, {}), (Outcome.TRANSIENT, {}), False),
        ((Outcome.PAID, {}), (Outcome.REFUNDED, {}), False),
        ((Outcome.PAID, {}), (Outcome.REFUNDED, HALF), True),
        ((Outcome.PAID, {}), (Outcome.PAID, HALF), True),
        ((Outcome.PAID, {}), (Outcome.FAILED, {}), True),
        ((Outcome.PAID, {}), (Outcome.CANCELLED, {}), True),
        ((Outcome.PAID, HALF), (Outcome.PAID, HALF), False),
        ((Outcome.PAID, HALF), (Outcome.PAID, {}), True),
        ((Outcome.PAID, HALF), (Outcome.PAID, HALF | {"currency": "USD"}), True),
        ((Outcome.PAID, HALF), (Outcome.FAILED, HALF), True),
        ((Outcome.REFUNDED, {}), (Outcome.REFUNDED, {}), False),
        ((Outcome.REFUNDED, {}), (Outcome.PAID, {}), True),
        ((Outcome.REFUNDED, HALF), (Outcome.PAID, HALF), True),
        ((Outcome.REVERSED, {}), (Outcome.PAID, {}), True),
        ((Outcome.REVERSED, {}), (Outcome.REFUNDED, {}), False),
        ((Outcome.FAILED, {}), (Outcome.PAID, {}), False),
    ],
)
def test_what_contradicts_the_money_that_arrived_changes_none_and_is_logged(
    said: tuple[Outcome, dict[str, Any]],
    then: tuple[Outcome, dict[str, Any]],
    is_contradiction: bool,
) -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, said[0], **said[1]))
    ledger = ledger_of(payment)

    with structlog.testing.capture_logs() as lines:
        write(answer_about(payment, then[0], asked_at=NOW + timedelta(days=1), **then[1]))

    assert [line["event"] for line in lines if line["log_level"] == "error"] == (
        ["settlement.contradicts"] if is_contradiction else []
    )
    assert not is_contradiction or ledger_of(payment) == ledger


@pytest.mark.parametrize("ends", [True, False])
def test_success_beside_a_refund_of_ours_is_no_contradiction(ends: bool) -> None:
    """What verify says of a payment whose money goes back is known to nobody."""
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID))
    refund = request_operator_refund(
        payment_id=payment.id, reason="goodwill", person="user:1", at=NOW
    )
    if ends:
        call = GatewayCall.objects.create(
            payment=payment, kind="refund_check", asked_at=NOW, took_ms=1, evidence={}
        )
        with transaction.atomic():
            complete_refund(Refund.objects.get(id=refund.id), call, NOW)

    with structlog.testing.capture_logs() as lines:
        write(answer_about(payment, Outcome.PAID, asked_at=NOW + timedelta(days=1)))

    assert lines == []


def test_a_success_that_comes_late_contradicts_nothing() -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.REFUNDED, asked_at=NOW + timedelta(seconds=5)))

    with structlog.testing.capture_logs() as lines:
        write(answer_about(payment, Outcome.PAID, asked_at=NOW))

    assert lines == []


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.REFUNDED])
def test_an_answer_older_than_the_newest_is_evidence_only(outcome: Outcome) -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PENDING, asked_at=NOW + timedelta(seconds=5)))
    payment.refresh_from_db()
    planned = payment.next_check_at

    write(answer_about(payment, outcome, asked_at=NOW))

    payment.refresh_from_db()
    assert (payment.status, payment.next_check_at) == ("pending", planned)
    assert payment.asked_at == NOW + timedelta(seconds=5)
    assert payment.gateway_calls.count() == 2


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.TRANSIENT])
def test_after_an_answer_from_a_clock_that_is_ahead_a_payment_is_not_due_without_end(
    outcome: Outcome,
) -> None:
    ahead = NOW + timedelta(hours=1)
    payment = PaymentFactory.create(asked_at=ahead, hinted_at=NOW, next_check_at=NOW)

    write(answer_about(payment, outcome, asked_at=NOW))

    payment.refresh_from_db()
    assert payment.next_check_at is not None
    assert payment.next_check_at > NOW
    assert payment.asked_at == ahead


def test_an_older_answer_counts_if_it_says_paid() -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.FAILED, asked_at=NOW + timedelta(seconds=5)))

    write(answer_about(payment, Outcome.PAID, asked_at=NOW))

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert payment.asked_at == NOW + timedelta(seconds=5)


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_machine_whose_clock_is_wrong_moves_looks_and_no_money(wrong_by: timedelta) -> None:
    payment = PaymentFactory.create()

    def hear(outcome: Outcome, after: timedelta) -> str:
        answer = answer_about(payment, outcome, asked_at=NOW + after)
        write(answer, at=NOW + after)
        payment.refresh_from_db()
        return payment.status

    assert hear(Outcome.FAILED, wrong_by) == "failed"
    assert hear(Outcome.PAID, timedelta(0)) == "succeeded"
    assert hear(Outcome.PAID, wrong_by) == "succeeded"
    assert hear(Outcome.CANCELLED, wrong_by) == "succeeded"
    assert payment.next_check_at is not None
    assert hear(Outcome.REFUNDED, timedelta(hours=2)) == "refunded"
    assert ledger_of(payment) == [CAPTURE, ("refund", Decimal("3700.00"), "ETB")]


@pytest.mark.parametrize("status", UNPAID)
@pytest.mark.parametrize(
    ("changed", "arrived", "reason"),
    [
        ({"amount": Decimal("37")}, ("capture", Decimal("37.00"), "ETB"), "another amount"),
        ({"currency": "USD"}, ("capture", Decimal("3700.00"), "USD"), "another currency"),
    ],
)
def test_money_other_than_owed_is_captured_as_it_came_and_reviewed(
    status: str, changed: dict[str, Any], arrived: tuple[str, Decimal, str], reason: str
) -> None:
    payment = PaymentFactory.create(status=status)

    write(answer_about(payment, Outcome.PAID, **changed))
    write(answer_about(payment, Outcome.PAID, asked_at=NOW + timedelta(seconds=9), **changed))
    write(answer_about(payment, Outcome.PAID, asked_at=NOW + timedelta(seconds=19)))

    payment.refresh_from_db()
    assert (payment.status, payment.failure_reason) == ("in_review", reason)
    # By which Chapa is asked to send it back, if a person decides so.
    assert payment.gateway_reference == f"AP{payment.id.hex[:10]}"
    assert ledger_of(payment) == [arrived]
    assert events_of(payment) == ["payment.mismatched"]


def test_a_mismatch_closes_the_newer_checkout() -> None:
    older = PaymentFactory.create(status=states.FAILED)
    newer = PaymentFactory.create(reference=older.reference)

    write(answer_about(older, Outcome.PAID, amount=Decimal(37)))

    older.refresh_from_db()
    newer.refresh_from_db()
    assert older.status == "in_review"
    assert (newer.status, newer.failure_reason) == ("cancelled", "superseded")
    assert events_of(newer) == ["payment.cancelled"]


def test_two_mismatched_payments_of_one_booking_are_both_kept() -> None:
    older = PaymentFactory.create(status=states.FAILED)
    newer = PaymentFactory.create(reference=older.reference)

    for payment in (older, newer):
        write(answer_about(payment, Outcome.PAID, amount=Decimal(37)))

    assert set(Payment.objects.values_list("status", flat=True)) == {"in_review"}
    assert len(ledger_of(older) + ledger_of(newer)) == 2


@pytest.mark.parametrize("changed", [{"tx_ref": "guzo-other"}, {"mode": "live"}])
@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED, Outcome.REFUNDED])
def test_an_answer_about_something_else_changes_nothing(
    outcome: Outcome, changed: dict[str, Any]
) -> None:
    payment = PaymentFactory.create()

    verdict = write(answer_about(payment, outcome, **changed))

    payment.refresh_from_db()
    assert isinstance(verdict, NotOurs)
    assert payment.status == "pending"
    assert payment.gateway_reference is None
    assert ledger_of(payment) == []
    assert events_of(payment) == []


@pytest.mark.parametrize("status", UNPAID)
@pytest.mark.parametrize(
    ("outcome", "ends", "kind", "fact"),
    [
        (Outcome.REFUNDED, "refunded", "refund", "payment.refunded"),
        (Outcome.REVERSED, "reversed", "reversal", "payment.reversed"),
    ],
)
def test_money_first_seen_going_back_is_entered_both_ways(
    status: str, outcome: Outcome, ends: str, kind: str, fact: str
) -> None:
    payment = PaymentFactory.create(status=status)
    answer = answer_about(payment, outcome)

    write(answer)
    write(answer)

    payment.refresh_from_db()
    assert payment.status == ends
    assert payment.gateway_reference == answer.seen.reference
    assert payment.captured_amount == payment.refunded_amount == Decimal("3700.00")
    assert ledger_of(payment) == [CAPTURE, (kind, Decimal("3700.00"), "ETB")]
    assert events_of(payment) == [fact]


@pytest.mark.parametrize(
    ("outcome", "ends", "order_is", "order_ends"),
    [
        (Outcome.REFUNDED, "refunded", "submitted", "succeeded"),
        (Outcome.REVERSED, "reversed", "requested", "failed"),
        (Outcome.REVERSED, "reversed", "submitted", "submitted"),
    ],
)
def test_money_gone_ends_the_orders_to_send_it_back(
    outcome: Outcome, ends: str, order_is: str, order_ends: str
) -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID))
    Refund.objects.create(
        payment=payment,
        amount="3700.00",
        currency="ETB",
        state=order_is,
        source="system",
        reason="surplus",
        requested_at=NOW,
    )

    write(answer_about(payment, outcome, asked_at=NOW + timedelta(days=1)))

    payment.refresh_from_db()
    assert (payment.status, payment.refunds.get().state) == (ends, order_ends)


@pytest.mark.parametrize(
    ("outcome", "ends"), [(Outcome.REFUNDED, "refunded"), (Outcome.REVERSED, "reversed")]
)
@pytest.mark.parametrize("changed", [{"amount": Decimal("37")}, {"currency": "USD"}])
def test_a_mismatched_payment_can_go_back(
    outcome: Outcome, ends: str, changed: dict[str, Any]
) -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID, **changed))

    write(answer_about(payment, outcome, asked_at=NOW + timedelta(hours=1), **changed))

    payment.refresh_from_db()
    assert payment.status == ends
    came, went = ledger_of(payment)
    assert came[1:] == went[1:]


def test_less_going_back_than_came_is_left_to_a_person() -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PAID))

    write(
        answer_about(
            payment, Outcome.REFUNDED, asked_at=NOW + timedelta(hours=1), amount=Decimal(100)
        )
    )

    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount) == ("succeeded", Decimal(0))
    assert ledger_of(payment) == [CAPTURE]


def test_a_gateway_reference_that_serves_twice_is_reviewed() -> None:
    first, second = PaymentFactory.create(), PaymentFactory.create()
    write(answer_about(first, Outcome.PAID, reference="APsame"))

    write(answer_about(second, Outcome.PAID, reference="APsame"))

    second.refresh_from_db()
    assert (second.status, second.gateway_reference) == ("in_review", None)
    assert second.failure_reason == "gateway reference of another payment"
    assert ledger_of(second) == [CAPTURE]
    assert events_of(second) == ["payment.mismatched"]


@pytest.mark.parametrize("status", [*UNPAID, states.SUCCEEDED])
@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.UNRECOGNISED, Outcome.CONFIG_ERROR])
def test_silence_changes_no_state_and_is_asked_again(outcome: Outcome, status: str) -> None:
    payment = PaymentFactory.create(status=status)

    verdict = write(answer_about(payment, outcome))

    payment.refresh_from_db()
    assert verdict == NoAnswer(
        misconfigured=outcome is Outcome.CONFIG_ERROR, is_there=outcome is Outcome.UNRECOGNISED
    )
    assert (payment.status, payment.asked_at) == (status, None)
    assert payment.next_check_at == NOW + timedelta(seconds=30)
    assert events_of(payment) == []


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.NOT_FOUND])
def test_not_yet_is_an_answer_and_the_next_look_is_planned(outcome: Outcome) -> None:
    payment = PaymentFactory.create()

    verdict = write(answer_about(payment, outcome, asked_at=NOW + timedelta(seconds=70)))

    payment.refresh_from_db()
    assert verdict == Waiting()
    assert payment.status == "pending"
    assert payment.asked_at == NOW + timedelta(seconds=70)
    assert payment.next_check_at is not None
    assert timedelta(seconds=100) < payment.next_check_at - NOW <= timedelta(seconds=120)


def test_not_yet_after_a_hint_is_looked_at_again_in_seconds() -> None:
    payment = PaymentFactory.create(hinted_at=NOW + timedelta(seconds=20))

    write(answer_about(payment, Outcome.PENDING, asked_at=NOW + timedelta(seconds=21)))

    payment.refresh_from_db()
    assert payment.next_check_at == NOW + timedelta(seconds=25)


def test_after_the_last_look_a_payment_is_not_watched_any_more() -> None:
    payment = PaymentFactory.create(status=states.EXPIRED)

    write(answer_about(payment, Outcome.PENDING, asked_at=NOW + timedelta(days=7)))

    payment.refresh_from_db()
    assert payment.next_check_at is None


def test_writing_gives_the_lease_back_but_no_other_one() -> None:
    payment = PaymentFactory.create()
    own = take_lease(payment.id, NOW)
    answer = answer_about(payment, Outcome.PENDING)

    write(answer)
    payment.refresh_from_db()
    assert payment.asking_until == own

    release_lease(payment.id, own)
    payment.refresh_from_db()
    assert payment.asking_until is None


def test_one_at_a_time_has_the_lease_until_it_runs_out() -> None:
    payment = PaymentFactory.create()
    until = take_lease(payment.id, NOW)

    with pytest.raises(PaymentBusy):
        take_lease(payment.id, until - timedelta(microseconds=1))
    assert take_lease(payment.id, until) > until


def test_no_lease_is_given_for_a_reason_that_is_gone() -> None:
    payment = PaymentFactory.create(asked_at=NOW)

    with pytest.raises(PaymentBusy):
        take_lease(payment.id, NOW, only_if=Q(asked_at__lt=NOW))
    assert take_lease(payment.id, NOW, only_if=Q(asked_at__lte=NOW))


def test_asking_about_no_payment_is_refused() -> None:
    with pytest.raises(PaymentUnknown):
        ask_chapa(payment_id=new_id(), at=NOW)


def test_an_answer_that_cannot_be_written_whole_leaves_nothing_but_its_call() -> None:
    payment = PaymentFactory.create()
    answer = answer_about(payment, Outcome.PAID)

    def fail_once_recorded(name: Failpoint) -> None:
        if name == "record.started":
            raise OperationalError

    with listening(fail_once_recorded), pytest.raises(OperationalError):
        write(answer)

    payment.refresh_from_db()
    assert payment.status == "pending"
    assert (ledger_of(payment), events_of(payment)) == ([], [])
