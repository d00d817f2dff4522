"""Orders to send money back, carried out at a Chapa that is told what to say."""

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum

from core.errors import ReasonMissing
from core.money import Money
from core.tests.threads import at_once
from payments.chapa.wire import (
    Outcome,
    RefundProgress,
    RefundSubmission,
    RefundSubmitted,
    RefundVerification,
)
from payments.models import GatewayCall, LedgerEntry, Payment, Refund
from payments.services.deciding import (
    PaymentNotInReview,
    RefundEnded,
    RefundUnderWay,
    accept_payment,
    resolve_refund,
)
from payments.services.recording import Decision, enter
from payments.services.refund_rows import TakenAfterAll, lock_refund
from payments.services.refund_sending import Submission, write_submission
from payments.services.refunding import write_progress
from payments.services.refunds import (
    RefundInParts,
    RefundOfNothing,
    RefundTooLarge,
    left_of,
    preview_refund,
    request_customer_refund,
    request_operator_refund,
    request_system_refund,
)
from payments.tests.cast import answer_about, events_of, ledger_of, write
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)
PERSON = "user:1"


def paid(outcome: Outcome = Outcome.PAID, **changed: Any) -> Payment:
    payment = PaymentFactory.create()
    write(answer_about(payment, outcome, **changed))
    payment.refresh_from_db()
    return payment


def ordered(payment: Payment, amount: int | None = None) -> Refund:
    refund = request_operator_refund(
        payment_id=payment.id,
        amount=None if amount is None else Decimal(amount),
        reason="goodwill",
        person=PERSON,
        at=NOW,
    )
    Refund.objects.filter(id=refund.id).update(state="unknown", submitted_at=NOW)
    refund.refresh_from_db()
    return refund


def hear(refund: Refund, submitted: RefundSubmitted, **said: Any) -> Refund:
    """Write what Chapa said to the order."""
    answer = RefundSubmission(submitted=submitted, http_status=200, evidence={}, **said)
    with transaction.atomic():
        write_submission(Submission(refund.id, NOW, answer), at=NOW)
    refund.refresh_from_db()
    return refund


def look(refund: Refund, progress: RefundProgress, *, at: datetime = LATER, **seen: Any) -> Refund:
    """Write what Chapa said to the question how far it is."""
    verification = RefundVerification(progress=progress, http_status=200, evidence={}, **seen)
    call = GatewayCall.objects.create(
        payment=refund.payment,
        kind=GatewayCall.Kind.REFUND_CHECK,
        asked_at=at,
        took_ms=1,
        http_status=200,
        outcome=progress.value,
        evidence={},
        actor="test",
    )
    with transaction.atomic():
        write_progress(lock_refund(refund.id), verification, call, at)
    refund.refresh_from_db()
    return refund


def resolve(refund: Refund, *, sent: bool, at: datetime = LATER, reason: str = "so") -> Refund:
    resolve_refund(refund_id=refund.id, sent=sent, reason=reason, person=PERSON, at=at)
    refund.refresh_from_db()
    return refund


def of(payment: Payment) -> tuple[str, Decimal]:
    payment.refresh_from_db()
    return payment.status, payment.refunded_amount


def test_all_of_it_goes_back_once() -> None:
    payment = paid()
    refund = hear(ordered(payment), RefundSubmitted.ACCEPTED, refund_reference="RF1")
    assert (refund.state, refund.gateway_reference) == ("submitted", "RF1")

    for _ in range(2):
        look(refund, RefundProgress.REFUNDED, amount=Decimal("3700"), currency="ETB")

    assert of(payment) == ("refunded", Decimal(3700))
    assert ledger_of(payment)[1:] == [("refund", Decimal(3700), "ETB")]
    entry = LedgerEntry.objects.get(kind="refund")
    assert entry.refund == refund
    assert entry.gateway_call is not None
    assert entry.gateway_call.kind == "refund_check"
    assert events_of(payment) == [
        "payment.succeeded",
        "refund.requested",
        "refund.succeeded",
        "payment.refunded",
    ]


def test_parts_add_up_and_the_last_one_makes_it_whole() -> None:
    payment = paid()
    for amount, status in (
        (700, "partially_refunded"),
        (1000, "partially_refunded"),
        (2000, "refunded"),
    ):
        refund = hear(ordered(payment, amount), RefundSubmitted.ACCEPTED)
        look(refund, RefundProgress.REFUNDED)
        assert of(payment)[0] == status

    assert of(payment) == ("refunded", Decimal(3700))
    with pytest.raises(RefundTooLarge):
        ordered(payment, 1)


@pytest.mark.parametrize(
    ("submitted", "reason"),
    [
        (RefundSubmitted.REFUSED, "refund_refused"),
        (RefundSubmitted.REFUSED_IN_TEST_MODE, "refund_refused_in_test_mode"),
    ],
)
def test_a_refusal_is_in_front_of_a_person_and_frees_the_money(
    submitted: RefundSubmitted, reason: str
) -> None:
    payment = paid()
    refund = hear(ordered(payment), submitted)

    assert (refund.state, refund.failure_reason) == ("failed", reason)
    assert events_of(payment)[-1] == "refund.failed"
    assert left_of(payment) == Money(Decimal(3700), "ETB")


def test_a_refusal_because_too_little_is_left_may_mean_this_very_order() -> None:
    refund = hear(ordered(paid()), RefundSubmitted.REFUSED, exceeds=True)

    assert (refund.state, left_of(refund.payment).amount) == ("unknown", Decimal(0))


def test_a_name_that_is_not_its_own_is_not_taken() -> None:
    payment = paid()
    assert payment.gateway_reference
    refunds = [
        hear(ordered(payment, 700), RefundSubmitted.ACCEPTED, refund_reference=name)
        for name in ("RF1", "RF1", payment.gateway_reference)
    ]
    refunds.append(look(ordered(payment, 700), RefundProgress.PENDING, refund_reference="RF1"))

    assert [refund.gateway_reference for refund in refunds] == ["RF1", "", "", ""]
    assert {refund.state for refund in refunds} == {"submitted"}
    with pytest.raises(IntegrityError, match="payments_refund_name_once"), transaction.atomic():
        # As of one that heard it at the same moment.
        Refund.objects.filter(id=refunds[1].id).update(gateway_reference="RF1")


@pytest.mark.parametrize("submitted", [RefundSubmitted.UNKNOWN, RefundSubmitted.USED_BEFORE])
def test_what_may_have_been_taken_is_looked_at_and_never_counted_as_left(
    submitted: RefundSubmitted,
) -> None:
    payment = paid()
    refund = hear(ordered(payment), submitted)

    assert refund.state == ("unknown" if submitted is RefundSubmitted.UNKNOWN else "submitted")
    assert left_of(payment).amount == 0
    look(refund, RefundProgress.REFUNDED)
    assert of(payment) == ("refunded", Decimal(3700))


@pytest.mark.parametrize(
    "progress",
    [
        RefundProgress.NOT_FOUND,
        RefundProgress.TRANSIENT,
        RefundProgress.UNRECOGNISED,
        RefundProgress.CONFIG_ERROR,
    ],
)
def test_silence_about_a_refund_is_no_no(progress: RefundProgress) -> None:
    payment = paid()
    refund = look(ordered(payment), progress)

    assert (refund.state, left_of(payment).amount) == ("unknown", Decimal(0))
    assert refund.next_check_at is not None


@pytest.mark.parametrize(
    "progress", [RefundProgress.PENDING, RefundProgress.NOT_FOUND, RefundProgress.UNRECOGNISED]
)
def test_one_that_has_no_end_at_the_last_look_is_in_front_of_a_person(
    progress: RefundProgress,
) -> None:
    payment = paid()
    refund = hear(ordered(payment, 700), RefundSubmitted.ACCEPTED)

    look(refund, progress, at=NOW + timedelta(days=9))
    assert (refund.state, refund.next_check_at) == ("submitted", NOW + timedelta(days=10))
    look(refund, progress, at=NOW + timedelta(days=10))

    assert (refund.state, refund.failure_reason) == ("unknown", "no_end")
    assert (refund.next_check_at, left_of(payment).amount) == (None, Decimal(3000))
    look(refund, progress, at=NOW + timedelta(days=11))
    assert events_of(payment).count("refund.delayed") == 1
    look(refund, RefundProgress.REFUNDED, at=NOW + timedelta(days=11))
    assert (refund.state, refund.failure_reason) == ("succeeded", "")


def test_silence_at_the_last_look_is_none() -> None:
    refund = hear(ordered(paid(), 700), RefundSubmitted.ACCEPTED)

    look(refund, RefundProgress.TRANSIENT, at=NOW + timedelta(days=10))

    assert (refund.state, refund.next_check_at) == ("submitted", NOW + timedelta(days=11))


def test_one_that_came_back_can_be_ordered_again() -> None:
    payment = paid()
    refund = look(hear(ordered(payment), RefundSubmitted.ACCEPTED), RefundProgress.REVERSED)

    assert (refund.state, refund.failure_reason) == ("failed", "refund_reversed")
    assert of(payment) == ("succeeded", Decimal(0))
    assert ordered(payment).amount == 3700


@pytest.mark.parametrize("seen", [{"amount": Decimal(1)}, {"currency": "USD"}])
def test_money_that_is_not_the_orders_is_not_counted_as_its(seen: dict[str, Any]) -> None:
    payment = paid()
    refund = look(ordered(payment, 700), RefundProgress.REFUNDED, **seen)

    assert refund.state == "unknown"
    assert of(payment) == ("succeeded", Decimal(0))


def test_an_order_ends_in_one_entry_whatever_runs_at_once() -> None:
    payment = paid()
    refund = ordered(payment)
    enter(payment, LedgerEntry.Kind.REFUND, refund.money, Decision(PERSON, "x"), NOW, refund)

    with pytest.raises(IntegrityError), transaction.atomic():
        enter(payment, LedgerEntry.Kind.REFUND, refund.money, Decision(PERSON, "x"), NOW, refund)


class TestMadeElsewhere:
    def test_all_of_it_without_an_order_is_written_down(self) -> None:
        payment = paid()
        write(answer_about(payment, Outcome.REFUNDED, asked_at=LATER))

        external = Refund.objects.get()
        assert (external.source, external.state, external.amount) == (
            "external",
            "succeeded",
            Decimal(3700),
        )
        assert of(payment) == ("refunded", Decimal(3700))

    def test_beside_a_part_of_ours_a_person_decides(self) -> None:
        payment = paid()
        look(hear(ordered(payment, 700), RefundSubmitted.ACCEPTED), RefundProgress.REFUNDED)
        for hours in (2, 3):
            asked_at = NOW + timedelta(hours=hours)
            write(answer_about(payment, Outcome.REFUNDED, asked_at=asked_at))

        external = Refund.objects.get(source="external")
        assert (external.state, external.amount) == ("unknown", Decimal(3000))
        assert of(payment) == ("partially_refunded", Decimal(700))
        assert left_of(payment).amount == 0

        resolve_refund(
            refund_id=external.id, sent=False, reason="only ours", person=PERSON, at=LATER
        )
        write(answer_about(payment, Outcome.REFUNDED, asked_at=NOW + timedelta(hours=4)))
        assert of(payment) == ("partially_refunded", Decimal(700))
        assert left_of(payment).amount == 3000

    def test_an_order_that_chapa_was_not_asked_for_is_not_what_went(self) -> None:
        payment = paid()
        refund = ordered(payment)
        Refund.objects.update(state="requested", submitted_at=None)
        write(answer_about(payment, Outcome.REFUNDED, asked_at=LATER))

        refund.refresh_from_db()
        assert (refund.state, Refund.objects.count()) == ("requested", 1)
        assert of(payment) == ("succeeded", Decimal(0))

    def test_parts_on_their_way_are_not_ended_by_a_word_about_the_payment(self) -> None:
        payment = paid()
        parts = [ordered(payment, amount) for amount in (700, 3000)]
        hear(parts[0], RefundSubmitted.ACCEPTED)
        write(answer_about(payment, Outcome.REFUNDED, asked_at=LATER))

        assert {refund.state for refund in Refund.objects.all()} == {"submitted", "unknown"}
        assert of(payment) == ("succeeded", Decimal(0))

    def test_all_of_it_on_our_order_is_ours(self) -> None:
        payment = paid()
        refund = hear(ordered(payment), RefundSubmitted.UNKNOWN)
        write(answer_about(payment, Outcome.REFUNDED, asked_at=LATER))

        refund.refresh_from_db()
        assert refund.state == "succeeded"
        assert Refund.objects.count() == 1
        assert of(payment) == ("refunded", Decimal(3700))


class TestPeople:
    def test_what_arrived_is_taken_for_what_is_owed(self) -> None:
        payment = paid(amount=Decimal(3699))
        assert payment.status == "in_review"

        accept_payment(payment_id=payment.id, reason="one birr short", person=PERSON, at=LATER)

        assert of(payment)[0] == "succeeded"
        entry = LedgerEntry.objects.get(kind="acceptance")
        assert (entry.person, entry.reason, entry.amount) == (
            PERSON,
            "one birr short",
            Decimal(3699),
        )
        assert events_of(payment)[-2:] == ["payment.accepted", "payment.succeeded"]
        with pytest.raises(PaymentNotInReview):
            accept_payment(payment_id=payment.id, reason="again", person=PERSON, at=LATER)

    @pytest.mark.parametrize(
        "status", ["pending", "failed", "cancelled", "expired", "succeeded", "refunded"]
    )
    def test_nobody_can_say_that_money_came_which_chapa_does_not_have(self, status: str) -> None:
        payment = PaymentFactory.create(status=status)

        with pytest.raises(PaymentNotInReview):
            accept_payment(payment_id=payment.id, reason="a receipt", person=PERSON, at=LATER)

        assert of(payment)[0] == status
        assert ledger_of(payment) == []

    def test_what_is_in_review_goes_back_whole_and_in_its_own_currency(self) -> None:
        payment = paid(currency="USD", amount=Decimal(50))
        with pytest.raises(RefundInParts):
            ordered(payment, 10)

        refund = ordered(payment)
        assert str(refund.money) == "50.00 USD"
        with pytest.raises(PaymentNotInReview):
            accept_payment(payment_id=payment.id, reason="after all", person=PERSON, at=LATER)
        look(refund, RefundProgress.REFUNDED)
        assert of(payment) == ("refunded", Decimal(50))

    def test_a_refund_that_went_another_way_is_proven_by_who_says_so(self) -> None:
        payment = paid()
        refund = hear(ordered(payment), RefundSubmitted.REFUSED_IN_TEST_MODE)

        resolve_refund(refund_id=refund.id, sent=True, reason="in cash", person=PERSON, at=LATER)

        assert of(payment) == ("refunded", Decimal(3700))
        entry = LedgerEntry.objects.get(kind="refund")
        assert (entry.gateway_call, entry.person, entry.reason) == (None, PERSON, "in cash")
        for sent in (True, False):
            with pytest.raises(RefundEnded):
                resolve_refund(
                    refund_id=refund.id, sent=sent, reason="again", person=PERSON, at=LATER
                )

    def test_money_that_was_ordered_back_again_is_not_said_to_have_gone_before(self) -> None:
        payment = paid()
        failed = hear(ordered(payment), RefundSubmitted.REFUSED)
        ordered(payment, 1)

        with pytest.raises(RefundEnded):
            resolve_refund(
                refund_id=failed.id, sent=True, reason="in cash", person=PERSON, at=LATER
            )

    def test_money_that_was_reversed_is_not_said_to_have_gone_back_as_well(self) -> None:
        payment = paid()
        refund = hear(ordered(payment), RefundSubmitted.ACCEPTED)
        write(answer_about(payment, Outcome.REVERSED, asked_at=LATER))

        with pytest.raises(RefundEnded):
            resolve(refund, sent=True)

    @pytest.mark.parametrize(
        ("progress", "ends"),
        [
            (RefundProgress.REFUNDED, ("unknown", "more_than_came")),
            (RefundProgress.REVERSED, ("failed", "refund_reversed")),
            (RefundProgress.PENDING, ("submitted", "")),
        ],
    )
    def test_what_chapa_has_of_money_that_was_reversed_is_looked_at(
        self, progress: RefundProgress, ends: tuple[str, str]
    ) -> None:
        payment = paid()
        refund = hear(ordered(payment, 700), RefundSubmitted.ACCEPTED)
        write(answer_about(payment, Outcome.REVERSED, asked_at=LATER), at=LATER)
        refund.refresh_from_db()
        assert (refund.state, refund.next_check_at) == ("submitted", LATER)

        look(refund, progress)

        assert (refund.state, refund.failure_reason) == ends
        assert of(payment) == ("reversed", Decimal(3700))

    def test_what_chapa_took_and_is_looked_at_is_not_said_to_stay(self) -> None:
        refund = hear(ordered(paid(), 700), RefundSubmitted.ACCEPTED)

        with pytest.raises(RefundUnderWay):
            resolve(refund, sent=False)

        assert resolve(refund, sent=False, at=NOW + timedelta(days=10)).state == "failed"

    @pytest.mark.parametrize("sent", [True, False])
    def test_nobody_decides_while_chapa_is_being_asked(self, sent: bool) -> None:
        refund = ordered(paid(), 700)

        with pytest.raises(RefundUnderWay):
            resolve(refund, sent=sent, at=NOW + timedelta(seconds=59))

        ended = resolve(refund, sent=sent, at=NOW + timedelta(minutes=1))
        assert ended.state == ("succeeded" if sent else "failed")

    def test_what_chapa_took_after_a_person_said_that_it_did_not_go_is_in_doubt_again(self) -> None:
        payment = paid()
        refund = resolve(ordered(payment, 700), sent=False)

        hear(refund, RefundSubmitted.ACCEPTED, refund_reference="RF1")

        assert (refund.state, refund.gateway_reference) == ("submitted", "RF1")
        assert refund.next_check_at is not None
        assert left_of(payment).amount == 3000

    @pytest.mark.parametrize("again", [0, 3700])
    def test_what_chapa_sent_after_a_person_said_that_it_did_not_go_counts_if_it_can(
        self, again: int
    ) -> None:
        payment = paid()
        refund = resolve(ordered(payment, 700), sent=False)
        if again:
            look(ordered(payment, again), RefundProgress.REFUNDED)

        look(refund, RefundProgress.REFUNDED)

        assert refund.state == ("unknown" if again else "succeeded")
        assert of(payment)[1] == (again or 700)

    def test_what_chapa_took_after_a_person_sent_it_another_way_is_not_passed_over(self) -> None:
        payment = paid()
        refund = resolve(ordered(payment, 700), sent=True)

        with pytest.raises(TakenAfterAll):
            hear(refund, RefundSubmitted.ACCEPTED)

        assert of(payment) == ("partially_refunded", Decimal(700))

    def test_who_said_what_became_of_it_and_why_stays(self) -> None:
        refund = hear(ordered(paid()), RefundSubmitted.REFUSED)

        resolve(refund, sent=False, reason=" a friend after all ")
        with pytest.raises(RefundEnded):
            resolve(refund, sent=False)
        resolve(refund, sent=True, reason="in cash")

        assert [(said["person"], said["sent"], said["reason"]) for said in refund.resolutions] == [
            (PERSON, False, "a friend after all"),
            (PERSON, True, "in cash"),
        ]

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_nobody_decides_without_a_reason(self, reason: str) -> None:
        payment = paid(amount=Decimal(3699))
        with pytest.raises(ReasonMissing):
            accept_payment(payment_id=payment.id, reason=reason, person=PERSON, at=LATER)
        with pytest.raises(ReasonMissing):
            request_operator_refund(
                payment_id=payment.id, amount=None, reason=reason, person=PERSON, at=LATER
            )

    @pytest.mark.parametrize(
        ("amount", "refusal"), [(0, RefundOfNothing), (-1, RefundOfNothing), (3701, RefundTooLarge)]
    )
    def test_no_more_and_no_less_than_there_is(self, amount: int, refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            ordered(paid(), amount)

    def test_the_fee_that_chapa_keeps_is_told_before(self) -> None:
        payment = PaymentFactory.create()
        answer = answer_about(payment, Outcome.PAID)
        call = GatewayCall.objects.create(
            payment=payment,
            kind="verify",
            asked_at=NOW,
            took_ms=1,
            outcome="paid",
            evidence={"data": {"charge": "129.5"}},
            actor="test",
        )
        answer = type(answer)(payment.id, NOW, answer.seen, call, NOW)
        write(answer)

        preview = preview_refund(payment_id=payment.id)

        assert str(preview.fee_kept) == "129.50 ETB"
        assert str(preview.left) == "3,700.00 ETB"


@pytest.mark.django_db(transaction=True)
def test_people_system_and_traveller_together_order_no_more_than_there_is() -> None:
    payment = paid()

    def order(number: int) -> None:
        with suppress(RefundTooLarge):
            if number % 4 == 1:
                ordered(payment, 1000)
            elif number % 4 == 3:
                with transaction.atomic():
                    locked = Payment.objects.select_for_update().get(id=payment.id)
                    request_system_refund(locked, reason="surplus", at=NOW)
            else:
                with transaction.atomic():
                    locked = Payment.objects.select_for_update().get(id=payment.id)
                    money = Money(Decimal(1000), "ETB")
                    request_customer_refund(locked, money, reason="cancelled", at=NOW)

    at_once(8, order)

    # Parts of a thousand never add up to it, so the system finds something left and takes that.
    assert payment.refunds.aggregate(ordered=Sum("amount")) == {"ordered": Decimal(3700)}
