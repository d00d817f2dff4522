from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from payments.schedule import after_silence, next_check

MADE = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
EARLIEST = UUID(int=0)


def look(after: timedelta, hinted: timedelta | None = None, payment_id: UUID = EARLIEST) -> float:
    found = next_check(
        payment_id=payment_id,
        made_at=MADE,
        asked_at=MADE + after,
        hinted_at=None if hinted is None else MADE + hinted,
    )
    assert found is not None
    return (found - MADE) / timedelta(seconds=1)


@pytest.mark.parametrize(
    ("asked_after", "next_after"),
    [
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(minutes=1), timedelta(minutes=2)),
        (timedelta(minutes=3), timedelta(minutes=4)),
        (timedelta(minutes=5), timedelta(minutes=8)),
        (timedelta(minutes=10), timedelta(minutes=15)),
        (timedelta(minutes=20), timedelta(minutes=30)),
        (timedelta(minutes=40), timedelta(hours=1)),
        (timedelta(hours=1), timedelta(hours=2)),
        (timedelta(hours=3), timedelta(hours=4)),
        (timedelta(hours=5), timedelta(hours=8)),
        (timedelta(hours=10), timedelta(hours=16)),
        (timedelta(hours=20), timedelta(hours=24)),
        (timedelta(hours=30), timedelta(hours=48)),
        (timedelta(hours=50), timedelta(hours=72)),
        (timedelta(hours=72), timedelta(days=7)),
    ],
)
def test_looks_become_rarer(asked_after: timedelta, next_after: timedelta) -> None:
    assert look(asked_after) == pytest.approx(0.9 * next_after.total_seconds())


def test_the_first_look_is_due_within_a_minute_for_every_payment() -> None:
    firsts = [look(timedelta(0), payment_id=UUID(int=n)) for n in range(1000)]

    assert min(firsts) == 54
    assert max(firsts) < 60
    assert len(set(firsts)) == 1000


def test_after_the_last_look_there_is_none() -> None:
    assert (
        next_check(
            payment_id=EARLIEST, made_at=MADE, asked_at=MADE + timedelta(days=7), hinted_at=None
        )
        is None
    )


@pytest.mark.parametrize(
    ("seconds_since_hint", "next_after_hint"), [(0, 5), (5, 15), (16, 45), (50, 120), (130, 300)]
)
def test_a_hint_of_success_tightens_the_looks(
    seconds_since_hint: int, next_after_hint: int
) -> None:
    # Between the looks at 9 and 18 hours nothing else is planned.
    hinted = timedelta(hours=10)

    found = look(hinted + timedelta(seconds=seconds_since_hint), hinted)

    assert found == (hinted + timedelta(seconds=next_after_hint)).total_seconds()


def test_five_minutes_after_a_hint_the_base_goes_on() -> None:
    hinted = timedelta(hours=10)

    found = look(hinted + timedelta(seconds=300), hinted)

    assert found == pytest.approx(0.9 * timedelta(hours=16).total_seconds())


def test_a_late_hint_brings_looks_back() -> None:
    assert look(timedelta(days=8), timedelta(days=8)) == timedelta(days=8, seconds=5) / timedelta(
        seconds=1
    )


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), timedelta(seconds=30)),
        (timedelta(minutes=5), timedelta(seconds=30)),
        (timedelta(minutes=50), timedelta(minutes=5)),
        (timedelta(days=10), timedelta(days=1)),
    ],
)
def test_silence_is_asked_again_soon_while_young_and_seldom_when_old(
    age: timedelta, wait: timedelta
) -> None:
    assert after_silence(made_at=MADE, asked_at=MADE + age) == MADE + age + wait
