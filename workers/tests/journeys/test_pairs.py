"""
Whatever happens to a payment, two at a time, each time met where they decide.

The end must be one that either order of the two would have led to. `PAIR_ROUNDS` says how often
each pair is tried; 10 by default, 200 by hand.
"""

import os
from itertools import combinations_with_replacement
from typing import Final

import pytest

from bookings.models import Booking
from core.testing import empty_tables
from payments.chapa.sandbox.server import RunningSandbox
from payments.models import Payment, Refund
from workers.tests.journeys.pairs import (
    ACTS,
    Pair,
    at_once,
    beginnings_of,
    cancel,
    expire,
    one_after_the_other,
    refund,
    rounds_of,
    verify,
    webhook,
)
from workers.tests.simulation.planted import drop_locks

pytestmark = [pytest.mark.crash, pytest.mark.django_db(transaction=True)]

ROUNDS: Final = int(os.environ.get("PAIR_ROUNDS", "10"))
PAIRS: Final = list(combinations_with_replacement(ACTS, 2))


def end_otherwise(chapa: RunningSandbox, pair: Pair, *, rounds: int) -> list[str]:
    """Return the rounds that end as neither order of the two does, and how."""
    serial = {
        beginning: [one_after_the_other(chapa, order, beginning) for order in {pair, pair[::-1]}]
        for beginning in beginnings_of(pair)
    }
    ends = ((how, at_once(chapa, pair, how)) for how in rounds_of(pair, rounds))
    return [f"{how}: {end}" for how, end in ends if end not in serial[how.beginning]]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " and ".join(act.__name__ for act in pair))
def test_two_at_once_end_as_one_after_the_other(chapa: RunningSandbox, pair: Pair) -> None:
    assert end_otherwise(chapa, pair, rounds=ROUNDS) == []


@pytest.mark.parametrize(
    ("pair", "models", "within"),
    [
        pytest.param((verify, verify), (Payment,), "write_answer", id="write_answer"),
        pytest.param((webhook, cancel), (Booking,), "apply_payment", id="apply_payment"),
        pytest.param((expire, cancel), (Booking,), "expire_hold", id="expire_hold"),
        pytest.param((webhook, cancel), (Booking,), "cancel_booking", id="cancel_booking"),
        pytest.param((refund, refund), (Payment, Refund), "", id="every lock of payments"),
    ],
)
def test_a_lock_that_is_not_taken_is_noticed(
    chapa: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    pair: Pair,
    models: tuple[type[Booking | Payment | Refund], ...],
    within: str,
) -> None:
    drop_locks(monkeypatch, *models, within=within)

    assert end_otherwise(chapa, pair, rounds=10) != []
    # What came of it offends against what must always be true.
    empty_tables()
