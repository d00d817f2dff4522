from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.chapa.wire.patience import LONGEST_PATIENCE, read_patience

AT = datetime(2026, 11, 23, 7, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        ("86400", 300),
        ("999999999", 300),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("٣٠", 0),
        ("Mon, 23 Nov 2026 07:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 10:02:00 +0300", 120),
        ("Mon, 23 Nov 2026 07:02:00 -0000", 120),
        ("Mon, 23 Nov 2026 06:59:00 GMT", 0),
        ("Tue, 24 Nov 2026 07:00:00 GMT", 300),
        ("Mon, 99 Nov 2026 07:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300),
    ],
)
def test_a_wish_is_read_as_seconds_or_as_a_date_and_bounded(written: str, seconds: int) -> None:
    wait = read_patience(503, {"Retry-After": written}, AT)

    assert wait == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("http_status", "headers", "seconds"),
    [
        (429, {"X-RateLimit-Remaining": "0"}, 60),
        (429, {"X-RateLimit-Remaining": "0", "Retry-After": "soon"}, 60),
        (429, {"X-RateLimit-Remaining": "0", "Retry-After": "5"}, 5),
        (429, {"X-RateLimit-Remaining": "0", "Retry-After": "0"}, 0),
        (429, {"X-RateLimit-Remaining": "3"}, 0),
        (429, {}, 0),
        (200, {"X-RateLimit-Remaining": "0"}, 0),
        (500, {"X-RateLimit-Remaining": "0"}, 0),
    ],
)
def test_a_spent_limit_without_a_wish_is_a_minute(
    http_status: int, headers: dict[str, str], seconds: int
) -> None:
    assert read_patience(http_status, headers, AT) == timedelta(seconds=seconds)


@given(
    http_status=st.integers(100, 599),
    written=st.one_of(st.text(), st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} GMT")),
    remaining=st.text(max_size=3),
)
def test_no_header_makes_it_raise_or_wait_longer_than_the_bound(
    http_status: int, written: str, remaining: str
) -> None:
    headers = {"Retry-After": written, "X-RateLimit-Remaining": remaining}

    assert timedelta(0) <= read_patience(http_status, headers, AT) <= LONGEST_PATIENCE
