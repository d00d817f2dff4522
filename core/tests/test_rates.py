from datetime import timedelta

import pytest

from core.rates import Rate


@pytest.mark.parametrize(
    ("text", "times", "per"),
    [
        ("60/10m", 60, timedelta(minutes=10)),
        ("1/1s", 1, timedelta(seconds=1)),
        ("999999999/9999h", 999_999_999, timedelta(hours=9999)),
    ],
)
def test_a_rate_is_so_many_in_so_long(text: str, times: int, per: timedelta) -> None:
    assert Rate.parse(text) == Rate(times, per)


@pytest.mark.parametrize(
    "text", ["", "60", "60/m", "0/1m", "60/0m", "-1/1m", "1.5/1m", "60/10d", "60 / 10m", "6e1/1m"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a rate like 60/10m"):
        Rate.parse(text)
