import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from payments.chapa.wire import Outcome
from payments.models import LedgerEntry
from payments.tests.cast import answer_about, write
from payments.tests.factories import NOW, PaymentFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "change",
    [
        "update payments_ledgerentry set amount = 1",
        "delete from payments_ledgerentry",
        "update payments_gatewaycall set outcome = 'paid'",
        "delete from payments_gatewaycall",
        "truncate payments_ledgerentry",
        "truncate payments_gatewaycall cascade",
    ],
)
def test_ledger_and_evidence_cannot_be_changed_by_anyone(change: str) -> None:
    write(answer_about(PaymentFactory.create(), Outcome.PAID))
    with connection.cursor() as cursor:
        # Nothing may be pending on a table that is truncated.
        cursor.execute("set constraints all immediate")

    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change)


def test_a_payment_with_evidence_cannot_be_deleted() -> None:
    payment = PaymentFactory.create()
    write(answer_about(payment, Outcome.PENDING))

    with pytest.raises(IntegrityError):
        payment.delete()


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"kind": "capture"}, "payments_one_capture"),
        ({"kind": "refund", "amount": 0}, "payments_entry_positive"),
        ({"kind": "refund", "gateway_call": None}, "payments_entry_proven"),
        ({"kind": "refund", "gateway_call": None, "person": "x"}, "payments_entry_proven"),
    ],
)
def test_the_database_refuses_money_without_proof_or_twice(
    values: dict[str, object], constraint: str
) -> None:
    payment = PaymentFactory.create()
    answer = answer_about(payment, Outcome.PAID)
    write(answer)
    entry: dict[str, object] = {
        "payment": payment,
        "amount": 1,
        "currency": "ETB",
        "gateway_call": answer.call,
        "recorded_at": NOW,
    }

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        LedgerEntry.objects.create(**(entry | values))


def test_one_reference_has_one_pending_payment() -> None:
    payment = PaymentFactory.create()

    with pytest.raises(IntegrityError, match="payments_one_pending"), transaction.atomic():
        PaymentFactory.create(reference=payment.reference)
