# mypy: disable-error-code="no-untyped-call"
# factory_boy says that it is typed, and is so in parts.
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from factory.declarations import LazyAttribute, LazyFunction, SubFactory
from factory.django import DjangoModelFactory

from core.ids import new_id, new_tx_ref
from core.tests.factories import UserFactory
from payments.models import Payment

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


class PaymentFactory(DjangoModelFactory[Payment]):
    """A pending payment of 3,700 birr, made at `NOW` and opened on a page of the local Chapa's."""

    class Meta:
        model = Payment

    id = LazyFunction(new_id)
    reference = LazyFunction(new_id)
    payer = SubFactory(UserFactory)
    tx_ref = LazyAttribute(lambda payment: new_tx_ref(payment.id))
    amount = Decimal("3700.00")
    currency = "ETB"
    mode = "test"
    title = "Place 1 ABCDEFGH"
    checkout_url = LazyAttribute(lambda payment: f"http://127.0.0.1:8010/checkout/{payment.id.hex}")
    created_at = NOW
    opened_at = LazyAttribute(lambda payment: payment.created_at)
    expires_at = NOW + timedelta(minutes=30)
    next_check_at = NOW + timedelta(minutes=1)
