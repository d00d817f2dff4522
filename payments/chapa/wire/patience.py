"""How long Chapa wishes not to be asked. Pure, and no header makes it raise."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# However long Chapa wishes not to be asked, a traveller waits for the answer.
LONGEST_PATIENCE = timedelta(minutes=5)
# What a spent limit means where nothing says when it is filled again: nothing is published.
_SPENT_LIMIT_PATIENCE = timedelta(minutes=1)
_TOO_MANY_REQUESTS = 429


def read_patience(http_status: int, headers: Mapping[str, str], at: datetime) -> timedelta:
    """
    Return how long to wait from `at`: by Retry-After, seconds or a date, up to 5 minutes.

    Without one that can be read: a minute after a 429 that says that the limit is spent, else
    nothing. The names in `headers` are looked up as the mapping does.
    """
    wish = _wish(headers.get("Retry-After", "").strip(), at)
    if wish is None:
        spent = headers.get("X-RateLimit-Remaining", "").strip() == "0"
        limited = spent and http_status == _TOO_MANY_REQUESTS
        wish = _SPENT_LIMIT_PATIENCE if limited else timedelta(0)
    return min(max(wish, timedelta(0)), LONGEST_PATIENCE)


def _wish(written: str, at: datetime) -> timedelta | None:
    if re.fullmatch("[0-9]{1,9}", written):
        return timedelta(seconds=int(written))
    try:
        until = parsedate_to_datetime(written)
        return (until if until.tzinfo else until.replace(tzinfo=UTC)) - at
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
