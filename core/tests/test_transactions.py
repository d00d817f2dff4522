import pytest
from django.db import transaction

from core.transactions import (
    NetworkInTransaction,
    OutsideTransaction,
    in_transaction,
    refuse_network_in_transaction,
    require_transaction,
)


@pytest.mark.django_db
def test_the_test_cases_own_block_does_not_count() -> None:
    assert transaction.get_connection().in_atomic_block
    assert not in_transaction()
    refuse_network_in_transaction()


@pytest.mark.django_db
def test_djangos_durable_sees_through_it_as_well() -> None:
    with transaction.atomic(durable=True):
        assert in_transaction()


@pytest.mark.django_db
def test_a_network_call_inside_a_transaction_is_refused() -> None:
    with transaction.atomic(), pytest.raises(NetworkInTransaction):
        refuse_network_in_transaction()


@pytest.mark.django_db
def test_an_inner_block_is_a_transaction_too() -> None:
    with transaction.atomic(), transaction.atomic(), pytest.raises(NetworkInTransaction):
        refuse_network_in_transaction()


@pytest.mark.django_db
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(OutsideTransaction):
        require_transaction()

    with transaction.atomic():
        require_transaction()


@pytest.mark.django_db(transaction=True)
def test_without_a_test_case_around_it_is_the_same() -> None:
    refuse_network_in_transaction()

    with transaction.atomic(), pytest.raises(NetworkInTransaction):
        refuse_network_in_transaction()
    assert not in_transaction()
