"""
Limits on how often, counted in PostgreSQL: the same for every process on every machine.

A token bucket as one row and one statement (GCRA): `full_at` is when the bucket will be full again.
Each use moves it on by `per / times`; a use that would move it further than `per` ahead is refused,
and moves nothing.
"""

import math
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from core.batches import in_batches, remove
from core.errors import TooMany
from core.ids import digest
from core.models import Throttle
from core.rates import Rate

_SPEND = """
insert into core_throttle as bucket (key, full_at) values (%(key)s, %(at)s + %(step)s)
on conflict (key) do update set full_at = greatest(bucket.full_at, %(at)s) + %(step)s
where greatest(bucket.full_at, %(at)s) + %(step)s <= %(at)s + %(per)s
returning full_at
"""


def spend(setting: str, *, who: str, at: datetime) -> None:
    """
    Count one use by someone against the rate that a setting holds.

    Call it outside a transaction, which would hold others up and take a refused use back. Nothing
    is counted of a use that is refused. `who` is kept as a digest only.

    :raises TooMany: with the time after which the next use is taken.
    """
    rate: Rate = getattr(settings, setting)
    key = digest(f"{setting} {who}")
    step = rate.per / rate.times
    values: dict[str, Any] = {"key": key, "at": at, "step": step, "per": rate.per}
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, values)
        if cursor.fetchone():
            return
    full_at = Throttle.objects.values_list("full_at", flat=True).filter(key=key).first() or at
    wait = full_at + step - rate.per - at
    raise TooMany(f"Try again in {math.ceil(wait.total_seconds() / 60)} min.", retry_after=wait)


def within(setting: str, *, who: str, at: datetime) -> bool:
    """Count one use as `spend` does, and say whether it was taken."""
    try:
        spend(setting, who=who, at=at)
    except TooMany:
        return False
    return True


def forget_full_buckets(*, before: datetime) -> int:
    """Remove what no longer limits anybody; return how many there were."""
    return in_batches(Throttle.objects.filter(full_at__lt=before), remove)
