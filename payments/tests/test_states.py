import pytest

from payments import states
from payments.models import Payment

ALLOWED = {
    ("pending", "succeeded"),
    ("pending", "failed"),
    ("pending", "cancelled"),
    ("pending", "expired"),
    ("pending", "in_review"),
    ("failed", "succeeded"),
    ("failed", "in_review"),
    ("cancelled", "succeeded"),
    ("cancelled", "in_review"),
    ("expired", "succeeded"),
    ("expired", "in_review"),
    ("in_review", "succeeded"),
    ("in_review", "refunded"),
    ("succeeded", "partially_refunded"),
    ("succeeded", "refunded"),
    ("succeeded", "reversed"),
    ("partially_refunded", "refunded"),
    ("partially_refunded", "reversed"),
}
ALL = sorted(states.TRANSITIONS)


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_a_payment_moves_along_the_table_only(source: str, target: str) -> None:
    assert states.may_move(source, target) == ((source, target) in ALLOWED)
    assert (source in states.sources_of(target)) == ((source, target) in ALLOWED)


def test_the_table_names_every_state_of_a_payment() -> None:
    assert set(states.TRANSITIONS) == set(Payment.Status.values)


def test_money_that_is_here_never_counts_as_unpaid_again() -> None:
    for captured in states.CAPTURED:
        assert states.TRANSITIONS[captured] <= states.CAPTURED
