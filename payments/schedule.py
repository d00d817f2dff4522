"""When to look at a payment again. Pure."""

from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)

# After a payment was made: dense while the traveller pays, then for the days in which Chapa may
# still be retried or repaired, and one last look.
BASE = (
    *(_MINUTE * n for n in (1, 2, 4, 8, 15, 30)),
    *(_HOUR * n for n in (1, 2, 4, 8, 16, 24, 48, 72)),
    timedelta(days=7),
)
# After a hint of success that Chapa does not confirm yet.
TIGHT = tuple(accumulate(timedelta(seconds=n) for n in (5, 10, 30, 75, 180)))
# While Chapa is silent: soon while the payment is young, later at a tenth of its age, so that what
# Chapa never answers is not asked about for ever.
SILENCE = timedelta(seconds=30)


def next_check(
    *, payment_id: UUID, made_at: datetime, asked_at: datetime, hinted_at: datetime | None
) -> datetime | None:
    """
    Return the first planned look after `asked_at`, or None once all have been.

    A look comes up to a tenth earlier, always the same for the same payment, so that many payments
    made at once do not all come due at once.
    """
    stretch = 0.9 + (payment_id.int % 1000) / 10_000
    looks = [made_at + offset * stretch for offset in BASE]
    if hinted_at is not None:
        looks += [hinted_at + offset for offset in TIGHT]
    return min((look for look in looks if look > asked_at), default=None)


def after_silence(*, made_at: datetime, asked_at: datetime) -> datetime:
    """Return when to ask again a question that Chapa did not answer."""
    return asked_at + max(SILENCE, (asked_at - made_at) / 10)


# Chapa takes one to three business days; what it may not have taken is looked at sooner.
REFUND_LOOKS = (
    *(_MINUTE * n for n in (1, 5, 15)),
    *(_HOUR * n for n in (1, 6)),
    *(timedelta(days=n) for n in range(1, 11)),
)


def next_refund_check(*, submitted_at: datetime, asked_at: datetime) -> datetime | None:
    """Return the first planned look at a refund after `asked_at`, or None once all have been."""
    looks = (submitted_at + offset for offset in REFUND_LOOKS)
    return next((look for look in looks if look > asked_at), None)
