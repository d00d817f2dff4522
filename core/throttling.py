"""
Limits on how often, counted in PostgreSQL: the same for every process on every machine.

A token bucket is one row, and a use of it one statement: core/sql/spend.sql.
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


def spend(setting: str, *, who: str, at: datetime, times: int = 1) -> None:
    """
    Count so many uses by someone, all or none, against the rate that a setting holds.

    Call it outside a transaction, which would hold others up and take a refused use back. Nothing
    is counted of a use that is refused. `who` is kept as a digest only.

    :raises TooMany: with the time after which as many are taken; more than the rate's own `times`
        never are.
    """
    use = use_of(setting, who=who, at=at, times=times)
    with connection.cursor() as cursor:
        cursor.execute("select core_spend(%(bucket)s, %(at)s, %(step)s, %(per)s)", use)
        if cursor.fetchone() == (True,):
            return
    found = Throttle.objects.values_list("full_at", flat=True).filter(key=use["bucket"])
    wait = (found.first() or at) + use["step"] - use["per"] - at
    raise TooMany(f"Try again in {math.ceil(wait.total_seconds() / 60)} min.", retry_after=wait)


def use_of(setting: str, *, who: str, at: datetime, times: int = 1) -> dict[str, Any]:
    """Return the arguments of core/sql/spend.sql for so many uses by someone."""
    rate: Rate = getattr(settings, setting)
    return {
        "bucket": digest(f"{setting} {who}"),
        "at": at,
        "step": rate.per * times / rate.times,
        "per": rate.per,
    }


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
